"""A server that goes away and comes back: it is told, and nothing is missed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
from browser_stage import Come, in_browser, online, reserved, serving, signed_link
from playwright.async_api import TimeoutError as PlaywrightTimeout
from playwright.async_api import expect

from csms import Csms

pytestmark = in_browser("a")

GONE = [r"net::ERR_", r"status of 50\d", "Failed to fetch dynamically imported module"]


@pytest_asyncio.fixture(loop_scope="session")
async def mortal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A server of one test, to be killed."""
    async with serving(tmp_path_factory.mktemp("mortal")) as server:
        yield server


async def test_a_killed_server_is_told_and_resumed_from_without_a_gap(come: Come, mortal: Csms) -> None:
    """The banner says since when; after the restart what happened meanwhile is shown, by the event stream's last number."""
    async with online(mortal, "GO-1") as station:
        kept = await reserved(mortal, "GO-1", evseId=1, seconds=600)
        person = await come(server=mortal)
        person.expected += GONE
        page = await person.open("/")
        driver = await come(server=mortal, key=None)
        driver.expected += GONE
        phone = await driver.open(await signed_link(mortal, kept["id"]))
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await expect(phone.get_by_text("You may plug in now")).to_be_visible()
        await mortal.kill()
        await expect(page.get_by_text("No connection to the server since")).to_be_visible()
        await expect(phone.get_by_text("No connection since")).to_be_visible()
        await station.plug_in(2)
        asked = len(person.requests)
        await mortal.start()
        await mortal.until_online("GO-1")
        await mortal.request("DELETE", f"/reservations/{kept['id']}")
        with suppress(PlaywrightTimeout):
            # The page tries by itself too, and may have been faster.
            await page.get_by_role("button", name="Try now").click(timeout=2_000)
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await expect(page.get_by_text("No connection to the server since")).not_to_be_visible()
        item = page.get_by_role("main").get_by_role("listitem").filter(has_text="GO-1").first
        await expect(item).to_contain_text("Occupied")
        await expect(item).not_to_contain_text("Reserved")
        await expect(phone.get_by_text("Canceled").first).to_be_visible()
        again = [one for one in person.requests[asked:] if re.search(r"/events\b", one)]
        assert again, "the stream was asked for again"


async def test_a_lost_network_is_told_and_comes_back(come: Come, csms: Csms) -> None:
    """A page that can't be read says so and is there at the next try; what happened meanwhile is shown."""
    async with online(csms, "GO-2") as station:
        person = await come()
        person.expected += GONE
        page = await person.open("/")
        item = page.get_by_role("main").get_by_role("listitem").filter(has_text="GO-2").first
        await expect(item).to_contain_text("Available")
        await person.context.set_offline(True)
        await page.get_by_role("link", name="Tokens").click()
        await expect(page.get_by_role("heading", name="This page could not be shown")).to_be_visible()
        await station.plug_in(1)
        await person.context.set_offline(False)
        await page.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("heading", level=1, name="Tokens")).to_be_visible()
        await page.get_by_role("link", name="Stations", exact=True).click()
        await expect(item).to_contain_text("Occupied")
