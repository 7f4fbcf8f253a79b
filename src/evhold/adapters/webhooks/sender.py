"""One message over HTTP: to addresses that may be called, within ten seconds, following nobody."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from evhold.domain.networks import Address, Network, is_allowed, is_opened, is_web_port, literal
from evhold.domain.webhooks import Outcome, Webhook
from evhold.usecases.ports import Clock

TIMEOUT_S: Final = 10.0
#: Of an answer that nobody reads; whoever sends more is cut off.
MOST_BYTES: Final = 64 * 1024
#: Connections are kept for so many targets.
MOST_CLIENTS: Final = 128
MOST_ADDRESSES: Final = 3
USER_AGENT: Final = "evhold"
Resolve = Callable[[str, int], Awaitable[list[Address]]]


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host. Raises OSError."""
    if (known := literal(host)) is not None:
        return [known]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    listed = [literal(str(one[4][0])) for one in found]
    return list(dict.fromkeys(one for one in listed if one is not None))


class HttpSender:
    """Sends signed messages (usecases.webhooks.Send).

    Args:
        clock: For the stamp, which is signed too.
        opened: Private networks that may be called.
        resolve: A host's addresses.
    """

    def __init__(self, *, clock: Clock, opened: Sequence[Network] = (), resolve: Resolve = resolve) -> None:
        self._clock = clock
        self._opened = opened
        self._resolve = resolve
        self._tls: ssl.SSLContext | None = None
        #: One for each target: a connection must not be used for another name at the same address, nor wait for one.
        self._clients: dict[tuple[int, str], httpx.AsyncClient] = {}

    async def __call__(self, webhook: Webhook, *, message_id: str, body: bytes) -> Outcome:
        """What became of one attempt; nothing is raised for what the network or the target does."""
        at = self._clock.now()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": webhook.signatures(message_id=message_id, at=at, body=body),
        }
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._post(webhook, headers=headers, body=body)
        except TimeoutError:
            return Outcome(error=f"no answer within {TIMEOUT_S:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Outcome(error=f"{type(error).__name__}: {error}".rstrip(": "))

    async def close(self) -> None:
        """All connections are closed."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    async def _post(self, webhook: Webhook, *, headers: dict[str, str], body: bytes) -> Outcome:
        url = httpx.URL(webhook.url)
        port = url.port or (443 if url.scheme == "https" else 80)
        # What was looked at is what is called: a name that leads elsewhere a moment later changes nothing.
        found = await self._resolve(url.host, port)
        allowed = [one for one in found if is_allowed(one, self._opened)]
        if not allowed:
            what = ", ".join(str(one) for one in found) or "nothing"
            return Outcome(error=f"{url.host} leads to {what}, which webhooks may not call (--webhook-allow)")
        if not is_web_port(port) and not all(is_opened(one, self._opened) for one in allowed):
            return Outcome(error=f"webhooks may not call port {port} of public addresses")
        client = await self._client(webhook)
        for number, address in enumerate(allowed[:MOST_ADDRESSES], 1):
            request = client.build_request(
                "POST",
                url.copy_with(host=str(address)),
                content=body,
                headers={**headers, "Host": url.netloc.decode("ascii")},
                extensions={"sni_hostname": url.host},
            )
            try:
                return await self._outcome(client, request)
            except httpx.ConnectError:
                if number == min(len(allowed), MOST_ADDRESSES):
                    raise
        raise AssertionError("there is at least one address")

    async def _outcome(self, client: httpx.AsyncClient, request: httpx.Request) -> Outcome:
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            size = 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > MOST_BYTES:
                    break
        finally:
            await response.aclose()
        status = response.status_code
        if response.is_success:
            return Outcome(status=status)
        wait = self._wait(response.headers.get("Retry-After")) if status in (429, 503) else timedelta()
        return Outcome(status=status, error=f"HTTP {status}", wait=wait)

    def _wait(self, text: str | None) -> timedelta:
        """Retry-After: seconds, or a date."""
        if text is None:
            return timedelta()
        if text.isascii() and text.isdigit():
            return timedelta(seconds=min(int(text[:9]), 86_400))
        try:
            until: datetime = parsedate_to_datetime(text)
            return max(until - self._clock.now(), timedelta())
        except (ValueError, TypeError):
            return timedelta()

    async def _client(self, webhook: Webhook) -> httpx.AsyncClient:
        key = (webhook.id, webhook.url)
        if key not in self._clients:
            if len(self._clients) >= MOST_CLIENTS:
                await self._clients.pop(next(iter(self._clients))).aclose()
            if self._tls is None:
                self._tls = httpx.create_ssl_context()
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=15)
            timeout = httpx.Timeout(TIMEOUT_S)
            self._clients[key] = httpx.AsyncClient(verify=self._tls, limits=limits, timeout=timeout, trust_env=False)
        return self._clients[key]
