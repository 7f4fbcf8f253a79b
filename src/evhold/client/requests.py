"""What both clients say to the API, and how its answers are read; nothing here waits."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from evhold.client.types import Event, IdToken, Reservation, reservation_of

CONNECT_S: Final = 5.0
ANSWER_S: Final = 330.0
#: The server comments at least this often; a stream that is silent for longer is dead.
SILENCE_S: Final = 45.0
STREAM: Final = httpx.Timeout(SILENCE_S, connect=CONNECT_S)
GAP: Final = "gap"


@dataclass(eq=False)
class Refused(Exception):
    """The server said no, or could not be reached. ``problem`` is its RFC 9457 document, empty where there is none."""

    status: int
    text: str
    problem: Mapping[str, Any]

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """The problem's name, such as ``evse-already-reserved``; empty where there is none."""
        return str(self.problem.get("type", "")).removeprefix("/problems/")

    @property
    def reservation(self) -> Reservation | None:
        """The reservation that was refused, or failed, where one was made."""
        told = self.problem.get("reservation")
        return None if told is None else reservation_of(told)

    @property
    def is_bad_input(self) -> bool:
        """The request itself was wrong."""
        return self.status in (400, 413, 422)

    @property
    def is_away(self) -> bool:
        """The server can't be reached, or the stream broke off: trying again may help."""
        return self.status == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is to be reserved, for whom, until when; neither ``evse_id`` nor ``connector_type``: any EVSE of the station."""

    station_id: str
    id_token: IdToken | str
    until: datetime
    evse_id: int | None = None
    connector_type: str | None = None
    group_id_token: IdToken | str | None = None
    force: bool = False
    driver_link: bool = False
    notify: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        """As JSON, without what nobody asked for."""
        content: dict[str, Any] = {
            "stationId": self.station_id,
            "idToken": token_json(self.id_token),
            "expiryDateTime": time_text(self.until),
            "evseId": self.evse_id,
            "connectorType": self.connector_type,
            "groupIdToken": None if self.group_id_token is None else token_json(self.group_id_token),
            "force": self.force or None,
            "driverLink": self.driver_link or None,
            "notify": list(self.notify) or None,
        }
        return {name: value for name, value in content.items() if value is not None}


def base_of(url: str) -> str:
    """The address of the API; http goes without saying."""
    return (url if "://" in url else f"http://{url}").rstrip("/") + "/api/v1"


def headers_of(key: str | None) -> dict[str, str]:
    """Who calls."""
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def token_json(token: IdToken | str) -> dict[str, str]:
    """A token; a text is one of type ISO14443."""
    known = IdToken(token) if isinstance(token, str) else token
    return {"idToken": known.id_token, "type": known.type}


def time_text(at: datetime) -> str:
    """RFC 3339. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError("a time needs a zone")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def wait_headers(*, idempotency_key: str | None = None, wait_s: float | None = None) -> dict[str, str]:
    """How long the request waits for the station, and under which key it may be repeated."""
    headers = {} if wait_s is None else {"Prefer": f"wait={int(wait_s)}"}
    return headers if idempotency_key is None else headers | {"Idempotency-Key": idempotency_key}


def following(*, after: int | None, names: tuple[str, ...], station_id: str | None) -> tuple[Any, dict[str, str]]:
    """Parameters and headers of a stream."""
    params = [("name", one) for one in names] + ([] if station_id is None else [("stationId", station_id)])
    return params, {} if after is None else {"Last-Event-ID": str(after)}


class EventLines:
    """Makes events of the lines of a text/event-stream; comments and half events are passed over."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def take(self, line: str) -> Event | None:
        """The event that this line completes."""
        if line:
            name, _, value = line.partition(":")
            if name:
                text = value.removeprefix(" ")
                more = name == "data" and "data" in self._fields
                self._fields[name] = f"{self._fields['data']}\n{text}" if more else text
            return None
        found, self._fields = self._fields, {}
        if "data" not in found:
            return None
        number = found.get("id")
        return Event(
            name=found.get("event", "message"),
            id=None if number is None else int(number),
            data=json.loads(found["data"]),
        )


def content_of(answer: httpx.Response) -> Any:
    """The JSON of an answer, None where it has no body. Raises Refused."""
    if answer.is_error:
        raise refused(answer)
    return answer.json() if answer.content else None


def refused(answer: httpx.Response) -> Refused:
    """Why the server said no."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    text = str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status_code}")
    return Refused(answer.status_code, text, problem)


def unreachable(url: httpx.URL, error: httpx.HTTPError) -> Refused:
    """That there was no answer."""
    return Refused(0, f"{url.copy_with(path='/')} can't be reached: {str(error) or type(error).__name__}", {})
