"""The web application: the gate, the routes of the table, and errors as problems."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from litestar import Litestar, Response
from litestar.datastructures import State
from litestar.enums import HttpMethod
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream
from litestar.types import ASGIApp

from evhold.domain.errors import DomainError
from evhold.usecases.ports import StorageAway
from evhold.web import health, pages
from evhold.web.auth import BY_LINK, Gate
from evhold.web.calls import Calls
from evhold.web.live import Streams
from evhold.web.operations import Operation
from evhold.web.problems import Problem, of_domain
from evhold.web.request import Req, caller_of, forbidden
from evhold.web.routes import OPERATIONS
from evhold.web.shield import ARRIVAL_S, Shield

MAX_BODY: Final = 256 * 1024
_BY_STATUS: Final = {
    400: "invalid-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
}
_OUTSIDE: Final = (
    health.healthz,
    health.readyz,
    health.metrics,
    health.openapi_json,
    health.docs,
    health.problem,
    pages.page,
    pages.driver_page,
    pages.static,
)
log = structlog.get_logger("evhold.web")


def build_app(
    calls: Calls, *, streams: Streams | None = None, origins: Iterable[str] = (), arrival_s: float = ARRIVAL_S
) -> ASGIApp:
    """The ASGI application.

    Args:
        calls: What it may call.
        streams: Lets its owner end the open event streams before it stops.
        origins: Of other pages that may call the API with a key.
        arrival_s: Seconds that a body may take to arrive.
    """
    app = Litestar(
        route_handlers=[*_routes(), *_OUTSIDE],
        exception_handlers={Exception: _problem},
        openapi_config=None,
        logging_config=None,
        request_max_body_size=MAX_BODY,
        state=State({"calls": calls, "streams": streams or Streams()}),
    )
    return Shield(Gate(app, calls), origins=origins, arrival_s=arrival_s)


def _routes() -> list[HTTPRouteHandler]:
    """One route an address: apart, Litestar's OPTIONS would name the methods of the first operation only."""
    by_path: defaultdict[str, dict[str, Operation]] = defaultdict(dict)
    for operation in OPERATIONS:
        by_path[operation.address][operation.method] = operation
    return [_route(path, by_method) for path, by_method in by_path.items()]


def _route(path: str, by_method: Mapping[str, Operation]) -> HTTPRouteHandler:
    """The operations of one address as a route: the caller's role first, then the handler."""

    async def handle(request: Req) -> Response[bytes] | Stream:
        operation = by_method[request.scope["method"]]
        if not operation.is_public:
            role = caller_of(request).role
            if role not in operation.roles:
                raise forbidden(f"a caller of role {role} may not do this")
        return await operation.handler(request)

    parts = [f"{part[:-1]}:str}}" if part[-1:] == "}" and ":" not in part else part for part in path.split("/")]
    # The handler's Response carries its own status; the one named here only must allow a body.
    methods = [HttpMethod(method) for method in by_method]
    return HTTPRouteHandler("/".join(parts), http_method=methods, status_code=200)(handle)


def _problem(request: Req, error: Exception) -> Response[bytes]:
    """What was raised, as the caller reads it; faults of ours are logged, and told without their text."""
    match error:
        case Problem():
            return error.response()
        case DomainError():
            return of_domain(error).response()
        case StorageAway():
            return Problem("storage-unavailable", "nothing was stored; try again").response()
        case HTTPException(detail="client disconnected prematurely"):
            # Nobody hears it: a caller that hangs up half-way is no fault of ours.
            return Problem("invalid-request", error.detail).response()
        case HTTPException(status_code=status) if status in _BY_STATUS:
            return Problem(_BY_STATUS[status], _detail(request, status), headers=dict(error.headers or {})).response()
        case _:
            log.error(
                "web.fault", path=_logged(request.scope["path"]), method=str(request.scope["method"]), exc_info=error
            )
            return Problem("internal-error").response()


def _logged(path: str) -> str:
    """A driver link is a secret."""
    return BY_LINK + "****" if path.startswith(BY_LINK) else path


def _detail(request: Req, status: int) -> str:
    path = request.scope["path"]
    if status == 413:
        return f"at most {MAX_BODY} bytes"
    if status == 405:
        return f"{request.scope['method']} {path}"
    return f"there is nothing at {path}" if status == 404 else "the request can't be read"
