// Sockets, with TLS or without, and who listens to them.
import { connect, isIP } from "node:net";
import { connect as connectSecurely } from "node:tls";

/** Connects; over TLS if there are options for `tls.connect`. */
export function dial(host, port, tls) {
  if (!tls) return connect({ host, port, noDelay: true });
  // The name that the certificate is made out to; there is none for an address.
  const name = isIP(host) ? {} : { servername: host };
  return connectSecurely({ ...name, ...tls, host, port }).setNoDelay(true);
}

const listened = new WeakMap();

export function listen(socket, handlers) {
  for (const [event, handler] of Object.entries(handlers)) socket.on(event, handler);
  listened.set(socket, handlers);
}

/** Takes back what this client listens to; what the platform listens to stays. */
export function forget(socket) {
  for (const [event, handler] of Object.entries(listened.get(socket) ?? {})) socket.off(event, handler);
}
