// Ed25519 key pairs made in the browser: the private key never leaves it.

export const hex = (bytes) => [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");

/** Whether this browser can make the keys; it needs a safe origin, and Ed25519. */
export async function canMakeKeys() {
  try {
    await globalThis.crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"]);
    return true;
  } catch {
    return false;
  }
}

/** A new pair as hex: the private key is its 32-byte seed, as `souk key new` writes it. */
export async function makeKeys() {
  const { subtle } = globalThis.crypto;
  const pair = await subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"]);
  const [whole, open] = await Promise.all([subtle.exportKey("pkcs8", pair.privateKey), subtle.exportKey("raw", pair.publicKey)]);
  // PKCS 8 of an Ed25519 key ends with the seed.
  return { secret: hex(new Uint8Array(whole).slice(-32)), open: hex(new Uint8Array(open)) };
}
