"""The API for a plain program, and for the terminal: reserve and wait for the outcome, cancel, watch."""

from collections.abc import Generator, Mapping
from contextlib import closing
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

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


class Evhold:
    """One server and one key; close it, or use it in ``with``. ``aio.AsyncEvhold`` is the same for asyncio.

    Args:
        url: Such as ``https://evhold.example``; http goes without saying.
        key: An API key.
        transport: Stands in for the network in tests.
    """

    def __init__(self, url: str, key: str | None, *, transport: httpx.BaseTransport | None = None) -> None:
        timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        self._client = httpx.Client(
            base_url=base_of(url), headers=headers_of(key), timeout=timeout, transport=transport
        )

    def __enter__(self) -> "Evhold":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Connections are given back."""
        self._client.close()

    def call(self, method: str, path: str, *, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of any operation below /api/v1. Raises Refused."""
        try:
            answer = self._client.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise unreachable(self._client.base_url, error) from error
        return content_of(answer)

    def reserve(self, terms: Terms, *, idempotency_key: str | None = None, wait_s: float | None = None) -> Reservation:
        """The reservation once the station has answered, or after ``wait_s``: then it may be open still (``is_open``).

        Raises:
            Refused: The station or the server refused it, or the server can't be reached: with an idempotency key the
                same call may be repeated, and reserves once.
        """
        headers = wait_headers(idempotency_key=idempotency_key, wait_s=wait_s)
        return reservation_of(self.call("POST", "/reservations", body=terms.body(), headers=headers))

    def get(self, reservation_id: int) -> Reservation:
        """The reservation as it is now. Raises Refused."""
        return reservation_of(self.call("GET", f"/reservations/{reservation_id}"))

    def extend(self, reservation_id: int, *, until: datetime) -> Reservation:
        """The same reservation with another expiry. Raises Refused."""
        body = {"expiryDateTime": time_text(until)}
        return reservation_of(self.call("PATCH", f"/reservations/{reservation_id}", body=body))

    def cancel(self, reservation_id: int) -> Reservation:
        """Canceled, or, where the station can't be asked now, with ``cancel_requested_at``. Raises Refused."""
        return reservation_of(self.call("DELETE", f"/reservations/{reservation_id}"))

    def outcome(self, reservation: Reservation) -> Reservation:
        """The reservation once it is Pending and Unconfirmed no more. Raises Refused, also when the connection is lost."""
        known = reservation
        with closing(self.watch("reservation.*")) as events:
            # The stream has begun before it is asked for: nothing is missed in between.
            for event in events:
                told = event.reservation
                if told is None:
                    known = self.get(reservation.id)
                elif told.id == reservation.id:
                    known = told
                if not known.is_open:
                    break
        return known

    def watch(
        self, *names: str, station_id: str | None = None, after: int | None = None
    ) -> Generator[Event, None, None]:
        """First ``open``, then what is told from then on, or after ``after``; ``gap`` says that events are gone.

        Raises:
            Refused: The key may not, or the connection is lost: go on with ``after`` the last event's id.
        """
        params, headers = following(after=after, names=names, station_id=station_id)
        lines = EventLines()
        try:
            with self._client.stream("GET", "/events", params=params, headers=headers, timeout=STREAM) as answer:
                if answer.is_error:
                    answer.read()
                    raise refused(answer)
                yield Event(name="open", id=None, data={})
                for line in answer.iter_lines():
                    if (event := lines.take(line)) is not None:
                        yield event
        except httpx.HTTPError as error:
            raise unreachable(self._client.base_url, error) from error

    def now(self) -> datetime:
        """The server's time, to the second. Raises Refused."""
        try:
            answer = self._client.get(self._client.base_url.copy_with(path="/healthz"))
            return parsedate_to_datetime(answer.headers["Date"])
        except httpx.HTTPError as error:
            raise unreachable(self._client.base_url, error) from error
        except (KeyError, ValueError):
            raise Refused(0, "the server does not tell its time", {}) from None
