"""Reserving by the dialog: what can be asked for, and every answer with what to do next."""

from __future__ import annotations

import re

from browser_stage import Come, in_browser, online, registered, reserved
from playwright.async_api import Locator, Page, expect

from csms import Csms
from evhold.simulator.client import SimulatedStation

pytestmark = in_browser("a")

REFUSED, AWAY = "status of 409", "status of 503"


async def dialog_at(page: Page, station_id: str) -> Locator:
    """The open dialog, with that station chosen and a token filled in."""
    await page.get_by_role("button", name="Reserve", exact=True).first.click()
    box = page.get_by_role("dialog")
    await box.get_by_role("combobox", name=re.compile("^Station")).select_option(station_id)
    await box.get_by_label("Token", exact=True).fill("04A219BFCCDD")
    return box


async def choose(box: Locator, name: str) -> None:
    """A radio of that name is chosen, by its label."""
    await box.get_by_text(name, exact=True).first.click()


async def send(box: Locator) -> None:
    """The order is sent."""
    await box.get_by_role("button", name=re.compile("^Reserve until")).click()


async def asked(station: SimulatedStation) -> dict[str, object]:
    """The payload of the next ReserveNow that the station got."""
    message = await station.wait_for("ReserveNow")
    payload: dict[str, object] = message.request
    return payload


async def test_an_evse_a_type_and_any_place_can_be_reserved(come: Come, csms: Csms) -> None:
    """Each scope reaches the station as what it is; the dialog says Held, with number and driver link."""
    async with online(csms, "RS-1", connectors=(("cCCS2",), ("cType2",), ("cType2",))) as station:
        page = await (await come()).open("/")
        for scope, wanted in (("EVSE 2", (2, None)), ("Any Type 2", (None, "cType2")), ("Any EVSE", (None, None))):
            box = await dialog_at(page, "RS-1")
            await choose(box, scope)
            await choose(box, "15 min")
            await send(box)
            await expect(box.get_by_role("heading", name=re.compile("Held until"))).to_be_visible()
            await expect(box).to_contain_text("/d/")
            number = int(await box.get_by_role("link", name=re.compile(r"^\d+$")).inner_text())
            known = await csms.reservation(number)
            assert (known["evseId"], known["connectorType"], known["status"]) == (*wanted, "Active")
            await station.wait_for("ReserveNow")
            await box.get_by_role("button", name="Done").click()


async def test_the_button_of_an_evse_reserves_that_evse_with_its_group(come: Come, csms: Csms) -> None:
    """The board's button chooses place and station; a registered token brings its group; an exact time is kept."""
    await registered(csms, "04A219BF7F02", groupIdToken={"idToken": "FLEET-7", "type": "Central"})
    async with online(csms, "RS-2"):
        page = await (await come()).open("/")
        await page.get_by_role("button", name="Reserve RS-2 EVSE 2").click()
        box = page.get_by_role("dialog", name="Reserve at RS-2")
        await box.get_by_label("Token", exact=True).fill("04A219BF7F02")
        await expect(box.get_by_label("Group (optional)")).to_have_value("FLEET-7")
        await choose(box, "Exact time")
        wanted = await page.evaluate(
            "() => { const at = new Date(Date.now() + 90 * 60e3); at.setSeconds(0, 0); return at.toISOString(); }"
        )
        await box.get_by_label("Held until").fill(wanted[:16])
        await send(box)
        await expect(box.get_by_role("heading", name=re.compile("Held until"))).to_be_visible()
        [made] = (await csms.request("GET", "/reservations?stationId=RS-2")).json()
        assert (made["evseId"], made["groupIdToken"]["idToken"]) == (2, "FLEET-7")
        assert made["expiryDateTime"][:16] == wanted[:16]


async def test_occupied_offers_what_is_free(come: Come, csms: Csms) -> None:
    """The station's No is said as what it is; a free EVSE is one click away."""
    async with online(csms, "RS-3", evses=2) as station:
        person = await come()
        person.expected.append(REFUSED)
        page = await person.open("/")
        box = await dialog_at(page, "RS-3")
        await choose(box, "EVSE 1")
        await station.plug_in(1)
        await send(box)
        await expect(box.get_by_role("heading", name="The station said Occupied")).to_be_visible()
        await box.get_by_role("button", name="Reserve RS-3 · EVSE 2").click()
        await expect(box.get_by_role("heading", name=re.compile("Held until"))).to_be_visible()


async def test_a_held_evse_names_the_holder(come: Come, csms: Csms) -> None:
    """Nothing is sent for an EVSE that we hold already; the other reservation is a link."""
    async with online(csms, "RS-4", evses=1):
        made = await reserved(csms, "RS-4", evseId=1)
        person = await come()
        person.expected.append(REFUSED)
        page = await person.open("/")
        box = await dialog_at(page, "RS-4")
        await choose(box, "EVSE 1")
        await send(box)
        await expect(box.get_by_role("heading", name="It is held already")).to_be_visible()
        await box.get_by_role("link", name=re.compile(str(made["id"]))).click()
        await expect(page).to_have_url(f"{csms.api}/reservations/{made['id']}")


async def test_an_offline_station_says_since_when(come: Come, csms: Csms) -> None:
    """Nothing is held; the dialog says when it was last seen."""
    async with online(csms, "RS-5") as station:
        person = await come()
        person.expected.append(AWAY)
        page = await person.open("/")
        box = await dialog_at(page, "RS-5")
        await station.go_offline()
        await csms.until_online("RS-5", online=False)
        await send(box)
        await expect(box.get_by_role("heading", name="RS-5 is offline")).to_be_visible()
        await expect(box).to_contain_text("Last seen at")


async def test_a_switched_off_station_can_be_switched_on_and_reserved(come: Come, csms: Csms) -> None:
    """The variable is named; one button sets it by SetVariables and repeats the order."""
    async with online(csms, "RS-6", enabled=False) as station:
        person = await come()
        person.expected.append(REFUSED)
        page = await person.open("/")
        await expect(page.get_by_text("Reservations are switched off here").first).to_be_visible()
        box = await dialog_at(page, "RS-6")
        await send(box)
        await expect(box).to_contain_text("ReservationCtrlr.Enabled")
        await box.get_by_role("button", name="Switch on and reserve").click()
        await expect(box.get_by_role("heading", name=re.compile("Held until"))).to_be_visible()
        await station.wait_for("SetVariables")


async def test_a_silent_station_leaves_doubt_that_is_said(come: Come, csms: Csms) -> None:
    """No answer is not a No: the dialog says that nobody knows, and follows what becomes of it."""
    mute = {"never_answer": frozenset({"ReserveNow"}), "answer_delay": {"CancelReservation": 0.8}}
    async with online(csms, "RS-7", faulty=mute):
        page = await (await come()).open("/")
        box = await dialog_at(page, "RS-7")
        await send(box)
        await expect(box.get_by_role("heading", name=re.compile("^Asking RS-7"))).to_be_visible()
        await expect(box.get_by_role("heading", name=re.compile("^No answer from RS-7"))).to_be_visible()
        await expect(box.get_by_role("heading", name=re.compile("It is over: Canceled"))).to_be_visible()


async def test_a_blocked_token_is_refused_until_it_is_forced(come: Come, csms: Csms) -> None:
    """The token's status is said, and nothing was sent; an operator may send it anyway."""
    await registered(csms, "04A219BF0BAD", status="Blocked")
    async with online(csms, "RS-8"):
        person = await come()
        person.expected.append(REFUSED)
        page = await person.open("/")
        box = await dialog_at(page, "RS-8")
        await box.get_by_label("Token", exact=True).fill("04A219BF0BAD")
        await send(box)
        await expect(box.get_by_role("heading", name=re.compile("0BAD: Blocked"))).to_be_visible()
        await box.get_by_role("button", name="Send it anyway").click()
        await expect(box.get_by_role("heading", name=re.compile("Held until"))).to_be_visible()


async def test_reserving_needs_no_mouse(come: Come, csms: Csms) -> None:
    """Tab, arrows, typing and Enter are enough; Escape closes and the focus is back where it was."""
    async with online(csms, "RS-9"):
        page = await (await come()).open("/stations/RS-9")
        button = page.get_by_role("button", name="Reserve EVSE 1")
        await expect(button).to_be_visible()
        for _ in range(30):
            await page.keyboard.press("Tab")
            if await button.evaluate("one => one === document.activeElement"):
                break
        await page.keyboard.press("Enter")
        box = page.get_by_role("dialog")
        await expect(box.get_by_label("Token", exact=True)).to_be_focused()
        await page.keyboard.type("04A219BFCCDD")
        await page.keyboard.press("Enter")
        await expect(box.get_by_role("heading", name=re.compile("Held until"))).to_be_visible()
        await expect(box.get_by_role("button", name="Done")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(box).not_to_be_visible()
        assert await page.evaluate("document.activeElement !== document.body")
        await expect(page.get_by_role("region", name="Live reservations")).to_contain_text("CCDD")
