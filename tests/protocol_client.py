#!/usr/bin/env python3
"""A client written from protocol/PROTOCOL.md alone (Python 3.9, standard library only).

    protocol_client.py vectors DIR                                  check every golden vector
    protocol_client.py trade HOST PORT KEY_ID=FILE KEY_ID=FILE      trade with a live server

Byte tables, words and codes are read from the document beside DIR, or from protocol/PROTOCOL.md beside this folder: if
the document is wrong or incomplete, this fails. FILE holds 64 hex digits, the secret Ed25519 key.
"""
import hashlib, json, pathlib, re, socket, struct, sys, time

# --- the document: messages, words, codes -----------------------------------------------------------------------------
MESSAGES, BY_TEMPLATE, WORDS, CODES, CHECKS = {}, {}, {}, {}, [0]


def read_document(path):
    message = table = word = None
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if found := re.match(r"Template (\d+), sent by (\S+ ?\S*), block of (\d+) bytes", line):
            sender = {"the client": {"client"}, "the server": {"server"}, "both sides": {"client", "server"}}[found[2]]
            message = dict(name=heading, template=int(found[1]), sender=sender, block=[], entry=None)
            MESSAGES[heading] = BY_TEMPLATE[message["template"]] = message
            table = message["block"]
        elif re.match(r"Group of `\w+`, \d+ bytes each", line):
            table = message["entry"] = []
        elif found := re.match(r"\*\*(\w+)\*\*: .*Another value is \w+ \((\d+)\)", line):
            word = WORDS[found[1]] = dict(code=int(found[2]), values={})
        elif line.startswith("#"):
            heading, table, word = line.strip("# ").split(". ")[-1], None, None
        elif cells and cells[0].isdigit():
            if table is not None:
                table.append((int(cells[0]), int(cells[1]), cells[2], cells[3]))
            elif word is not None:
                word["values"][cells[1]] = int(cells[0])
            elif heading == "Codes":
                CODES[cells[1]] = int(cells[0])


def size_of(table):
    return table[-1][0] + table[-1][1]


# --- frames: section 3, checks in the order of section 4 --------------------------------------------------------------
class Refused(Exception):
    def __init__(self, name, offset, fatal=False):
        super().__init__(f"{name} at byte {offset}")
        self.code, self.offset, self.fatal = CODES.get(name, name), offset, fatal


def split(data, frame_max):
    """The length of the first frame, or None if more bytes are needed."""
    if len(data) < 4:
        return None
    length = struct.unpack_from("<I", data)[0]
    if not 24 <= length <= frame_max:
        raise Refused("FrameLengthOutOfRange", 0, True)
    if length % 8:
        raise Refused("FrameLengthNotAligned", 0, True)
    if len(data) < length:
        return None
    block_len, schema, groups = struct.unpack_from("<H", data, 6)[0], data[8], data[11]
    for broken, name, offset in ((any(data[12:16]), "ReservedNotZero", 12), (schema != 1, "SchemaNotSupported", 8),
                                 (block_len % 8 or 24 + block_len > length, "BlockLengthMismatch", 6),
                                 (groups > 1 or groups == 0 and 24 + block_len != length, "GroupLengthMismatch", 11)):
        if broken:
            raise Refused(name, offset, True)
    return length


def read_fields(table, data, at):
    fields = {}
    for offset, size, kind, name in table:
        raw, value = data[at + offset:at + offset + size], int.from_bytes(data[at + offset:at + offset + size], "little")
        word = WORDS.get(kind.split()[1]) if kind.startswith("u8 ") else None
        if kind == "zero" or kind == "u8 0 or 1":
            if value > (kind != "zero"):
                raise Refused("ReservedNotZero", at + offset)
        elif word and value not in word["values"].values() and not (value == 0 and kind.endswith(" or 0")):
            raise Refused(word["code"], at + offset)
        if kind == "ASCII":
            value = raw.rstrip(b"\0").decode("ascii")
        elif kind == "bytes":
            value = raw.hex()
        elif kind in ("i32", "i64"):
            value = int.from_bytes(raw, "little", signed=True)
        if kind != "zero":
            fields[name] = value
    return fields


def check_batch_entry(entry, at):
    """The table of section 10. In a new order the words are those of NewOrder."""
    operation = entry["operation"]
    if operation not in (32, 33, 34):
        raise Refused("UnknownBatchOperation", at)
    has = {32: "cl_ord_id price qty", 33: "orig_cl_ord_id order_id", 34: "cl_ord_id orig_cl_ord_id order_id price qty"}
    kinds = {name: kind for _, _, kind, name in MESSAGES["NewOrder"]["block"]}
    for offset, _, _, name in MESSAGES["Batch"]["entry"]:
        if name in ("operation", "account") or name in has[operation].split() or name.startswith("reserved"):
            continue
        if operation != 32 or name not in kinds:
            if entry[name]:
                raise Refused("ReservedNotZero", at + offset)
        elif kinds[name] != "u64":
            word = WORDS[kinds[name].split()[1]]
            if entry[name] not in word["values"].values():
                raise Refused(word["code"], at + offset)


def decode(sender, data):
    """One whole frame that `split` took. Gives (name, seq, flags, fields, entries, appended)."""
    template, block_len = struct.unpack_from("<HH", data, 4)
    version, flags, groups, seq = data[9], data[10], data[11], struct.unpack_from("<Q", data, 16)[0]
    message = BY_TEMPLATE.get(template)
    if not message or sender not in message["sender"]:
        raise Refused("UnknownTemplate", 4)
    to_market = 32 <= template < 48
    if flags & ~(3 if sender == "server" else 1 if to_market else 0):
        raise Refused("FlagNotSupported", 10)
    if sender == "client" and to_market != (seq != 0):
        raise Refused("SequenceMustNotBeZero" if to_market else "SequenceMustBeZero", 16)
    if groups != (message["entry"] is not None):
        raise Refused("GroupLengthMismatch", 11)
    if block_len < size_of(message["block"]):
        raise Refused("BlockLengthMismatch", 6)
    fields, entries = read_fields(message["block"], data, 24), None
    appended = dict(version=version, block_extra=data[24 + size_of(message["block"]):24 + block_len].hex())
    if message["entry"] is not None:
        at, known = 24 + block_len, size_of(message["entry"])
        if len(data) < at + 8:
            raise Refused("GroupLengthMismatch", at)
        entry_len, count, reserved = struct.unpack_from("<HHI", data, at)
        for broken, name, offset in ((reserved, "ReservedNotZero", at + 4),
                                     (entry_len < known or entry_len % 8, "GroupLengthMismatch", at),
                                     (at + 8 + entry_len * count != len(data), "GroupLengthMismatch", at + 2),
                                     (template == 37 and not 1 <= count <= 32, "BatchSizeOutOfRange", at + 2)):
            if broken:
                raise Refused(name, offset)
        entries, appended["entry_extra"] = [], []
        for place in range(at + 8, len(data), entry_len):
            entries.append(read_fields(message["entry"], data, place))
            if template == 37:
                check_batch_entry(entries[-1], place)
            appended["entry_extra"].append(data[place + known:place + entry_len].hex())
    if message["name"] == "Subscribe" and fields["flags"] not in (1, 2, 3, 4):
        raise Refused("SubscriptionFlagsUnknown", 28)
    if message["name"] == "StatementQuery" and not 1 <= fields["count"] <= 512:
        raise Refused("CountOutOfRange", 36)
    return message["name"], seq, flags, fields, entries, appended


def write_fields(table, fields):
    out = b""
    for _, size, kind, name in table:
        value = fields.get(name, 0)
        if kind in ("ASCII", "bytes"):
            raw = (bytes.fromhex(value or "") if kind == "bytes" else (value or "").encode()).ljust(size, b"\0")
        else:
            raw = int(value).to_bytes(size, "little", signed=kind in ("i32", "i64"))
        out += raw
    return out


def encode(name, seq=0, flags=0, fields=None, entries=None, version=1, block_extra="", entry_extra=()):
    message = MESSAGES[name]
    block = write_fields(message["block"], fields or {}) + bytes.fromhex(block_extra)
    body = block
    if message["entry"] is not None:
        entries, extra = entries or [], bytes.fromhex(entry_extra[0] if entry_extra else "")
        body += struct.pack("<HHI", size_of(message["entry"]) + len(extra), len(entries), 0)
        body += b"".join(write_fields(message["entry"], entry) + extra for entry in entries)
    header = struct.pack("<IHHBBBBIQ", 24 + len(body), message["template"], len(block), 1, version, flags,
                         message["entry"] is not None, 0, seq)
    return header + body


# --- Ed25519, from RFC 8032 section 5.1 (slow, and not safe against listeners at the side) ----------------------------
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def decompress(raw):
    number = int.from_bytes(raw, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def compress(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def hash_number(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


def sign(seed, message):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
    public = compress(multiply(scalar, BASE))
    nonce = hash_number(digest[32:], message)
    commitment = compress(multiply(nonce, BASE))
    answer = (nonce + hash_number(commitment, public, message) * scalar) % L
    return commitment + answer.to_bytes(32, "little")


def verify(public, message, signature):
    point, commitment = decompress(public), decompress(signature[:32])
    answer = int.from_bytes(signature[32:], "little")
    if not point or not commitment or answer >= L:
        return False
    right = add(commitment, multiply(hash_number(signature[:32], public, message), point))
    return compress(multiply(answer, BASE)) == compress(right)


def signed_bytes(hello, challenge, logon):
    return b"souk-logon-v1\0\0\0" + hello + challenge + logon[:-64] + bytes(64)


def book_hash(book):
    """Section 13. The book is {(side, price): (quantity, orders)}."""
    levels = sorted(book.items(), key=lambda level: (level[0][0], level[0][1] * (-1 if level[0][0] == 1 else 1)))
    value = 0xCBF29CE484222325
    for (side, price), (qty, orders) in levels:
        for byte in struct.pack("<BqQI", side, price, qty, orders):
            value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def check(truth, what):
    if not truth:
        raise AssertionError(what)
    CHECKS[0] += 1


# --- the golden vectors: section 20 -----------------------------------------------------------------------------------
def as_json(table, fields):
    return {name: str(fields[name]) if size == 8 and kind in ("u64", "i64") else fields[name]
            for _, size, kind, name in table if kind != "zero"}


def positive(vector):
    data = bytes.fromhex(vector["hex"])
    check(split(data, 65536) == len(data), "one whole frame")
    name, seq, flags, fields, entries, appended = decode(vector["side"], data)
    message = MESSAGES[name]
    found = dict(message=name, seq=str(seq), flags=flags, fields=as_json(message["block"], fields))
    if entries is not None:
        found["entries"] = [as_json(message["entry"], entry) for entry in entries]
    check(all(vector[key] == value for key, value in found.items()), f"decoded as {found}")
    nothing = dict(version=1, block_extra="", entry_extra=[""] * len(entries or []))
    check(all(vector.get(key, nothing[key]) == value for key, value in appended.items()), f"appended {appended}")
    extra = {key: vector[key] for key in ("version", "block_extra", "entry_extra") if key in vector}
    again = encode(vector["message"], int(vector["seq"]), vector["flags"], vector["fields"], vector.get("entries"), **extra)
    check(again == data, f"encoded as {again.hex()}")


def negative(vector):
    data, found = bytes.fromhex(vector["hex"]), None
    try:
        length = split(data, vector["frame_max"])
        if length is None:
            found = dict(outcome="incomplete")
        else:
            found = dict(outcome="legal", message=decode(vector["side"], data[:length]))
    except Refused as refused:
        found = dict(outcome="refused", code=refused.code, field_offset=refused.offset, fatal=refused.fatal)
    check(all(vector.get(key) == value for key, value in found.items()), f"found {found}")


def auth(vector):
    """The rules of section 6, in their order."""
    hello, challenge, logon = (bytes.fromhex(vector[key]) for key in ("hello", "challenge", "logon"))
    message = signed_bytes(hello, challenge, logon)
    check(message.hex() == vector["signed"], "the bytes that are signed")
    fields, now = decode("client", logon)[3], int(vector["server_time"])
    public = vector["public_key"] and bytes.fromhex(vector["public_key"])
    fits = public and fields["session_number"] <= 4095 and verify(public, message, bytes.fromhex(fields["signature"]))
    rules = ((not fits, "AuthenticationFailed"), (abs(fields["client_time"] - now) > 60 * 10**9, "ClockSkew"),
             (not 100 <= fields["keepalive_ms"] <= 60000, "KeepaliveOutOfRange"),
             (fields["cancel_grace_ms"] > (60000 if fields["cancel_on_disconnect"] else 0), "CancelGraceOutOfRange"),
             (fields["incarnation"] <= int(vector["incarnation_highest"]), "IncarnationNotNewer"))
    found = next((CODES[name] for broken, name in rules if broken), 0)
    check(found == vector["code"], f"found {found}")


def check_vectors(folder):
    for name, one in (("positive", positive), ("negative", negative), ("auth", auth)):
        for number, line in enumerate((folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines(), 1):
            vector = json.loads(line)
            try:
                one(vector)
            except (AssertionError, Refused) as error:
                sys.exit(f"{name}.jsonl line {number}, {vector['name']}: {error}\n{line}")
    seed, public = re.findall(r"^(?:secret key \(seed\)|public key)\n  ([0-9a-f]{64})$", DOCUMENT.read_text(), re.M)
    example = json.loads((folder / "auth.jsonl").read_text().splitlines()[0])
    check(example["public_key"] == public, "the worked example's key")
    signature = sign(bytes.fromhex(seed), bytes.fromhex(example["signed"]))
    check(example["logon"].endswith(signature.hex()), "the worked example's signature")
    check(book_hash({(2, 102): (7, 2), (1, 99): (12, 3), (1, 100): (5, 1)}) == 0xA52A267D9D6362C8, "book_hash")


DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "protocol" / "PROTOCOL.md"
if __name__ == "__main__":
    read_document(DOCUMENT)
    if sys.argv[1:2] == ["vectors"] and len(sys.argv) == 3:
        check_vectors(pathlib.Path(sys.argv[2]))
    elif sys.argv[1:2] == ["trade"] and len(sys.argv) == 6:
        sys.modules["protocol_client"] = sys.modules["__main__"]
        import protocol_trade
        protocol_trade.trade(sys.argv[2], int(sys.argv[3]), [key.split("=", 1) for key in sys.argv[4:]])
    else:
        sys.exit(__doc__)
    print(f"{CHECKS[0]} checks passed")
