"""The Python client over TLS: an order, a node that is not believed, and a version that is too old. Arguments: address, authority, key."""
import socket
import ssl
import sys

sys.path.insert(0, "clients/python")
import souk

address, authority, key = sys.argv[1:]
client = souk.Client(address, key_id=1, key=key, tls=ssl.create_default_context(cafile=authority))
print(client.wait(client.new_order(market=1, account=1, side=souk.BUY, price=1000, qty=1, cl_ord_id=1)).name)
client.logout()

try:
    souk.Client(address, key_id=1, key=key, tls=ssl.create_default_context())
except souk.Ended as error:
    print("not believed" if "CERTIFICATE_VERIFY_FAILED" in str(error) else error)

old = ssl.create_default_context(cafile=authority)
old.maximum_version = ssl.TLSVersion.TLSv1_2
host, port = address.rsplit(":", 1)
try:
    old.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host)
except ssl.SSLError as error:
    print("TLS 1.2 is refused" if "PROTOCOL_VERSION" in str(error) else error)
