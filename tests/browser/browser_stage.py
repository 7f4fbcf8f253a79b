"""People at a browser: their windows, what may not happen in them, the stations that they look at, accessibility."""

from __future__ import annotations

import os
import random
import re
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from csms import Csms
from evhold.simulator.client import SimulatedStation
from evhold.simulator.options import Misbehaviour, StationOptions, World

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE_MS = 8_000
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def in_browser(group: str) -> list[pytest.MarkDecorator]:
    """The marks of a file of browser tests; those of one group share a worker, and with it a browser."""
    return [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group(f"browser-{group}")]


def chromium() -> str:
    """The path of the browser: the named one, the one that the set-up found, or the first on PATH."""
    recorded = Path(sys.prefix) / ".evhold-browser"
    named = os.environ.get("TEST_CHROMIUM") or (recorded.read_text().strip() if recorded.exists() else "")
    for candidate in (named, *BROWSERS):
        if candidate and (path := shutil.which(candidate)):
            return path
    raise AssertionError("no Chromium: tools/setup.sh dev installs it or says how")


# People and their windows


@dataclass
class Person:
    """Somebody at a browser of their own: cookies, storage, windows. What goes wrong in them is written down.

    Attributes:
        key: Signs the first window in; None: nobody is signed in.
        expected: Patterns of problems that belong to the test, such as the status of a refused order.
        requests: The addresses that were asked for.
    """

    csms: Csms
    context: BrowserContext
    key: str | None = None
    problems: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    origin: str = ""

    def watch(self) -> None:
        """From now on every problem is written down."""
        self.origin = self.csms.api
        self.context.on("console", self._said)
        self.context.on("weberror", lambda error: self.problems.append(f"page error: {error.error}"))
        self.context.on("request", self._asked)
        self.context.on("requestfailed", self._failed)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"console: {message.text} ({message.location['url']})")

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.problems.append(f"request elsewhere: {request.url}")

    def _failed(self, request: Request) -> None:
        # A page that is left, or a stream that it closes itself, aborts its requests: that is no failure.
        if request.failure != "net::ERR_ABORTED":
            self.problems.append(f"request failed: {request.failure} ({request.url})")

    def unexpected(self) -> list[str]:
        """The problems that nobody expected."""
        return [text for text in self.problems if not any(re.search(one, text) for one in self.expected)]

    async def open(self, path: str = "/") -> Page:
        """A new window with that page; the first one signs in by the link that the server prints."""
        page = await self.context.new_page()
        fragment = "" if self.key is None else f"#key={self.key}"
        self.key = None
        await page.goto(f"{self.csms.api}{path}{fragment}")
        return page


Come = Callable[..., Awaitable[Person]]


async def person_at(browser: Browser, csms: Csms, *, key: str | None, **context: Any) -> Person:
    """Somebody with an empty browser; ``context`` are options of a browser context."""
    options = {"viewport": DESKTOP, "locale": "en-GB", "timezone_id": "UTC", "reduced_motion": "reduce", **context}
    made = await browser.new_context(**options)
    made.set_default_timeout(PATIENCE_MS)
    person = Person(csms, made, key)
    person.watch()
    return person


async def key_of(csms: Csms, role: str, **more: Any) -> str:
    """A fresh API key of that role."""
    answer = await csms.request("POST", "/keys", json={"role": role, "name": f"a {role}", **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


# Servers and stations


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Csms]:
    """A server that takes unknown stations and tokens, with quick settings."""
    server = Csms(folder)
    await server.start()
    assert server.api, "\n".join(server.output)
    yield server
    await server.close()


def world() -> World:
    """Real time, real ids, the same chance in every run."""
    return World(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()), rng=random.Random(1))


@asynccontextmanager
async def online(
    csms: Csms, station_id: str, *, faulty: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[SimulatedStation]:
    """A station that the server has accepted, and whose connectors and capabilities it knows."""
    settings: dict[str, Any] = {"backoff_s": 0.05, "backoff_limit_s": 0.2, "call_timeout_s": 10.0, **options}
    made = StationOptions(station_id=station_id, misbehaviour=Misbehaviour(**faulty or {}), **settings)
    async with SimulatedStation(csms.stations, made, world=world()) as station:
        await station.online()
        await station.wait_for("GetVariables")
        await csms.until_online(station_id)
        yield station


def id_token(text: str, kind: str = "ISO14443") -> dict[str, str]:
    """An idToken as the API takes it."""
    return {"idToken": text, "type": kind}


async def located(csms: Csms, station_id: str, name: str) -> None:
    """The station stands at the location of that name."""
    place = {"name": name, "latitude": 53.5413, "longitude": 9.9841}
    answer = await csms.request("PUT", f"/stations/{station_id}", json={"location": place})
    assert answer.status_code in (200, 201), answer.text


async def registered(csms: Csms, text: str, *, status: str = "Accepted", **more: Any) -> None:
    """The ISO14443 token is registered."""
    answer = await csms.request("PUT", f"/tokens/ISO14443/{text}", json={"status": status, **more})
    assert answer.status_code in (200, 201), answer.text


async def reserved(csms: Csms, station_id: str, **terms: Any) -> dict[str, Any]:
    """The reservation that the station accepted: 201 and Active."""
    answer = await csms.reserve(station_id, **terms)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def signed_link(csms: Csms, reservation_id: int) -> str:
    """The path of the driver's page of that reservation."""
    answer = await csms.request("POST", f"/reservations/{reservation_id}/driver-link")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["driverLink"]).removeprefix(csms.api)


# What a page must be


async def settled(page: Page) -> None:
    """The page shows what it has to show: it has its heading, nothing is being loaded any more."""
    await expect(page.get_by_role("heading", level=1).first).to_be_visible()
    await expect(page.locator("[aria-busy=true]:visible, .bone:visible")).to_have_count(0)


async def violations(page: Page, *, rules: tuple[str, ...] = ()) -> list[str]:
    """What axe finds wrong, one line a place; all its rules, or only those."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    found = await page.evaluate("options => axe.run(document, options).then(result => result.violations)", options)
    return [
        f"{one['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


async def sideways(page: Page) -> int:
    """How many pixels the page can be scrolled sideways."""
    return int(
        await page.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth") or 0
    )
