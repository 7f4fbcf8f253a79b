"""One browser and one server for each worker, one context for each person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from browser_stage import ARGUMENTS, PATIENCE_MS, Come, Person, chromium, person_at, serving
from playwright.async_api import Browser, async_playwright, expect

from csms import ADMIN_KEY, Csms


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium without a window."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield made
        await made.close()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def csms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A running server for all files that do not have one of their own: each test brings its own stations."""
    async with serving(tmp_path_factory.mktemp("csms")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def come(browser: Browser, csms: Csms) -> AsyncIterator[Come]:
    """Lets people come, signed in as admin unless told otherwise; at the end nothing may have gone wrong in their windows."""
    people: list[Person] = []

    async def make(*, key: str | None = ADMIN_KEY, server: Csms = csms, **context: Any) -> Person:
        person = await person_at(browser, server, key=key, **context)
        people.append(person)
        return person

    yield make
    for person in people:
        await person.context.close()
    assert [problem for person in people for problem in person.unexpected()] == []
