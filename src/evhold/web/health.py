"""What stands outside ``/api/v1`` beside the page: health, metrics, the reference, the problems."""

from html import escape

from litestar import Response, get

from evhold.web import openapi
from evhold.web.live import Streams
from evhold.web.metrics import text_of
from evhold.web.pages import GUARD, TYPES
from evhold.web.problems import PROBLEMS, Problem
from evhold.web.reference import page_of
from evhold.web.request import Req, calls_of, path_of, reply


@get("/healthz", sync_to_thread=False)
def healthz() -> Response[bytes]:
    """The process lives."""
    return reply({"status": "ok"})


@get("/readyz")
async def readyz(request: Req) -> Response[bytes]:
    """Stations and callers can be served; 503 says why not."""
    trouble = calls_of(request).trouble()
    if trouble is None:
        notice = calls_of(request).notice()
        return reply({"status": "ready"} if notice is None else {"status": "ready", "notice": notice})
    return reply({"status": "not-ready", "reason": trouble}, status=503)


@get("/metrics")
async def metrics(request: Req) -> Response[bytes]:
    """Prometheus text."""
    streams = request.app.state["streams"]
    assert isinstance(streams, Streams)
    calls = calls_of(request)
    text = await text_of(calls.figures, limits=calls.limits, streams=streams.open)
    return Response(text, media_type="text/plain; version=0.0.4")


@get("/openapi.json")
async def openapi_json(request: Req) -> Response[bytes]:
    """OpenAPI 3.1."""
    return reply(_document(request))


@get("/docs")
async def docs(request: Req) -> Response[bytes]:
    """The reference, readable offline."""
    return _html(page_of(_document(request)))


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


def _document(request: Req) -> bytes:
    calls = calls_of(request)
    return openapi.document(calls.version, None if calls.bearers is None else calls.bearers.discovery)


def _html(text: str) -> Response[bytes]:
    return Response(text.encode(), media_type=TYPES[".html"], headers=GUARD)
