"""The API for an asyncio program: reserve and wait for the outcome, cancel, watch."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

import httpx

from evhold.client.requests import (
    ANSWER_S,
    CONNECT_S,
    STREAM,
    EventLines,
    Refused,
    Terms,
    base_of,
    content_of,
    following,
    headers_of,
    refused,
    time_text,
    unreachable,
    wait_headers,
)
from evhold.client.types import Event, Reservation, reservation_of

AGAIN_S: Final = 1.0


class AsyncEvhold:
    """One server and one key; close it, or use it in ``async with``.

    Args:
        url: Such as ``https://evhold.example``; http goes without saying.
        key: An API key.
        transport: Stands in for the network in tests.
    """

    def __init__(self, url: str, key: str | None, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        self._client = httpx.AsyncClient(
            base_url=base_of(url), headers=headers_of(key), timeout=timeout, transport=transport
        )

    async def __aenter__(self) -> "AsyncEvhold":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Connections are given back."""
        await self._client.aclose()

    async def call(
        self, method: str, path: str, *, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON of any operation below /api/v1. Raises Refused."""
        try:
            answer = await self._client.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise unreachable(self._client.base_url, error) from error
        return content_of(answer)

    async def reserve(
        self, terms: Terms, *, idempotency_key: str | None = None, wait_s: float | None = None
    ) -> Reservation:
        """The reservation once the station has answered, or after ``wait_s``: then it may be open still (``is_open``).

        Raises:
            Refused: The station or the server refused it, or the server can't be reached: with an idempotency key the
                same call may be repeated, and reserves once.
        """
        headers = wait_headers(idempotency_key=idempotency_key, wait_s=wait_s)
        return reservation_of(await self.call("POST", "/reservations", body=terms.body(), headers=headers))

    async def get(self, reservation_id: int) -> Reservation:
        """The reservation as it is now. Raises Refused."""
        return reservation_of(await self.call("GET", f"/reservations/{reservation_id}"))

    async def extend(self, reservation_id: int, *, until: datetime) -> Reservation:
        """The same reservation with another expiry. Raises Refused."""
        body = {"expiryDateTime": time_text(until)}
        return reservation_of(await self.call("PATCH", f"/reservations/{reservation_id}", body=body))

    async def cancel(self, reservation_id: int) -> Reservation:
        """Canceled, or, where the station can't be asked now, with ``cancel_requested_at``. Raises Refused."""
        return reservation_of(await self.call("DELETE", f"/reservations/{reservation_id}"))

    async def outcome(self, reservation: Reservation) -> Reservation:
        """The reservation once it is Pending and Unconfirmed no more; put a time-out around it. Raises Refused."""
        known = reservation
        async with aclosing(self.watch("reservation.*")) as events:
            # The stream has begun before it is asked for: nothing is missed in between.
            async for event in events:
                told = event.reservation
                if told is None:
                    known = await self.get(reservation.id)
                elif told.id == reservation.id:
                    known = told
                if not known.is_open:
                    break
        return known

    async def watch(
        self, *names: str, station_id: str | None = None, after: int | None = None
    ) -> AsyncGenerator[Event, None]:
        """Events for ever, also over lost connections: first ``open``, then what is told from then on, or after ``after``.

        ``open`` comes once, with no data. ``gap`` says that events are gone: ask for what you need anew.

        Raises:
            Refused: The key may not, or the first connection can't be made.
        """
        last, begun = after, False
        while True:
            try:
                async with aclosing(self._stream(names, station_id=station_id, after=last)) as events:
                    async for event in events:
                        if event.name == "open":
                            if begun:
                                # Nothing was told yet that could be gone on from.
                                if last is None:
                                    yield Event(name="gap", id=None, data={})
                                continue
                            begun = True
                        last = event.id if event.id is not None else last
                        yield event
            except Refused as error:
                if not begun or not (error.is_away or error.status == 503):
                    raise
            await asyncio.sleep(AGAIN_S)

    async def _stream(
        self, names: tuple[str, ...], *, station_id: str | None, after: int | None
    ) -> AsyncGenerator[Event, None]:
        """One connection's events, ``open`` first."""
        params, headers = following(after=after, names=names, station_id=station_id)
        lines = EventLines()
        try:
            async with self._client.stream("GET", "/events", params=params, headers=headers, timeout=STREAM) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise refused(answer)
                yield Event(name="open", id=None, data={})
                async for line in answer.aiter_lines():
                    if (event := lines.take(line)) is not None:
                        yield event
        except httpx.HTTPError as error:
            raise unreachable(self._client.base_url, error) from error
