"""A station's page: its variables, its messages as they come, and raw calls."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from browser_stage import PHONE, Come, in_browser, key_of, located, online, reserved, sideways, violations
from playwright.async_api import Page, expect
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from csms import Csms

pytestmark = in_browser("a")


def variable(page: Page, name: str) -> object:
    """The row of a variable."""
    return page.get_by_role("region", name="Reservation variables").get_by_role("listitem").filter(has_text=name).first


async def test_a_station_shows_its_place_and_what_it_is(come: Come, csms: Csms) -> None:
    """Location with a link for directions, vendor, model, firmware, and each EVSE with its state, live."""
    async with online(csms, "ST-1", vendor="Kestrel", model="HC300", firmware="4.2.1") as station:
        await located(csms, "ST-1", "Northgate")
        page = await (await come()).open("/stations/ST-1")
        await expect(page.get_by_role("heading", level=1, name="ST-1")).to_be_visible()
        for text in ("Northgate", "Kestrel HC300", "4.2.1", "Online"):
            await expect(page.get_by_role("main")).to_contain_text(text)
        assert "53.5413" in (await page.get_by_role("link", name="Directions").get_attribute("href") or "")
        evses = page.get_by_role("region", name="EVSEs")
        await expect(evses).to_contain_text("2 of 2 free")
        await station.plug_in(2)
        await expect(evses).to_contain_text("Occupied")
        await expect(evses).to_contain_text("1 of 2 free")
        await reserved(csms, "ST-1", evseId=1)
        await expect(page.get_by_role("region", name="Live reservations")).to_contain_text("CCDD")
        await station.go_offline()
        await expect(page.get_by_role("main")).to_contain_text("Offline since")


async def test_the_variables_are_read_anew(come: Come, csms: Csms) -> None:
    """What was unknown is said as unknown; Read anew asks the station and shows its answer."""
    async with online(csms, "ST-2", available=None, non_evse_specific=False) as station:
        page = await (await come()).open("/stations/ST-2")
        await expect(variable(page, "Available")).to_contain_text("Unknown")
        await expect(variable(page, "NonEvseSpecific")).to_contain_text("No")
        await page.get_by_role("button", name="Read anew").click()
        await expect(page.get_by_text("The station answered after")).to_be_visible()
        await station.wait_for("GetVariables")


async def test_reservations_are_switched_off_and_on(come: Come, csms: Csms) -> None:
    """With a live reservation a confirmation comes first; then SetVariables is sent and the new value is shown."""
    async with online(csms, "ST-3") as station:
        await reserved(csms, "ST-3", evseId=1)
        page = await (await come()).open("/stations/ST-3")
        await page.get_by_role("button", name="Switch off").click()
        sure = page.get_by_role("alertdialog")
        await expect(sure.get_by_role("button", name="Leave it on")).to_be_focused()
        await sure.get_by_role("button", name="Switch off").click()
        await expect(page.get_by_text("Reservations are switched off").first).to_be_visible()
        await expect(variable(page, "Enabled")).to_contain_text("No")
        sent = await station.wait_for("SetVariables")
        assert sent is not None
        await page.get_by_role("button", name="Switch on").click()
        await expect(variable(page, "Enabled")).to_contain_text("Yes")


async def test_messages_appear_as_they_come(come: Come, csms: Csms) -> None:
    """A new frame shows within a second or so, opens to its JSON with masked tokens, and the list can be filtered."""
    async with online(csms, "ST-4") as station:
        page = await (await come()).open("/stations/ST-4")
        messages = page.get_by_role("region", name="Messages", exact=True).first
        await expect(messages).to_contain_text("BootNotification")
        await station.present(1, "SECRETCARD")
        rows = messages.get_by_role("listitem")
        await expect(rows.filter(has_text="Authorize").first).to_be_visible()
        await messages.get_by_role("combobox").select_option("Authorize")
        await expect(rows).to_have_count(2)
        await rows.last.click()
        await expect(rows.last).to_contain_text("idToken")
        await expect(rows.last).to_contain_text("CARD")
        assert "SECRETCARD" not in await page.content()


async def test_a_raw_call_is_made_from_its_schema(come: Come, csms: Csms) -> None:
    """The fields have the schema's names; the station's answer is shown, and so is a payload that the schema refuses."""
    async with online(csms, "ST-5") as station:
        person = await come()
        person.expected += ["status of 400", "status of 409"]
        page = await person.open("/stations/ST-5")
        call = page.get_by_role("region", name="Raw call")
        await call.get_by_label("Action").select_option("TriggerMessage")
        await call.get_by_label("requestedMessage").select_option("Heartbeat")
        await call.get_by_role("button", name="Send").click()
        await expect(call.get_by_role("status")).to_contain_text("Accepted")
        await station.wait_for("Heartbeat")
        await call.get_by_label("Action").select_option("ChangeAvailability")
        await call.get_by_role("button", name="JSON").click()
        await call.get_by_role("textbox", name="The payload as JSON").fill('{"operationalStatus": "Perhaps"}')
        await call.get_by_role("button", name="Send").click()
        await expect(
            call.get_by_role("alert").or_(call.get_by_role("status")).filter(has_text="operationalStatus")
        ).to_be_visible()


async def test_a_raw_call_that_ends_a_reservation_asks_first(come: Come, csms: Csms) -> None:
    """ChangeAvailability(Inoperative) over a live reservation is sent only after a confirmation that names it."""
    async with online(csms, "ST-6"):
        made = await reserved(csms, "ST-6", evseId=1)
        person = await come()
        person.expected.append("status of 409")
        page = await person.open("/stations/ST-6")
        call = page.get_by_role("region", name="Raw call")
        await call.get_by_label("Action").select_option("ChangeAvailability")
        await call.get_by_role("button", name="JSON").click()
        payload = json.dumps({"operationalStatus": "Inoperative", "evse": {"id": 1}})
        await call.get_by_role("textbox", name="The payload as JSON").fill(payload)
        await call.get_by_role("button", name="Send").click()
        sure = page.get_by_role("alertdialog")
        await expect(sure).to_contain_text(str(made["id"]))
        await sure.get_by_role("button", name="Send it anyway").click()
        await csms.until(made["id"], "Removed")
        await expect(page.get_by_role("region", name="EVSEs")).to_contain_text("Unavailable")


async def says(csms: Csms, station_id: str, events: dict[str, str]) -> None:
    """The station connects, tells these security events, each with what it says beside, and has its answers."""
    address = f"{csms.stations}/{station_id}"
    async with connect(address, subprotocols=["ocpp2.0.1"], proxy=None) as station:  # type: ignore[list-item]
        for kind, tech_info in events.items():
            told = {"type": kind, "timestamp": datetime.now(UTC).isoformat(), "techInfo": tech_info}
            await station.send(json.dumps([2, kind, "SecurityEventNotification", told]))
            while json.loads(await station.recv())[:2] != [3, kind]:
                pass  # a question of the server's, which stays open


async def test_security_events_are_shown_as_text(come: Come, csms: Csms) -> None:
    """What the station says stays text whatever it looks like; a new one appears by itself, and older ones are asked for."""
    markup = "<img src=x onerror=\"document.title='taken'\"><b id=bold>bold</b>"
    assert (await csms.request("PUT", "/stations/ST-10", json={"securityProfile": 0})).is_success
    page = await (await come()).open("/stations/ST-10")
    panel = page.get_by_role("region", name="Security events")
    await expect(panel).to_contain_text("The station told of nothing")
    await says(csms, "ST-10", {**{f"Event{number}": "door" for number in range(12)}, "<i id=kind>": markup})
    rows = panel.get_by_role("listitem")
    await expect(rows).to_have_count(10)
    for text in ("<i id=kind>", markup, "told by the station"):
        await expect(rows.first).to_contain_text(text)
    assert await panel.locator("img, i, #bold").count() == 0
    assert await page.title() != "taken"
    await panel.get_by_role("button", name="Show older ones").click()
    await expect(rows).to_have_count(13)
    await expect(panel.get_by_role("button", name="Show older ones")).to_be_hidden()
    assert await violations(page) == []
    await page.set_viewport_size(PHONE)
    assert await sideways(page) == 0


async def test_who_stood_at_the_door_in_vain_is_shown(come: Come, csms: Csms) -> None:
    """Noted by evhold, with the address and how many times; whoever may only look sees it, and a driver does not."""
    assert (await csms.request("PUT", "/stations/ST-11", json={"password": "a-password-of-ST-11"})).is_success
    with pytest.raises(InvalidStatus):
        await connect(f"{csms.stations}/ST-11", proxy=None)
    page = await (await come(key=await key_of(csms, "readonly"))).open("/stations/ST-11")
    panel = page.get_by_role("region", name="Security events")
    await expect(panel.get_by_role("listitem").first).to_contain_text("FailedToAuthenticateAtCsms")
    await expect(panel).to_contain_text("noted by evhold, from 127.0.0.1")
    token = {"idToken": "DRIVERCARD", "type": "ISO14443"}
    driver = await come(key=await key_of(csms, "driver", idTokens=[token]))
    page = await driver.open("/stations/ST-11")
    await expect(page.get_by_role("heading", level=1, name="ST-11")).to_be_visible()
    await expect(page.get_by_role("region", name="Security events")).to_have_count(0)
