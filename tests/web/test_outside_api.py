"""Health, metrics, the reference, the problems."""

import asyncio
import re
from itertools import count

import pytest
from web_bench import Bench, beside

from evhold.web import dto, openapi, pages, server
from evhold.web.problems import BY_ERROR, PROBLEMS


async def test_health_needs_no_key(bench: Bench) -> None:
    """/healthz and /readyz are 200; /readyz says why it is not."""
    assert (await bench.client.get("/healthz")).status_code == 200
    assert (await bench.client.get("/readyz")).json() == {"status": "ready"}


async def test_metrics_are_read_at_the_scrape(bench: Bench) -> None:
    """Connected stations, calls by action and result, reservations by status."""
    await bench.reserve()
    text = (await bench.client.get("/metrics")).text
    assert "evhold_stations_connected 1.0" in text
    assert 'evhold_ocpp_calls_total{action="Heartbeat",direction="in",result="ok"} 3.0' in text
    assert 'evhold_reservations{status="Active"} 1.0' in text
    assert "evhold_sweep_lag_seconds 0.0" in text


async def test_the_reference_is_whole_and_loads_nothing_from_elsewhere(bench: Bench) -> None:
    """/openapi.json is OpenAPI 3.1, /docs shows every operation, every link of it leads somewhere."""
    api = (await bench.client.get("/openapi.json")).json()
    assert api["openapi"] == "3.1.0"
    page = await bench.client.get("/docs")
    for methods in api["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    anchors = set(re.findall(r'href="#([^"]+)"', page.text))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page.text))
    for link in set(re.findall(r'href="(/[^"]+)"', page.text)):
        assert (await bench.client.get(link)).status_code == 200, link


def test_connector_and_token_types_are_those_of_the_specification() -> None:
    """The API's lists are OCPP 2.0.1's."""
    from typing import get_args

    from evhold.ocpp.v201 import datatypes

    assert set(get_args(dto.ConnectorKind)) == set(get_args(datatypes.ConnectorEnumType))
    assert set(get_args(dto.IdTokenKind)) == set(get_args(datatypes.IdTokenEnumType))


def test_every_refusal_of_the_domain_has_a_problem() -> None:
    """No DomainError becomes a fault of ours."""
    from evhold.domain import errors

    names = {
        name
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, errors.DomainError) and one is not errors.DomainError
    }
    # A BootNotification's alone: it is answered as a CALLERROR.
    assert names - {"SerialNumberMismatch"} <= BY_ERROR.keys()
    assert set(BY_ERROR.values()) <= PROBLEMS.keys()


def test_the_examples_of_the_reference_are_valid() -> None:
    """Each example fits its own struct."""
    import msgspec

    for name, example in openapi.EXAMPLES.items():
        msgspec.convert(example, getattr(dto, name))


async def test_each_kind_of_file_has_one_type(bench: Bench) -> None:
    """Content-Type names the charset once; a script that is called anything else would not run (nosniff)."""
    for path, kind in (
        ("/", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/static/js/app.js", "text/javascript; charset=utf-8"),
        ("/static/docs.css", "text/css; charset=utf-8"),
        ("/static/icon.svg", "image/svg+xml"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/problems/station-offline", "text/html; charset=utf-8"),
    ):
        assert (await bench.client.get(path)).headers["Content-Type"] == kind, path


async def test_monitors_may_ask_with_head(bench: Bench) -> None:
    """HEAD is answered as GET, without the body; below /api/v1 it is no method."""
    for path in ("/healthz", "/readyz", "/", "/metrics"):
        answer = await bench.client.head(path)
        assert (answer.status_code, answer.content) == (200, b""), path
    assert (await bench.client.head("/api/v1/stations", headers=bench.auth())).status_code == 405


async def test_the_page_loads_nothing_from_elsewhere(bench: Bench) -> None:
    """Every file is served with a policy of this origin only, and none names another to load from."""
    files = (path.relative_to(pages.STATIC) for path in pages.STATIC.rglob("*") if path.suffix in pages.TYPES)
    for path in ("/", "/docs", "/problems/forbidden", *(f"/static/{one.as_posix()}" for one in files)):
        answer = await bench.client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in policy
        assert not re.search("unsafe|https?:|[*]|data:", policy)
        assert not re.search(
            r"@import|\beval[(]|(inner|outer)HTML\s*[+=]|insertAdjacentHTML|document[.]write", answer.text
        ), path
        named = set(re.findall(r"(?:https?:)?//([a-z0-9-]+[.][a-z.]+[a-z])", answer.text))
        # A namespace, and a map that a reader may open.
        assert named <= {"www.w3.org", "www.openstreetmap.org", "app.example"}, path


async def test_the_date_of_answers_moves_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is set anew as long as the server runs."""
    monkeypatch.setattr(server, "DATE_S", 0.001)
    numbers = count()
    monkeypatch.setattr("uvicorn.server.formatdate", lambda *_, **__: str(next(numbers)))
    async with asyncio.timeout(20), beside(bench.calls) as client:
        first = int((await client.get("/healthz")).headers["Date"])
        while int((await client.get("/healthz")).headers["Date"]) <= first + 1:
            pass
