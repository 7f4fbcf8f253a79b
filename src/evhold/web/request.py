"""Reading a request: who calls, the body, the query, the headers."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.types import HTTPScope
from msgspec import Struct

from evhold.domain.access import Actor, ApiKey, Role
from evhold.domain.identity import Identity
from evhold.domain.values import By, IdToken
from evhold.web.calls import Calls
from evhold.web.dto import Time
from evhold.web.problems import Problem, invalid, unreadable

Req = Request[Any, Any, State]
S = TypeVar("S", bound=Struct)
MAX_WAIT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the holder of a key, or whom an issuer vouches for.

    Args:
        holder: What they may do, and for how long.
        session_ends: Where a session stands for a key.
        address: Where they call from.
        session: What that session is called.
    """

    holder: ApiKey | Identity
    session_ends: datetime | None = None
    address: str = ""
    session: str | None = None

    @property
    def ends(self) -> datetime | None:
        """When this caller is let in no more; None: it is not known yet."""
        ends = [at for at in (self.holder.expires_at, self.session_ends) if at is not None]
        return min(ends, default=None)

    @property
    def role(self) -> Role:
        """What they may do."""
        return self.holder.role

    @property
    def counted_as(self) -> object:
        """Whose requests these are, where they are counted."""
        return self.holder.id if isinstance(self.holder, ApiKey) else self.holder.called

    @property
    def is_driver(self) -> bool:
        """A driver sees its own tokens' reservations only."""
        return self.role is Role.DRIVER

    @property
    def by(self) -> By:
        """What the history calls this caller."""
        return By.DRIVER if self.is_driver else By.OPERATOR

    @property
    def actor(self) -> Actor:
        """What the audit calls this caller."""
        return Actor(self.holder.called, self.address)

    @property
    def visible(self) -> tuple[IdToken, ...] | None:
        """The tokens whose reservations this caller may see; None: all."""
        return self.holder.id_tokens if self.is_driver else None

    def owns(self, id_token: IdToken) -> bool:
        """Whether this caller may act for the token."""
        return not self.is_driver or id_token in self.holder.id_tokens


def client_of(scope: HTTPScope) -> str:
    """The network address that the request came from: the peer's, or what a trusted proxy says of it."""
    client = scope["client"]
    return client[0] if client else ""


def caller_of(request: Req) -> Caller:
    """Who calls, as the gate found out."""
    caller = request.scope["state"]["caller"]
    assert isinstance(caller, Caller)
    return caller


def calls_of(request: Req) -> Calls:
    """What the application may call."""
    calls = request.app.state["calls"]
    assert isinstance(calls, Calls)
    return calls


def path_of(request: Req, name: str) -> str:
    """A part of the path, percent-decoded."""
    return str(request.path_params[name])


async def body_of(request: Req, kind: type[S]) -> S:
    """The body as this struct; a Problem that names the field otherwise."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error) from None


def query_of(request: Req, kind: type[S]) -> S:
    """The query as this struct: lists may repeat or be separated by commas; unknown parameters are passed over."""
    given: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in request.query_params.multi_items():
        given[name].append(str(value))
    wanted: dict[str, object] = {}
    for spec in msgspec.structs.fields(kind):
        if (values := given.get(spec.encode_name)) is None:
            continue
        is_list = spec.default_factory is not msgspec.NODEFAULT
        wanted[spec.encode_name] = (
            [part for value in values for part in value.split(",") if part] if is_list else values[-1]
        )
        if _is_time(spec.type):
            wanted[spec.encode_name] = _time_of(spec.encode_name, values[-1])
    try:
        return msgspec.convert(wanted, kind, strict=False)
    except msgspec.ValidationError as error:
        raise unreadable(error, whole="query") from None


@cache
def _is_time(kind: object) -> bool:
    info = msgspec.inspect.type_info(kind)
    # A type with constraints is wrapped once more.
    plain = (getattr(one, "type", one) for one in getattr(info, "types", (info,)))
    return any(isinstance(one, msgspec.inspect.DateTimeType) for one in plain)


def _time_of(name: str, text: str) -> datetime:
    """Read strictly: what lets a query's numbers be numbers would take any of them for a time."""
    try:
        return msgspec.convert(text, Time)
    except msgspec.ValidationError:
        raise invalid((name, "is an RFC 3339 time with an offset")) from None


def if_match_of(request: Req) -> int | None:
    """The version that If-Match asks for; None where any will do; 0, which no object has, for a tag that is not ours."""
    given = request.headers.get("If-Match")
    if given is None or given.strip() == "*":
        return None
    tag = given.strip().removeprefix("W/").strip('"')
    return int(tag) if tag.isascii() and tag.isdigit() and len(tag) < 19 else 0


def wait_of(request: Req) -> float | None:
    """Seconds of ``Prefer: wait=SECONDS``, at most five minutes; None where the caller does not say."""
    for preference in ",".join(request.headers.getall("Prefer", [])).split(","):
        name, _, value = preference.strip().partition("=")
        if name.strip().lower() == "wait" and value.strip().isascii() and value.strip().isdigit():
            return min(float(value), MAX_WAIT_S)
    return None


def to_cursor(text: str) -> str:
    """An opaque cursor that leads on after this."""
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def from_cursor(cursor: str | None) -> str | None:
    """What ``to_cursor`` was given; a Problem for any other text."""
    if not cursor:
        return None
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        raise invalid(("cursor", "take it from the Link header")) from None


def number_from_cursor(cursor: str | None) -> int | None:
    """The number that ``to_cursor`` was given."""
    text = from_cursor(cursor)
    if text is not None and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise invalid(("cursor", "take it from the Link header"))
    return None if text is None else int(text)


def reply(content: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """A JSON answer."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return Response(body, status_code=status, media_type="application/json", headers=headers or {})


def next_link(request: Req, after: str | None) -> dict[str, str]:
    """``Link: rel=next`` with everything that this request asked for; nothing on the last page."""
    if after is None:
        return {}
    pairs = [(name, str(value)) for name, value in request.query_params.multi_items() if name != "cursor"]
    query = urlencode([*pairs, ("cursor", to_cursor(after))])
    return {"Link": f'<{request.scope["path"]}?{query}>; rel="next"'}


def forbidden(why: str) -> Problem:
    """The caller may not do this."""
    return Problem("forbidden", why)
