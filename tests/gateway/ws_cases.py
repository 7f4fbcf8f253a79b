"""Cases of RFC 6455 and RFC 7692 as a table: what a client sends on a bare socket, and what has to come back."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from gateway_harness import call

from frames import frame

TEXT, CONTINUATION, BINARY, CLOSE, PING, PONG = 1, 0, 2, 8, 9, 10
NORMAL, PROTOCOL, UNSUPPORTED, INVALID, TOO_BIG = 1000, 1002, 1003, 1007, 1009


@dataclass(frozen=True)
class Case:
    """Bytes, and what they lead to: an answer to the CALL ``m1``, PONGs with these payloads before it, or a CLOSE code."""

    name: str
    sent: bytes
    pongs: tuple[bytes, ...] = ()
    close: tuple[int, ...] = ()
    refused: bool = False
    deflate: str = ""


def plain(text: str = "x") -> bytes:
    """A CALL as one message."""
    return call("Plain", text).encode()


def pieces(data: bytes, count: int, *, rsv: int = 0, between: bytes = b"") -> bytes:
    """The message in so many frames."""
    size = max(1, -(-len(data) // count))
    cut = [data[start : start + size] for start in range(0, len(data), size)]
    made = b""
    for number, part in enumerate(cut):
        first, last = number == 0, number == len(cut) - 1
        made += frame(part, opcode=TEXT if first else CONTINUATION, fin=last, rsv=rsv if first else 0)
        made += b"" if last else between
    return made


def deflated(data: bytes, *, level: int = 6, wbits: int = 15) -> bytes:
    """A compressed message's payload."""
    deflater = zlib.compressobj(level, wbits=-wbits)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _texts()
    yield from _pings()
    yield from _reserved()
    yield from _fragments()
    yield from _utf8()
    yield from _closes()
    yield from _compressed()
    yield from _frames()


def _texts() -> Iterator[Case]:
    least = len(plain(""))
    for size in (
        0,
        1,
        125 - least,
        126 - least,
        127 - least,
        128 - least,
        65535 - least,
        65536 - least,
        65537 - least,
        200_000,
    ):
        yield Case(f"text of {size}", frame(plain("y" * size)))
        for count in (2, 3, 7):
            yield Case(f"text of {size} in {count}", pieces(plain("y" * size), count))


def _pings() -> Iterator[Case]:
    for size in range(126):
        payload = bytes(range(130))[:size]
        yield Case(f"ping of {size}", frame(payload, opcode=PING) + frame(plain()), pongs=(payload,))
    for size in (126, 127, 65536):
        yield Case(f"ping of {size}", frame(b"p" * size, opcode=PING), close=(PROTOCOL,))
        yield Case(f"pong of {size}", frame(b"p" * size, opcode=PONG), close=(PROTOCOL,))
    for size in (0, 1, 60, 124, 125):
        yield Case(f"unsolicited pong of {size}", frame(b"p" * size, opcode=PONG) + frame(plain()))
    many = tuple(b"%d" % number for number in range(10))
    yield Case("ten pings", b"".join(frame(one, opcode=PING) for one in many) + frame(plain()), pongs=many)


def _reserved() -> Iterator[Case]:
    for rsv in range(1, 8):
        for opcode in (TEXT, BINARY, CLOSE, PING, PONG):
            payload = (1000).to_bytes(2, "big") if opcode == CLOSE else b"x"
            expected = (UNSUPPORTED, PROTOCOL) if opcode == BINARY else (PROTOCOL,)
            yield Case(f"rsv {rsv} on opcode {opcode}", frame(payload, opcode=opcode, rsv=rsv), close=expected)
            if rsv != 4 and opcode == TEXT:
                yield Case(
                    f"rsv {rsv} with deflate",
                    frame(payload, rsv=rsv),
                    close=(PROTOCOL, INVALID),
                    deflate="permessage-deflate",
                )
        later = frame(b"x", fin=False) + frame(b"y", opcode=CONTINUATION, rsv=rsv)
        yield Case(f"rsv {rsv} on a continuation", later, close=(PROTOCOL,))
        yield Case(f"rsv {rsv} on a continuation, with deflate", later, close=(PROTOCOL,), deflate="permessage-deflate")
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for name, sent in {
            "empty": frame(b"", opcode=opcode),
            "with a payload": frame(b"payload", opcode=opcode),
            "not final": frame(b"payload", opcode=opcode, fin=False),
            "within a message": frame(b"[", fin=False) + frame(b"x", opcode=opcode),
            "long": frame(b"l" * 200, opcode=opcode),
        }.items():
            yield Case(f"opcode {opcode} {name}", sent, close=(PROTOCOL,))


def _fragments() -> Iterator[Case]:
    data = plain("a message in pieces")
    for count in range(2, 40):
        yield Case(f"{count} fragments", pieces(data, count))
        sent = pieces(data, count, between=frame(b"?", opcode=PING))
        parts = -(-len(data) // -(-len(data) // count))
        yield Case(f"{count} fragments with pings between", sent, pongs=(b"?",) * (parts - 1))
    empty = frame(b"", opcode=CONTINUATION, fin=False)
    for count in (1, 2, 50):
        yield Case(
            f"{count} empty fragments at first",
            frame(b"", fin=False) + empty * count + frame(data, opcode=CONTINUATION),
        )
        yield Case(
            f"{count} empty fragments at last", frame(data, fin=False) + empty * count + frame(b"", opcode=CONTINUATION)
        )
    for name, sent in {
        "a continuation of nothing": frame(b"x", opcode=CONTINUATION),
        "a continuation of nothing, not final": frame(b"x", opcode=CONTINUATION, fin=False),
        "a continuation after the end": pieces(b"[]", 2) + frame(b"x", opcode=CONTINUATION),
        "a message within a message": frame(b"[", fin=False) + frame(b"["),
        "a beginning within a message": frame(b"[", fin=False) + frame(b"[", fin=False),
        "a ping in pieces": frame(b"x", opcode=PING, fin=False),
        "a pong in pieces": frame(b"x", opcode=PONG, fin=False),
        "a close in pieces": frame((1000).to_bytes(2, "big"), opcode=CLOSE, fin=False),
        "a binary message within a message": frame(b"[", fin=False) + frame(b"[", opcode=BINARY),
    }.items():
        yield Case(name, sent, close=(PROTOCOL, UNSUPPORTED) if "binary" in name else (PROTOCOL,))
    for size in (0, 1, 126, 65536):
        yield Case(f"binary of {size}", frame(b"b" * size, opcode=BINARY), close=(UNSUPPORTED,))


def _utf8() -> Iterator[Case]:
    for text in (
        "κόσμε",
        "héllo",
        "\u0000",
        "\u007f",
        "\u0080",
        "\u07ff",
        "\u0800",
        "\ud7ff",
        "\ue000",
        "\ufffd",
        "\uffff",
        "\U00010000",
        "\U0010ffff",
        "日本語",
        "💥",
    ):
        raw = b'[2,"m1","Plain",{"text":"' + text.encode() + b'"}]'
        if text == "\u0000":
            raw = b'[2,"m1","Plain",{"text":"\\u0000"}]'
        yield Case(f"UTF-8 {text!r}", frame(raw))
        for count in (2, len(raw)):
            yield Case(f"UTF-8 {text!r} in {count}", pieces(raw, count))
    # A deviation that is meant: OCPP-J answers a broken frame by a CALLERROR, and the conversation goes on.
    broken = (
        b"\x80",
        b"\xbf",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xc2",
        b"\xe0\x80\x80",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
    )
    broken += (
        b"\xf0\x80\x80\x80",
        b"\xf0\x9f\x92",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
    )
    for octets in broken:
        raw = b'[2,"m1","Plain",{"text":"' + octets + b'"}]'
        yield Case(f"broken UTF-8 {octets.hex()}", frame(raw), refused=True)
        yield Case(f"broken UTF-8 {octets.hex()} in pieces", pieces(raw, len(raw)), refused=True)
        yield Case(
            f"broken UTF-8 {octets.hex()} compressed",
            frame(deflated(raw), rsv=4),
            refused=True,
            deflate="permessage-deflate",
        )


def _closes() -> Iterator[Case]:
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        for reason in (b"", b"why", "für".encode(), b"r" * 123):
            sent = frame(code.to_bytes(2, "big") + reason, opcode=CLOSE)
            yield Case(f"close {code} with {len(reason)}", sent, close=(code, NORMAL))
            yield Case(f"close {code} with {len(reason)}, then more", sent + frame(plain()), close=(code, NORMAL))
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        yield Case(f"close {code}", frame(code.to_bytes(2, "big"), opcode=CLOSE), close=(PROTOCOL, NORMAL))
    yield Case("close without a code", frame(b"", opcode=CLOSE), close=(NORMAL,))
    yield Case("close of one byte", frame(b"x", opcode=CLOSE), close=(PROTOCOL,))
    yield Case("close too long", frame((1000).to_bytes(2, "big") + b"r" * 124, opcode=CLOSE), close=(PROTOCOL,))
    yield Case(
        "close within a message",
        frame(b"[", fin=False) + frame((1000).to_bytes(2, "big"), opcode=CLOSE),
        close=(NORMAL,),
    )


def _compressed() -> Iterator[Case]:
    offers = (
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover",
    )
    offers += (
        "permessage-deflate; client_no_context_takeover; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=15",
    )
    for offer in offers:
        for size in (0, 1, 126, 300, 65536, 200_000):
            data = plain("z" * size)
            yield Case(f"{size} by {offer}", frame(deflated(data), rsv=4), deflate=offer)
            yield Case(f"{size} by {offer} in 3", pieces(deflated(data), 3, rsv=4), deflate=offer)
            yield Case(f"{size} by {offer} not compressed", frame(data), deflate=offer)
    for level in range(10):
        for wbits in range(9, 16):
            yield Case(
                f"level {level}, window {wbits}",
                frame(deflated(plain("w" * 999), level=level, wbits=wbits), rsv=4),
                deflate=offers[0],
            )
    for number in range(2, 30):
        sent = pieces(deflated(plain("in pieces")), number, rsv=4, between=frame(b"", opcode=PONG))
        yield Case(f"compressed in {number}", sent, deflate=offers[0])
    for name, payload in {
        "no deflate": b"\xff\xff\xff\xff",
        "zlib's header": b"\x78\x9c\x00",
        "a reserved block": b"\x07",
    }.items():
        yield Case(f"compressed: {name}", frame(payload, rsv=4), close=(INVALID,), deflate=offers[0])
    bomb = deflated(bytes(4 * 1024 * 1024), level=9)
    yield Case("a bomb", frame(bomb, rsv=4), close=(TOO_BIG,), deflate=offers[0])
    yield Case("a bomb in pieces", pieces(bomb, 9, rsv=4), close=(TOO_BIG,), deflate=offers[0])


def _frames() -> Iterator[Case]:
    whole = frame(plain())
    yield Case("not masked", b"\x81" + bytes([len(plain())]) + plain(), close=(PROTOCOL,))
    yield Case("a length with its highest bit", b"\x81\xff" + b"\xff" * 8 + bytes(4), close=(PROTOCOL, TOO_BIG))
    yield Case("a length beyond the limit", b"\x81\xff" + (1 << 40).to_bytes(8, "big") + bytes(4), close=(TOO_BIG,))
    for mask in (b"\x01\x02\x03\x04", b"\xff\xff\xff\xff", b"\x00\xff\x00\xff"):
        masked = bytes(one ^ mask[number % 4] for number, one in enumerate(plain()))
        yield Case(f"masked by {mask.hex()}", bytes([0x81, 0x80 | len(masked)]) + mask + masked)
    longer = b"\x81\xfe" + len(plain()).to_bytes(2, "big") + whole[2:]
    yield Case("a length in more bytes than it needs", longer, close=(PROTOCOL,))
