"""permessage-deflate (RFC 7692) without context takeover: nothing of a message is kept for the next one."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

EXTENSION: Final = "permessage-deflate"
PLAIN_BELOW: Final = 256  # compressing less than this costs more than it saves

_TAIL: Final = b"\x00\x00\xff\xff"
_MAX_WINDOW: Final = 15
_OUR_WINDOW: Final = 12  # 4 KiB: a fresh compressor for every message has to be small


class InflatedTooBig(Exception):
    """The message is larger than the limit once inflated; inflating stopped there."""


class InflateFailed(Exception):
    """The bytes are not a deflate stream."""


@dataclass(frozen=True, slots=True)
class Deflate:
    """An agreed compression.

    Args:
        window_bits: How far back (as a power of two, 9..15) our messages may refer.
        answer: The value of Sec-WebSocket-Extensions in the handshake's response.
    """

    window_bits: int
    answer: str

    def compress(self, data: bytes) -> bytes:
        """Return the payload of a compressed message: a raw deflate stream without its last four bytes."""
        deflater = zlib.compressobj(level=1, method=zlib.DEFLATED, wbits=-self.window_bits, memLevel=5)
        return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]


def inflate(payload: bytes, *, limit: int) -> bytes:
    """Return the inflated payload of a compressed message, never holding more than ``limit`` + 1 bytes of it.

    Raises:
        InflatedTooBig: It holds more than ``limit`` bytes.
        InflateFailed: It is no deflate stream.
    """
    inflater = zlib.decompressobj(wbits=-_MAX_WINDOW)
    try:
        data = inflater.decompress(payload + _TAIL, limit + 1)
    except zlib.error as error:
        raise InflateFailed from error
    if len(data) > limit:
        raise InflatedTooBig
    return data


def negotiate(offers: Iterable[str]) -> Deflate | None:
    """Return the compression agreed on: the first offer in the Sec-WebSocket-Extensions headers that we can serve.

    Args:
        offers: The header's values, one a header line; several offers in a line are separated by commas.
    """
    for line in offers:
        for offer in line.split(","):
            deflate = _accept(offer)
            if deflate is not None:
                return deflate
    return None


def _accept(offer: str) -> Deflate | None:
    name, *parameters = (part.strip() for part in offer.split(";"))
    if name.lower() != EXTENSION:
        return None
    window = _MAX_WINDOW
    seen: set[str] = set()
    for parameter in parameters:
        key, given, value = (part.strip() for part in parameter.partition("="))
        if key in seen or not _is_valid(key, value.strip('"') if given else None):
            return None
        seen.add(key)
        if key == "server_max_window_bits":
            window = int(value.strip('"'))
    # RFC 7692 7.1.1: both sides start afresh with every message, whether the client asked for it or not.
    answer = f"{EXTENSION}; server_no_context_takeover; client_no_context_takeover"
    if "server_max_window_bits" in seen:
        answer += f"; server_max_window_bits={window}"
    return Deflate(window_bits=min(window, _OUR_WINDOW), answer=answer)


def _is_valid(key: str, value: str | None) -> bool:
    match key:
        case "server_no_context_takeover" | "client_no_context_takeover":
            return value is None
        case "client_max_window_bits":
            return value is None or _is_window(value)
        case "server_max_window_bits":
            # zlib cannot write raw streams with a window of 8 bits, so such an offer is declined.
            return value is not None and _is_window(value) and value != "8"
        case _:
            return False


def _is_window(value: str) -> bool:
    return value in {"8", "9", "10", "11", "12", "13", "14", "15"}
