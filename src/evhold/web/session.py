"""/session: a page signs in with an API key, and has a cookie from then on."""

from urllib.parse import urlsplit

from litestar import Response

from evhold.domain.access import Actor, ApiKey
from evhold.web import cookies
from evhold.web.calls import Calls
from evhold.web.dto import SessionCreate, SessionDto
from evhold.web.problems import Problem, invalid
from evhold.web.request import Req, body_of, calls_of, client_of, reply


async def create(request: Req) -> Response[bytes]:
    """POST /session."""
    _check_origin(request)
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        # A form of another site can't send this type.
        raise invalid(("Content-Type", "is application/json"))
    calls, body = calls_of(request), await body_of(request, SessionCreate)
    key = await calls.keys.authenticate(body.key.strip())
    if key is None:
        calls.limits.failed("session", client_of(request.scope))
        raise Problem("unauthorized", "there is no such key, or it is valid no more")
    calls.limits.check_rate(key.id)
    await calls.audit.note("sign in", who=Actor(key.called, client_of(request.scope)))
    value = cookies.issue(key.id, signer=calls.signer, now=calls.clock.now())
    return _told(request, key, csrf=cookies.csrf_of(value, signer=calls.signer), value=value)


async def show(request: Req) -> Response[bytes]:
    """GET /session."""
    cookie = request.headers.getall("Cookie", [])
    found = await signed_in(cookie, calls=calls_of(request), address=client_of(request.scope))
    if found is None:
        raise Problem("unauthorized", "nobody is signed in, or the session has ended")
    key, session = found
    calls_of(request).limits.check_rate(key.id)
    return _told(request, key, csrf=session.csrf)


async def end(request: Req) -> Response[bytes]:
    """DELETE /session."""
    _check_origin(request)
    calls, address = calls_of(request), client_of(request.scope)
    found = await signed_in(request.headers.getall("Cookie", []), calls=calls, address=address)
    if found is not None:
        # Whoever copied the cookie is signed out too.
        await calls.sessions.end(found[1].id, until=found[1].ends)
        await calls.audit.note("sign out", who=Actor(found[0].called, address))
    headers = {"Set-Cookie": cookies.setting("", secure=_is_secure(request)), "Cache-Control": "no-store"}
    return Response(b"", status_code=204, headers=headers)


async def signed_in(headers: list[str], *, calls: Calls, address: str) -> tuple[ApiKey, cookies.Session] | None:
    """The key of the first good session cookie in these Cookie headers, with its session.

    Args:
        headers: Of one request.
        calls: What the application may call.
        address: Where they came from: cookies that are not ours count as failed tries of it.

    Raises:
        Problem: There were too many of these.
        StorageAway: The keys can't be read.
    """
    now, signer, is_forged = calls.clock.now(), calls.signer, False
    for value in (one for header in headers for one in cookies.values_in(header)):
        session = cookies.read(value, signer=signer)
        is_forged |= session is None
        if session is None or now >= session.ends or await calls.sessions.has_ended(session.id):
            continue
        key = await calls.keys.by_id(session.key_id)
        if key is not None:
            return key, session
    if is_forged:
        calls.limits.failed("session", address)
    return None


def _told(request: Req, key: ApiKey, *, csrf: str, value: str | None = None) -> Response[bytes]:
    headers = {"Cache-Control": "no-store"}
    if value is not None:
        headers["Set-Cookie"] = cookies.setting(value, secure=_is_secure(request))
    told = SessionDto(role=key.role, name=key.name, csrf=csrf, version=calls_of(request).version)
    return reply(told, headers=headers)


def _is_secure(request: Req) -> bool:
    return str(request.scope["scheme"]) == "https"


def _check_origin(request: Req) -> None:
    """Another site's page may not sign its reader in or out. Browsers say whose page it is; others have none."""
    told, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if told is not None:
        ours = told in ("same-origin", "none")
    else:
        ours = origin is None or _host(origin) == request.headers.get("Host", "").lower()
    if not ours:
        raise Problem("foreign-origin", "sign in and out on the page of this server")


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
