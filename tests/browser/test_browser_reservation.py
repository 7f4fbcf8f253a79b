"""One reservation: its life as a sequence of real messages, its terms, its use, its history."""

from __future__ import annotations

import json
import re

from browser_stage import Come, in_browser, online, reserved
from playwright.async_api import Page, expect

from csms import Csms

pytestmark = in_browser("a")


async def opened(page: Page, name: str) -> object:
    """The JSON of the arrow of that name, as it is shown."""
    await page.get_by_role("main").locator("summary").filter(has_text=name).first.click()
    shown = page.get_by_role("main").locator("details[open] pre").first
    return json.loads(await shown.inner_text())


async def test_a_life_is_drawn_from_its_messages(come: Come, csms: Csms) -> None:
    """Each arrow is a real OCPP message that opens to its JSON, tokens masked; use and history follow live."""
    async with online(csms, "SE-1") as station:
        made = await reserved(csms, "SE-1", evseId=1, seconds=600)
        page = await (await come()).open(f"/reservations/{made['id']}")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Active")
        await expect(page).to_have_title(f"Reservation {made['id']} · evhold")
        frame = await opened(page, "ReserveNow")
        assert isinstance(frame, list)
        assert (frame[0], frame[2]) == (2, "ReserveNow")
        assert frame[3]["id"] == made["id"]
        assert "AABBCCDD" not in await page.content()
        await station.present(1, "AABBCCDD")
        await station.plug_in(1)
        used = await csms.until(made["id"], "Used")
        await expect(page.get_by_role("main")).to_contain_text("Used")
        await expect(page.get_by_role("main")).to_contain_text(used["transactionId"])
        await expect(page.get_by_role("main").locator("summary").filter(has_text="Transaction").first).to_be_visible()
        await expect(page.get_by_role("main").get_by_text("Accepted").first).to_be_visible()


async def test_orders_are_given_on_the_page_of_one(come: Come, csms: Csms) -> None:
    """Extend and cancel there; the end, the state and the new arrows show, in another window too."""
    async with online(csms, "SE-2"):
        made = await reserved(csms, "SE-2", evseId=1, seconds=600)
        page = await (await come()).open(f"/reservations/{made['id']}")
        other = await (await come()).open(f"/reservations/{made['id']}")
        await page.get_by_role("button", name="Extend 15 min").click()
        for one in (page, other):
            await expect(one.get_by_role("main")).to_contain_text(re.compile(r"24:\d\d"))
        await page.get_by_role("button", name="Cancel", exact=True).click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Cancel it").click()
        for one in (page, other):
            await expect(
                one.get_by_role("main").locator("summary").filter(has_text="CancelReservation").first
            ).to_be_visible()
            await expect(one.get_by_role("main")).to_contain_text("Canceled")


async def test_a_driver_link_is_made_and_opens(come: Come, csms: Csms) -> None:
    """The link is shown to copy, and somebody without an account opens it."""
    async with online(csms, "SE-3"):
        made = await reserved(csms, "SE-3", evseId=1, seconds=600)
        page = await (await come()).open(f"/reservations/{made['id']}")
        await page.get_by_role("button", name="Make a link").click()
        link = await page.get_by_role("textbox", name="Driver link").input_value()
        assert link.startswith(f"{csms.api}/d/")
        driver = await (await come(key=None)).open(link.removeprefix(csms.api))
        await expect(driver.get_by_text("Held for you")).to_be_visible()


async def test_a_refusal_shows_the_stations_word(come: Come, csms: Csms) -> None:
    """A refused reservation tells what the station said, and offers no orders."""
    async with online(csms, "SE-4") as station:
        await station.plug_in(1)
        answer = await csms.reserve("SE-4", evseId=1)
        assert answer.status_code == 409
        number = answer.json()["reservation"]["id"]
        page = await (await come()).open(f"/reservations/{number}")
        await expect(page.get_by_role("main")).to_contain_text("Refused")
        await expect(page.get_by_role("main")).to_contain_text("Occupied")
        await expect(page.get_by_role("button", name=re.compile("^(Extend|Move|Cancel)"))).to_have_count(0)
