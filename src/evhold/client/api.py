"""The REST API from a terminal: one request, or the event stream. Small on purpose."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

CONNECT_S: Final = 5.0
ANSWER_S: Final = 330.0
#: The server comments at least this often; a stream that is silent for longer is dead.
SILENCE_S: Final = 45.0


@dataclass(eq=False)
class Refused(Exception):
    """The server said no, or could not be reached. ``problem`` is its RFC 9457 document, empty where there is none."""

    status: int
    text: str
    problem: Mapping[str, Any]

    def __str__(self) -> str:
        return self.text

    @property
    def is_bad_input(self) -> bool:
        """The request itself was wrong."""
        return self.status in (400, 413, 422)


@dataclass(frozen=True, slots=True)
class Told:
    """One server-sent event; ``data`` is its JSON text."""

    name: str
    id: str | None
    data: str


class Api:
    """One server and one key.

    Args:
        url: Such as ``http://127.0.0.1:8080``; http goes without saying.
        key: An API key.
        transport: Stands in for the network in tests.
    """

    def __init__(self, url: str, key: str | None, *, transport: httpx.BaseTransport | None = None) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        base = (url if "://" in url else f"http://{url}").rstrip("/") + "/api/v1"
        self._client = httpx.Client(base_url=base, headers=headers, timeout=timeout, transport=transport)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(
        self, method: str, path: str, *, body: object = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The answer, of a status below 400. Raises Refused."""
        try:
            answer = self._client.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise _unreachable(self._client.base_url, error) from error
        if answer.is_error:
            raise _refused(answer)
        return answer

    def now(self) -> datetime:
        """The server's time, to the second. Raises Refused."""
        try:
            answer = self._client.get(self._client.base_url.copy_with(path="/healthz"))
            return parsedate_to_datetime(answer.headers["Date"])
        except httpx.HTTPError as error:
            raise _unreachable(self._client.base_url, error) from error
        except (KeyError, ValueError):
            raise Refused(0, "the server does not tell its time", {}) from None

    def events(self) -> Iterator[Told | None]:
        """The event stream: first None, when it has begun, then what is told. Raises Refused, also when it breaks off."""
        timeout = httpx.Timeout(SILENCE_S, connect=CONNECT_S)
        try:
            with self._client.stream("GET", "/events", timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                    raise _refused(answer)
                yield None
                yield from parsed(answer.iter_lines())
        except httpx.HTTPError as error:
            raise _unreachable(self._client.base_url, error) from error


def parsed(lines: Iterator[str]) -> Iterator[Told]:
    """Events of a text/event-stream; comments are passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield Told(fields.get("event", "message"), fields.get("id"), fields["data"])
            fields = {}
            continue
        name, _, value = line.partition(":")
        if name:
            text = value.removeprefix(" ")
            fields[name] = f"{fields['data']}\n{text}" if name == "data" and "data" in fields else text


def _refused(answer: httpx.Response) -> Refused:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    text = str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status_code}")
    return Refused(answer.status_code, text, problem)


def _unreachable(url: httpx.URL, error: httpx.HTTPError) -> Refused:
    return Refused(0, f"{url.copy_with(path='/')} can't be reached: {str(error) or type(error).__name__}", {})
