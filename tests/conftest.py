"""What every test run does: hypothesis profiles, requirement ids held against the register, seconds of each suite."""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from nats_server import NatsServer
    from postgres import Postgres

HERE = Path(__file__).resolve().parent
KNOWN = tomllib.loads((HERE.parent / "docs" / "requirements.toml").read_text(encoding="utf-8")).keys()

_Made = pytest.Item | pytest.Collector | list[pytest.Item | pytest.Collector] | None

settings.register_profile("plain", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", parent=settings.get_profile("plain"), max_examples=5_000, stateful_step_count=100)
settings.load_profile("plain")

_seconds: defaultdict[str, float] = defaultdict(float)
_counts: Counter[str] = Counter()
#: Suites whose tests print counts that are worth reading when they pass.
COUNTING = frozenset({"cluster", "webhooks", "kills", "faults", "simulation", "adapters", "browser"})
_printed: list[str] = []


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A test that sets up logging leaves it as it was: the next one's loggers would write to a file that is closed."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this worker process, started when a test first asks for it."""
    from postgres import running_postgres

    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Every database that we speak; a test of one alone says so (ONLY_SQLITE)."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Where the test's database is, new and empty."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'evhold.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create()


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    """A NATS server of this worker process, started when a test first asks for it."""
    from nats_server import running_nats

    with running_nats() as server:
        yield server


def requirement_ids(item: pytest.Item) -> Iterator[str]:
    """Yield the requirement ids that the test claims to prove."""
    for mark in item.iter_markers("req"):
        yield from mark.args


def suite_of(nodeid: str) -> str:
    """Return the top-level directory under tests/ that the test stands in."""
    parts = nodeid.split("::")[0].split("/")
    return parts[1] if len(parts) > 2 else "."


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem() -> Generator[None, _Made, _Made]:
    """Stop on a requirement id that the register does not know: a test file that names one is not read."""
    made = yield
    for item in made if isinstance(made, list) else [made]:
        if not isinstance(item, pytest.Item):
            continue
        unknown = [name for name in requirement_ids(item) if name not in KNOWN]
        if unknown:
            raise pytest.Collector.CollectError(f"{item.name}: not in docs/requirements.toml: {', '.join(unknown)}")
    return made


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that start processes in one group, so that two never run at a time; long suites too, as groups begin first."""
    for item in items:
        if item.get_closest_marker("process"):
            item.add_marker(pytest.mark.xdist_group("process"))
        elif suite_of(item.nodeid) == "webhooks":
            item.add_marker(pytest.mark.xdist_group("webhooks"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up what each suite takes."""
    suite = suite_of(report.nodeid)
    _seconds[suite] += report.duration
    _counts[suite] += report.when == "call"
    if report.passed and report.when == "call" and suite in COUNTING and report.capstdout.strip():
        # Log lines begin with their date.
        _printed.extend(line for line in report.capstdout.splitlines() if line.strip() and not line[:4].isdigit())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the seconds of each suite, slowest first."""
    if not _counts:
        return
    if _printed:
        terminalreporter.section("counts")
        terminalreporter.write_line("\n".join(_printed))
    terminalreporter.section("seconds of each suite")
    for suite, seconds in sorted(_seconds.items(), key=lambda row: -row[1]):
        terminalreporter.write_line(f"{seconds:8.1f} s {_counts[suite]:6d} tests  {suite}")
