"""JSON from the issuer: of one address, within seconds, of some size at most, following nobody."""

import asyncio
import ssl
from typing import Final, Protocol, TypeVar

import httpx
import msgspec

TIMEOUT_S: Final = 5.0
MOST_BYTES: Final = 256 * 1024
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "evhold"}
S = TypeVar("S", bound=msgspec.Struct)


class FetchFailed(Exception):
    """It can't be had, or is not what was expected; the text says why."""


class Fetch(Protocol):
    """The document at this address; raises FetchFailed."""

    async def __call__(self, url: str, kind: type[S], /) -> S: ...


class HttpFetch:
    """Over HTTP, each time by a connection of its own: it is done every few minutes.

    Args:
        timeout_s: For the whole of it.
        most_bytes: Of an answer.
    """

    def __init__(self, *, timeout_s: float = TIMEOUT_S, most_bytes: int = MOST_BYTES) -> None:
        self._timeout_s = timeout_s
        self._most_bytes = most_bytes
        self._tls: ssl.SSLContext | None = None

    async def __call__(self, url: str, kind: type[S], /) -> S:
        """The document at this address; raises FetchFailed."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return msgspec.json.decode(await self._body(url), type=kind)
        except TimeoutError:
            raise FetchFailed(f"{url}: no answer within {self._timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise FetchFailed(f"{url}: {type(error).__name__}: {error}".rstrip(": ")) from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise FetchFailed(f"{url}: no {kind.__name__}: {error}") from None

    async def _body(self, url: str) -> bytes:
        if self._tls is None:
            self._tls = httpx.create_ssl_context()
        timeout = httpx.Timeout(self._timeout_s)
        body = bytearray()
        async with (
            httpx.AsyncClient(verify=self._tls, timeout=timeout, trust_env=False, follow_redirects=False) as client,
            client.stream("GET", url, headers=_HEADERS) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise FetchFailed(f"{url}: HTTP {answer.status_code}")
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > self._most_bytes:
                    raise FetchFailed(f"{url}: more than {self._most_bytes} bytes")
        return bytes(body)
