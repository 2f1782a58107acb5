"""clients/python against every golden vector of protocol/vectors, and against the tables of PROTOCOL.md: vectors.py ROOT"""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(ROOT / "clients/python"))
import souk  # noqa: E402
from souk import wire  # noqa: E402

CHECKS = [0]


def check(holds, what):
    if not holds:
        raise AssertionError(what)
    CHECKS[0] += 1


def plain(fields, values):
    """Values as a vector has them."""
    return {name: values[name].hex() if kind == "b" else str(values[name]) if size == 8 and kind in ("", "i64") else values[name]
            for name, kind, size in fields if name}


def typed(fields, values):
    """Values as the client has them."""
    kinds = {name: kind for name, kind, _ in fields}
    return {name: bytes.fromhex(value) if kinds[name] == "b" else int(value) if kinds[name] in ("", "i64") else value
            for name, value in values.items()}


def positive(vector):
    data, layout = bytes.fromhex(vector["hex"]), wire.LAYOUTS[vector["message"]]
    check(wire.split(data) == len(data), "one whole frame")
    message = wire.decode(data, vector["side"][0].upper())
    check((message.name, str(message.seq), message.flags) == (vector["message"], vector["seq"], vector["flags"]), f"{message}")
    check(plain(layout.block, message) == vector["fields"], f"fields {message}")
    entries = [plain(layout.entry, entry) for entry in message.entries] if layout.entry else None
    check(entries == vector.get("entries"), f"entries {entries}")
    if not any(name in vector for name in ("version", "block_extra", "entry_extra")):
        entries = [typed(layout.entry, entry) for entry in vector["entries"]] if layout.entry else None
        again = wire.encode(message.name, typed(layout.block, vector["fields"]), message.seq, message.flags, entries)
        check(again == data, f"encoded as {again.hex()}")


def negative(vector):
    data = bytes.fromhex(vector["hex"])
    try:
        length = wire.split(data, vector["frame_max"])
        found = ("incomplete",) if length is None else ("legal", wire.decode(data[:length], vector["side"][0].upper()))
    except wire.Refused as refused:
        found = ("refused", refused.code, refused.offset, refused.fatal)
    expected = ("incomplete",) if vector["outcome"] == "incomplete" else (
        "refused", vector["code"], vector["field_offset"], vector["fatal"])
    check(found == expected, f"{found}")


def auth(vector, seed, public):
    hello, challenge, logon = (bytes.fromhex(vector[key]) for key in ("hello", "challenge", "logon"))
    check(wire.signed_bytes(hello, challenge, logon).hex() == vector["signed"], "the bytes that are signed")
    if vector["code"] == 0 and vector["public_key"] == public:
        check(wire.sign(seed, bytes.fromhex(vector["signed"])) == logon[-64:], "the signature")


def main():
    document = (ROOT / "protocol/PROTOCOL.md").read_text(encoding="utf-8")
    seed, public = re.findall(r"^(?:secret key \(seed\)|public key)\n  ([0-9a-f]{64})$", document, re.M)
    seed = bytes.fromhex(seed)
    for name, one in (("positive", positive), ("negative", negative), ("auth", lambda vector: auth(vector, seed, public))):
        for number, line in enumerate((ROOT / f"protocol/vectors/{name}.jsonl").read_text(encoding="utf-8").splitlines(), 1):
            try:
                one(json.loads(line))
            except (AssertionError, souk.SoukError) as error:
                sys.exit(f"{name}.jsonl line {number}: {error}\n{line}")
    codes = re.findall(r"^\| (\d+) \| (\w+) \| (?:yes|no) \|", document, re.M)
    check(codes == [(str(code), name) for name, code in wire.CODES.items()], "the code table")
    book = souk.Book()
    book.levels = {(2, 102): (7, 2), (1, 99): (12, 3), (1, 100): (5, 1)}
    check(book.hash() == 0xA52A267D9D6362C8, "book_hash")
    print(f"{CHECKS[0]} checks passed")


main()
