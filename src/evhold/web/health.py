"""What stands outside ``/api/v1``: health, metrics, the reference, the problems, the page."""

from html import escape
from pathlib import Path
from typing import Final

from litestar import Response, get

from evhold.web import openapi
from evhold.web.live import Streams
from evhold.web.metrics import text_of
from evhold.web.problems import PROBLEMS, Problem
from evhold.web.reference import page_of
from evhold.web.request import Req, calls_of, path_of, reply

STATIC: Final = Path(__file__).parent / "static"
#: Everything comes from here; no style or script in the HTML itself.
CSP: Final = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind} 'self'" for kind in ("script-src", "style-src", "img-src", "connect-src")),
        *(f"{kind} 'none'" for kind in ("base-uri", "form-action", "frame-ancestors")),
    ]
)
#: Litestar adds the charset to texts.
_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_GUARD: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@get("/healthz", sync_to_thread=False)
def healthz() -> Response[bytes]:
    """The process lives."""
    return reply({"status": "ok"})


@get("/readyz")
async def readyz(request: Req) -> Response[bytes]:
    """Stations and callers can be served; 503 says why not."""
    trouble = calls_of(request).trouble()
    if trouble is None:
        return reply({"status": "ready"})
    return reply({"status": "not-ready", "reason": trouble}, status=503)


@get("/metrics")
async def metrics(request: Req) -> Response[bytes]:
    """Prometheus text."""
    streams = request.app.state["streams"]
    assert isinstance(streams, Streams)
    text = await text_of(calls_of(request).figures, streams=streams.open)
    return Response(text, media_type="text/plain; version=0.0.4")


@get("/openapi.json")
async def openapi_json(request: Req) -> Response[bytes]:
    """OpenAPI 3.1."""
    return reply(openapi.document(calls_of(request).version))


@get("/docs")
async def docs(request: Req) -> Response[bytes]:
    """The reference, readable offline."""
    return _html(page_of(openapi.document(calls_of(request).version)))


@get("/problems/{name:str}")
async def problem(request: Req) -> Response[bytes]:
    """What a problem's type means."""
    name = path_of(request, "name")
    if name not in PROBLEMS:
        raise Problem("not-found", f"there is no problem called {name}")
    status, title = PROBLEMS[name]
    return _html(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(name)}</title>'
        f'<link rel="stylesheet" href="/static/docs.css"><main><h1>{escape(name)}</h1><p>{status}: {escape(title)}.</p>'
        '<p><a href="/docs">All calls</a></p></main></html>'
    )


@get("/", sync_to_thread=False)
def page() -> Response[bytes]:
    """The status view."""
    return _file(STATIC / "index.html")


@get("/static/{name:str}")
async def static(request: Req) -> Response[bytes]:
    """A file of the page."""
    path = STATIC / path_of(request, "name")
    if path.parent != STATIC or path.suffix not in _TYPES or not path.is_file():
        raise Problem("not-found", "there is no such file")
    return _file(path)


def _file(path: Path) -> Response[bytes]:
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers=_GUARD)


def _html(text: str) -> Response[bytes]:
    return Response(text.encode(), media_type=_TYPES[".html"], headers=_GUARD)
