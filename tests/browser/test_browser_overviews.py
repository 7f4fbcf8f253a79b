"""The timeline and the figures: what was, what is held, and how it went."""

from __future__ import annotations

import re

from browser_stage import Come, in_browser, online, reserved, settled
from playwright.async_api import expect

from csms import Csms

pytestmark = in_browser("b")


async def test_the_timeline_shows_holds_use_and_trouble(come: Come, csms: Csms) -> None:
    """A row for each EVSE; bars say what they are, lead to their reservation, and grow and appear by themselves."""
    async with online(csms, "TL-1") as station:
        made = await reserved(csms, "TL-1", evseId=1, seconds=1800)
        page = await (await come()).open("/timeline?station=TL-1")
        held = page.get_by_role("link", name=re.compile(f"Reservation {made['id']}, Active"))
        await expect(held).to_be_visible()
        await station.present(1, "AABBCCDD")
        await station.plug_in(1)
        await csms.until(made["id"], "Used")
        await expect(page.get_by_role("link", name=re.compile("In use since"))).to_be_visible()
        await station.fault(2)
        await expect(page.get_by_role("link", name=re.compile("Faulted since"))).to_be_visible()
        await page.get_by_role("button", name="1 h", exact=True).click()
        await expect(page).to_have_url(re.compile("span=1"))
        await page.get_by_role("button", name="Earlier").click()
        await expect(page.get_by_role("button", name="Now")).to_be_enabled()
        await page.get_by_role("button", name="Now").click()
        await page.get_by_role("combobox", name="Station").select_option("")
        used = page.get_by_role("link", name=re.compile(f"Reservation {made['id']}, Used"))
        await used.focus()
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{csms.api}/reservations/{made['id']}")


async def test_figures_are_those_of_the_api(come: Come, csms: Csms) -> None:
    """Charts have a table with the same values; period and station choose, and are in the address."""
    async with online(csms, "FG-1") as station:
        made = await reserved(csms, "FG-1", evseId=1)
        await station.present(1, "AABBCCDD")
        await station.plug_in(1)
        await csms.until(made["id"], "Used")
        assert (await csms.reserve("FG-1", evseId=1)).status_code == 409
        await reserved(csms, "FG-1", evseId=2)
        page = await (await come()).open("/figures?station=FG-1")
        await settled(page)
        today = page.get_by_role("table").get_by_role("row").filter(has_text=re.compile("66.7|67"))
        await expect(today.first).to_be_visible()
        await page.get_by_role("button", name=re.compile("^30")).click()
        await expect(page).to_have_url(re.compile("days=30"))
        figures = (await csms.request("GET", "/figures?stationId=FG-1")).json()
        assert (figures["total"]["made"], figures["total"]["used"], figures["activeNow"]) == (3, 1, 1)
        await page.get_by_role("combobox", name="Station").select_option("")
        await expect(page).not_to_have_url(re.compile("station="))


async def test_empty_pages_say_what_to_do(come: Come, csms: Csms) -> None:
    """A period and a filter in which nothing happened say so, with a way on."""
    page = await (await come()).open("/reservations?period=dates&from=2020-01-01&to=2020-01-02")
    await expect(page.get_by_role("heading", name=re.compile("No reservation"))).to_be_visible()
    async with online(csms, "FG-2"):
        await page.goto(f"{csms.api}/figures?station=FG-2")
        await expect(page.get_by_text("No reservations in this period")).to_be_visible()
