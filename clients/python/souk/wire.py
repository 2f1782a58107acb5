"""Souk's messages as bytes: sections 2 to 6 of protocol/PROTOCOL.md, for both sides. Python 3.9 or later, standard library only."""
import collections
import hashlib
import struct

# Template, name, who sends it (Client, Server, Both), and fields: eight bytes unless said, `_n` reserved. `@` stands for what every report
# begins with; after `/` come the fields of an entry.
MESSAGES = """
1 Hello C magic:b8 schema_min:1 schema_max:1 version_max:1 _5 features max_frame_in:4 _4
2 Challenge S nonce:b32 server_time cluster_id schema_id:1 version:1 _2 max_frame_in:4
3 Logon C key_id:4 session_number:2 cancel_on_disconnect:CancelOnDisconnect _1 incarnation client_time keepalive_ms:4 cancel_grace_ms:4
  signature:b64
4 LogonAck S session_id:4 tenant:4 incarnation server_time max_inflight:4 order_rate:4 order_burst:4 cancel_rate:4 cancel_burst:4
  keepalive_ms:4 durability:Durability _7 / account:4 _4
5 LogonReject S code:2 _2 retry_after_ms:4 server_time
6 Heartbeat B time
7 Ping B nonce time
8 Pong B nonce ping_time time
9 Terminate B code:2 _2 retry_after_ms:4 detail
10 SessionReject S ref_seq market:4 ref_template:2 code:2 field_offset:2 fatal:bool _1 retry_after_us:4 cl_ord_id
11 NotApplied S from_client_seq count:4 market:4 expected_client_seq code:2 _2 retry_after_us:4
12 JoinMarket C market:4 _4
13 MarketJoined S market:4 state:MarketState _3 epoch last_client_seq last_report_seq stream_seq
14 MarketListRequest C _8
15 MarketDefinition S market:4 state:MarketState base_scale:1 quote_scale:1 _1 symbol:a24 base:a8 quote:a8 tick_mantissa lot_mantissa
  tick_scale:1 lot_scale:1 _6 price_min:i64 price_max:i64 qty_min qty_max notional_unit account_orders_max:4 _4 notional_min notional_max
  lot_units
16 MarketListEnd S count:4 _4
17 ResumeMarket C market:4 _4 last_report_seq
18 ReportsResent S market:4 _4 from_report_seq to_report_seq
20 Redirect S epoch address:a64
32 NewOrder C cl_ord_id price:i64 qty budget market:4 account:4 side:Side order_type:OrderType time_in_force:TimeInForce
  post_only:PostOnly stp_mode:StpMode stp_scope:StpScope _2
33 CancelOrder C orig_cl_ord_id order_id market:4 account:4
34 ReplaceOrder C cl_ord_id orig_cl_ord_id order_id price:i64 total_qty market:4 account:4
35 MassCancel C market:4 account:4 side:Side? _7
36 OrderStatusRequest C orig_cl_ord_id order_id market:4 account:4
37 Batch C market:4 mode:BatchMode _3 / operation:1 side:1 order_type:1 time_in_force:1 post_only:1 stp_mode:1 stp_scope:1 _1 account:4 _4
  cl_ord_id orig_cl_ord_id order_id price:i64 qty budget
48 CreateCurrency C request_id code:a8 amount_min amount_max scale:1 display_scale:1 status:CurrencyStatus _5
49 UpdateCurrency C request_id code:a8 amount_min amount_max display_scale:1 status:CurrencyStatus _6
50 CreateMarket C request_id market:4 state:MarketState tick_scale:1 lot_scale:1 _1 symbol:a24 base:a8 quote:a8 tick_mantissa lot_mantissa
  price_min:i64 price_max:i64 qty_min qty_max notional_min notional_max orders_max:4 account_orders_max:4 maker_ppm:i32 taker_ppm:i32
51 SetMarketLimits C request_id market:4 _4 price_min:i64 price_max:i64 qty_min qty_max notional_min notional_max orders_max:4
  account_orders_max:4
52 SetMarketState C request_id market:4 state:MarketState _3
53 SetFees C request_id market:4 fee_group:2 _2 maker_ppm:i32 taker_ppm:i32
54 CreateAccount C request_id account:4 fee_group:2 stp_group:2 status:AccountStatus _7 external_id:a32
55 UpdateAccount C request_id account:4 fee_group:2 stp_group:2 status:AccountStatus _7
56 Credit C request_id business:a16 business_id account:4 scale:1 _3 currency:a8 amount
57 Debit C request_id business:a16 business_id account:4 scale:1 _3 currency:a8 amount
58 Transfer C request_id business:a16 business_id from:4 to:4 scale:1 _7 currency:a8 amount
59 BalanceQuery C request_id account:4 _4
60 StatementQuery C request_id account:4 count:2 _2 currency:a8 after_sequence
61 SubscribeSettlements C request_id market:4 _4 from_number
62 SubscribeAccount C request_id account:4 _4
63 CurrencyListRequest C request_id
96 Accepted S @ order_id price:i64 qty side:Side order_type:OrderType time_in_force:TimeInForce post_only:PostOnly batch_index:1 _3
97 Rejected S @ order_id code:2 ref_template:2 batch_index:1 _3
98 Canceled S @ order_id qty cum reason:CancelReason side:Side batch_index:1 _5
99 Replaced S @ order_id orig_cl_ord_id price:i64 leaves cum side:Side kept_priority:bool batch_index:1 _5
100 Trade S @ order_id match_id price:i64 qty leaves cum side:Side liquidity:Liquidity batch_index:1 _5 fee:i64
101 SelfTradePrevented S @ order_id qty leaves cum side:Side liquidity:Liquidity batch_index:1 _5
102 MassCanceled S market:4 account:4 transact_time client_seq count:4 _4
103 OrderStatus S @ order_id price:i64 leaves cum side:Side state:OrderState _6
104 AccountUpdate S account:4 _4 currency:a8 available held sequence transact_time
105 RequestAccepted S request_id control_seq
106 FundingResult S request_id control_seq business_id amount repeated:bool _7
107 RequestRejected S request_id ref_template:2 code:2 field_offset:2 _2 retry_after_us:4 _4
108 BalanceReport S request_id account:4 _4 / currency:a8 total held available sequence
109 StatementReport S request_id account:4 more:bool _3 currency:a8 / sequence transact_time change:i64 total reference stream_seq
  market:4 kind:StatementKind _3
110 Settlement S number market:4 taker_side:Side _3 transact_time stream_seq base_amount quote_amount buyer:4 seller:4 buyer_fee:i64
  seller_fee:i64 buyer_order seller_order price:i64 qty
111 SettlementsFrom S request_id market:4 _4 oldest next
112 CurrencyDefinition S code:a8 scale:1 display_scale:1 status:CurrencyStatus _5 amount_min amount_max
113 CurrencyListEnd S request_id count:4 _4
128 Subscribe C market:4 flags:1 _3
129 Unsubscribe C market:4 _4
130 DepthSnapshot S market:4 state:MarketState _3 stream_seq book_hash buy_levels:4 sell_levels:4 / price:i64 qty orders:4 side:Side _3
131 DepthUpdate S market:4 _4 stream_seq transact_time / price:i64 qty orders:4 side:Side _3
132 TradeTick S market:4 taker_side:Side _3 match_id price:i64 qty transact_time
133 MarketStatus S market:4 state:MarketState _3 transact_time
"""
WORDS = """
Side Buy=1 Sell=2; OrderType Market=1 Limit=2; TimeInForce Gtc=1 Ioc=3 Fok=4; PostOnly No=0 Reject=1 Slide=2; StpMode None=0
CancelNewest=1 CancelOldest=2 CancelBoth=3 DecrementAndCancel=4; StpScope Account=0 Group=1; MarketState Continuous=1 Halted=2
CancelOnly=3; CancelReason ByRequest=1 MassCancel=2 ImmediateOrCancel=3 SelfTrade=4 BudgetSpent=5 ReplacedBelowExecuted=6 OnDisconnect=7;
CancelOnDisconnect None=0 OnDisconnect=1 OnLogout=2 Both=3; BatchMode Independent=0 StopAtFirstReject=1; OrderState New=1
PartiallyFilled=2; Liquidity Maker=1 Taker=2; Durability Memory=0 Local=1 Mysql=2; CurrencyStatus Listed=1 Hidden=2 Delisting=3;
AccountStatus Active=1 CancelOnly=2 Frozen=3; StatementKind Credit=1 Debit=2 TransferIn=3 TransferOut=4 Trade=5 Fee=6
"""
CODES = """
101 FrameLengthOutOfRange 102 FrameLengthNotAligned 103 UnknownTemplate 104 BlockLengthMismatch 105 GroupLengthMismatch 106
ReservedNotZero 107 SchemaNotSupported 108 BadMagic 109 SequenceMustBeZero 110 FlagNotSupported 111 UnknownFeature 201 ProtocolOrder 202
AuthenticationFailed 203 ClockSkew 204 SessionTakenOver 205 IncarnationNotNewer 206 HandshakeTimeout 207 KeepaliveLapsed 208
KeepaliveOutOfRange 209 ServerDraining 210 LoggedOut 211 TooManyConnections 212 PermissionDenied 213 CancelOnDisconnectNotSupported 214
SlowConsumer 215 NotJoined 216 JournalFailed 217 NotOwner 218 TenantMoving 219 TlsRequired 301 SessionRateExceeded 302 CreditExceeded 303
TenantShareExceeded 304 MarketBusy 305 LogonRateExceeded 306 TooManySubscriptions 401 UnknownSide 402 UnknownOrderType 403
UnknownTimeInForce 404 UnknownPostOnly 405 UnknownStpMode 406 UnknownStpScope 407 UnknownMarketState 408 UnknownCancelReason 409
UnknownBatchMode 410 UnknownBatchOperation 411 UnknownOrderState 412 UnknownLiquidity 413 UnknownDurability 414 UnsupportedCombination 415
QtyMustNotBeZero 416 PriceMustBePositive 417 PriceOutOfRange 418 QtyOutOfRange 419 MarketOrderUnbounded 420 OrderReferenceMissing 421
BatchSizeOutOfRange 422 SubscriptionFlagsUnknown 423 SequenceMustNotBeZero 424 AmountMustNotBeZero 425 AmountTooLarge 426
NotionalOutOfRange 427 UnknownCurrencyStatus 428 UnknownAccountStatus 429 ScaleOutOfRange 430 TickTooFine 431 LotTooFine 432
FeesOutOfRange 433 NameNotLegal 434 LimitsOutOfRange 435 AmountOutOfRange 436 WrongScale 437 UnknownStatementKind 438 CountOutOfRange 439
SameCurrency 440 IdMustNotBeZero 441 UnknownCancelOnDisconnect 442 CancelGraceOutOfRange 501 UnknownMarket 502 UnknownAccount 503
UnknownOrder 504 UnknownCurrency 505 MarketExists 506 AccountExists 507 CurrencyExists 508 ExternalIdExists 601 InsufficientFunds 602
AccountFrozen 603 AccountCancelOnly 604 SupplyExceeded 605 CurrencyNotListed 606 BusinessIdReused 607 SameAccount 608 FeeTableFull 609
ExternalCustody 610 SettlementsTooOld 611 TenantLimitReached 612 FeeAccountFixed 701 MarketHalted 702 MarketCancelOnly 703
PostOnlyWouldCross 704 FokUnfillable 705 TooManyOpenOrders 706 TooManyOpenOrdersOfAccount 707 BookQtyExceeded 801 DuplicateClOrdId 802
AlreadyApplied 803 SequenceGap 804 ReportSeqNotReached 901 BatchStopped
"""

FRAME_MAX = 65_536
_numbers = CODES.split()
CODES = {name: int(code) for code, name in zip(_numbers[::2], _numbers[1::2])}
NAMES = {code: name for name, code in CODES.items()}
WORDS = {word.split()[0]: {int(value.split("=")[1]) for value in word.split()[1:]} for word in WORDS.split(";")}

COME_BACK = {"KeepaliveLapsed", "HandshakeTimeout", "ServerDraining", "TooManyConnections", "SlowConsumer", "JournalFailed", "NotOwner",
             "TenantMoving", "LogonRateExceeded"}


class SoukError(Exception):
    """Everything that this client raises of its own. `code` is one of `CODES`, or 0."""

    def __init__(self, text, code=0):
        super().__init__(f"{text} {code} {NAMES.get(code, '')}".rstrip() if code else text)
        self.code = code


class Refused(SoukError):
    """Bytes that break a rule of section 4."""

    def __init__(self, name, offset, fatal=False):
        super().__init__(f"byte {offset}:", CODES[name])
        self.name, self.offset, self.fatal = name, offset, fatal


class NotApplied(SoukError):
    """The message had no effect, and will have none."""


class InDoubt(SoukError):
    """Whether it was applied is not known, or what became of it is not: ask for the order's status."""


class Ended(SoukError):
    """A logon was refused, or a connection ended; without a word if the code is 0."""

    def __init__(self, text, code=0, retry_after_ms=0):
        super().__init__(text, code)
        self.retry_after, self.may_help = retry_after_ms / 1000, code == 0 or retry_after_ms > 0 or NAMES.get(code) in COME_BACK


# --- bytes: sections 2 to 4 ---
def _field(text):
    name, _, kind = text.partition(":")
    if name[0] == "_":
        return "", "zero", int(name[1:])
    if kind[:1] in ("a", "b") and kind[1:].isdigit():
        return name, kind[0], int(kind[1:])
    return name, kind, {"": 8, "i64": 8, "i32": 4, "4": 4, "2": 2}.get(kind, 1)


Layout = collections.namedtuple("Layout", "template name sender block block_len entry entry_len")
LAYOUTS = {}
for _line in MESSAGES.replace("\n  ", " ").replace("@", "market:4 account:4 transact_time client_seq cl_ord_id").strip().split("\n"):
    (_id, _name, _sender, *_block), _entry = (_line + " / ").split("/")[0].split(), (_line + " / ").split("/")[1].split()
    _block, _entry = [_field(text) for text in _block], [_field(text) for text in _entry]
    LAYOUTS[_name] = LAYOUTS[int(_id)] = Layout(int(_id), _name, _sender, _block, sum(field[2] for field in _block), _entry,
                                                sum(field[2] for field in _entry))


class Message(dict):
    """Its fields are items, and attributes; `seq`, `flags` and `entries` (dicts) are the header's and the group's."""

    def __init__(self, name, fields=(), seq=0, flags=0, entries=None):
        super().__init__(fields)
        self.__dict__.update(name=name, seq=seq, flags=flags, entries=entries)

    def __getattr__(self, name):
        if name not in self:
            raise AttributeError(f"{self.name} has no {name}")
        return self[name]

    def __repr__(self):
        return f"{self.name}#{self.seq} {dict(self)}" + (f" {self.entries}" if self.entries else "")


def split(data, frame_max=FRAME_MAX):
    """The length of the first frame, or None if more bytes are needed."""
    if len(data) < 4:
        return None
    length = int.from_bytes(data[:4], "little")
    _check(24 <= length <= frame_max, "FrameLengthOutOfRange", 0, True)
    _check(length % 8 == 0, "FrameLengthNotAligned", 0, True)
    if len(data) < length:
        return None
    block_end, groups = 24 + int.from_bytes(data[6:8], "little"), data[11]
    _check(not any(data[12:16]), "ReservedNotZero", 12, True)
    _check(data[8] == 1, "SchemaNotSupported", 8, True)
    _check(block_end % 8 == 0 and block_end <= length, "BlockLengthMismatch", 6, True)
    _check(groups < 2 and (groups == 1 or block_end == length), "GroupLengthMismatch", 11, True)
    return length


def _check(holds, name, offset, fatal=False):
    if not holds:
        raise Refused(name, offset, fatal)


def _read(fields, data, at):
    found = {}
    for name, kind, size in fields:
        raw, word = bytes(data[at:at + size]), kind.rstrip("?")
        value = int.from_bytes(raw, "little", signed=kind[:1] == "i")
        _check(value == 0 or kind != "zero" and (value == 1 or kind != "bool"), "ReservedNotZero", at)
        _check(word not in WORDS or value in WORDS[word] or value == 0 and kind[-1] == "?", "Unknown" + word, at)
        found[name] = raw.rstrip(b"\0").decode("ascii", "replace") if kind == "a" else raw if kind == "b" else value
        at += size
    found.pop("", None)
    return found


def _check_batch_entry(entry, at):
    """The table of section 10. In a new order the words are those of NewOrder."""
    has = {32: "cl_ord_id price qty", 33: "orig_cl_ord_id order_id", 34: "cl_ord_id orig_cl_ord_id order_id price qty"}
    operation, kinds = entry["operation"], {name: kind for name, kind, _ in LAYOUTS["NewOrder"].block}
    _check(operation in has, "UnknownBatchOperation", at)
    for name, _, size in LAYOUTS["Batch"].entry:
        if name and name not in ("operation", "account", *has[operation].split()):
            if operation != 32 or name not in kinds:
                _check(entry[name] == 0, "ReservedNotZero", at)
            elif kinds[name] in WORDS:
                _check(entry[name] in WORDS[kinds[name]], "Unknown" + kinds[name], at)
        at += size


def decode(data, sender="S"):
    """The message of one whole frame that `split` took."""
    (template, block_len), flags, seq = struct.unpack_from("<HH", data, 4), data[10], int.from_bytes(data[16:24], "little")
    layout, numbered = LAYOUTS.get(template), 32 <= template < 48
    _check(layout and layout.sender in (sender, "B"), "UnknownTemplate", 4)
    _check(flags & ~(3 if sender == "S" else int(numbered)) == 0, "FlagNotSupported", 10)
    _check(sender == "S" or numbered == (seq != 0), "SequenceMustNotBeZero" if numbered else "SequenceMustBeZero", 16)
    _check(data[11] == bool(layout.entry), "GroupLengthMismatch", 11)
    _check(block_len >= layout.block_len, "BlockLengthMismatch", 6)
    message, at = Message(layout.name, _read(layout.block, data, 24), seq, flags, [] if layout.entry else None), 24 + block_len
    if layout.entry:
        _check(len(data) >= at + 8, "GroupLengthMismatch", at)
        entry_len, count, reserved = struct.unpack_from("<HHI", data, at)
        _check(reserved == 0, "ReservedNotZero", at + 4)
        _check(entry_len >= layout.entry_len and entry_len % 8 == 0, "GroupLengthMismatch", at)
        _check(at + 8 + entry_len * count == len(data), "GroupLengthMismatch", at + 2)
        _check(template != 37 or 1 <= count <= 32, "BatchSizeOutOfRange", at + 2)
        for place in range(at + 8, len(data), entry_len):
            message.entries.append(_read(layout.entry, data, place))
            if template == 37:
                _check_batch_entry(message.entries[-1], place)
    _check(template != 128 or 1 <= message["flags"] <= 4, "SubscriptionFlagsUnknown", 28)
    _check(template != 60 or 1 <= message["count"] <= 512, "CountOutOfRange", 36)
    return message


def _write(fields, values):
    out = b""
    for name, kind, size in fields:
        value = values.get(name, b"" if kind in ("a", "b") else 0)
        out += (value.encode() if kind == "a" else value).ljust(size, b"\0") if kind in ("a", "b") and value else int(
            value or 0).to_bytes(size, "little", signed=kind[:1] == "i")
    return out


def encode(name, fields=(), seq=0, flags=0, entries=None):
    layout, block = LAYOUTS[name], _write(LAYOUTS[name].block, dict(fields))
    group = b"".join(_write(layout.entry, entry) for entry in entries or ())
    if layout.entry:
        group = struct.pack("<HHI", layout.entry_len, len(entries or ()), 0) + group
    header = struct.pack("<IHHBBBBIQ", 24 + len(block + group), layout.template, len(block), 1, 1, flags, bool(layout.entry), 0, seq)
    return header + block + group


# --- Ed25519, RFC 8032 section 5.1: takes 5 ms, and not the same 5 ms for every key ---
P, L, D = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493, -121665 * pow(121666, -1, 2**255 - 19)
BASE = 15112221349535400772501151409588531511454012693041857206046113283949847762202, 4 * pow(5, -1, P) % P


def _add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    return (b - a) * (d - c) % P, (d + c) * (b + a) % P, (d - c) * (d + c) % P, (b - a) * (b + a) % P


def _times_base(scalar):
    result, point = (0, 1, 1, 0), (*BASE, 1, BASE[0] * BASE[1] % P)
    while scalar:
        result, point, scalar = _add(result, point) if scalar & 1 else result, _add(point, point), scalar >> 1
    x, y = (part * pow(result[2], -1, P) % P for part in result[:2])
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _hash(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def sign(seed, message):
    digest = hashlib.sha512(seed).digest()
    scalar, nonce = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254, _hash(digest[32:], message) % L
    public, commitment = _times_base(scalar), _times_base(nonce)
    return commitment + ((nonce + _hash(commitment, public, message) * scalar) % L).to_bytes(32, "little")


def signed_bytes(hello, challenge, logon):
    """Section 6."""
    return b"souk-logon-v1\0\0\0" + hello + challenge + logon[:-64] + bytes(64)
