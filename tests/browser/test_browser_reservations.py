"""The list of reservations: what is held and for how long, what needs eyes, and the orders on each row."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from browser_stage import Come, id_token, in_browser, key_of, online, reserved
from playwright.async_api import Locator, Page, expect

from csms import Csms

pytestmark = in_browser("b")


def row(page: Page, reservation_id: int) -> Locator:
    """The row of a reservation."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=str(reservation_id)))


def order(page: Page, name: str, reservation_id: int) -> Locator:
    """The button of a row."""
    return row(page, reservation_id).get_by_role(
        "button", name=re.compile(f"^{name}.* {reservation_id}|{name} {reservation_id}")
    )


async def test_a_reservation_is_extended_in_both_windows(come: Come, csms: Csms) -> None:
    """One click asks the station for 15 minutes more; the other window shows the new end by itself."""
    async with online(csms, "LI-1"):
        made = await reserved(csms, "LI-1", evseId=1, seconds=600)
        page, other = await (await come()).open("/reservations"), await (await come()).open("/reservations")
        for one in (page, other):
            await expect(row(one, made["id"])).to_contain_text(re.compile(r"9:[345]\d"))
        await order(page, "Extend", made["id"]).click()
        await expect(page.get_by_role("status").filter(has_text="is held until")).to_be_visible()
        for one in (page, other):
            await expect(row(one, made["id"])).to_contain_text(re.compile(r"24:\d\d"))


async def test_another_end_is_chosen(come: Come, csms: Csms) -> None:
    """The dialog takes a span or an exact time; a time that has passed is refused in the dialog."""
    async with online(csms, "LI-2"):
        made = await reserved(csms, "LI-2", evseId=1, seconds=600)
        page = await (await come()).open("/reservations")
        await order(page, "Other time for", made["id"]).click()
        box = page.get_by_role("dialog")
        await box.get_by_text("Exact time", exact=True).click()
        await box.get_by_label("Exact time").last.fill("2020-01-01T10:00")
        await box.get_by_role("button", name="Change the end").click()
        await expect(box.get_by_role("alert")).to_contain_text("has passed")
        await box.get_by_text("1 h", exact=True).click()
        await box.get_by_role("button", name="Change the end").click()
        await expect(row(page, made["id"])).to_contain_text(re.compile(r"1:09:\d\d"))


async def test_a_reservation_is_moved(come: Come, csms: Csms) -> None:
    """Another EVSE or any of a type under the same number; a refusal says that the old place is still held."""
    async with online(csms, "LI-3", connectors=(("cCCS2",), ("cCCS2",), ("cType2",))) as station:
        made = await reserved(csms, "LI-3", evseId=1, seconds=600)
        person = await come()
        # 412: the old terms are told anew after a refusal, and the version rises; the page looks again and goes on.
        person.expected.append("status of 4(09|12)")
        page = await person.open("/reservations")
        await station.plug_in(2)
        await order(page, "Move", made["id"]).click()
        box = page.get_by_role("dialog")
        await box.get_by_text("EVSE 2", exact=True).click()
        await box.get_by_role("button", name="Move", exact=True).click()
        await expect(box.get_by_role("alert")).to_contain_text("The station said Occupied")
        await expect(box).to_contain_text("is still held until")
        await box.get_by_role("button", name="Change the request").click()
        await box.get_by_text("Any Type 2", exact=True).click()
        await box.get_by_role("button", name="Move", exact=True).click()
        await expect(row(page, made["id"])).to_contain_text("Type 2")
        known = await csms.reservation(made["id"])
        assert (known["evseId"], known["connectorType"]) == (None, "cType2")


async def test_a_cancel_is_confirmed_first(come: Come, csms: Csms) -> None:
    """Keep it is in focus and keeps it; Cancel it ends it, and the other window sees it end."""
    async with online(csms, "LI-4"):
        made = await reserved(csms, "LI-4", evseId=1, seconds=600)
        page, other = await (await come()).open("/reservations"), await (await come()).open("/reservations")
        await order(page, "Cancel", made["id"]).click()
        sure = page.get_by_role("alertdialog")
        await expect(sure.get_by_role("button", name="Keep it")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(sure).not_to_be_visible()
        assert (await csms.reservation(made["id"]))["status"] == "Active"
        await order(page, "Cancel", made["id"]).click()
        await sure.get_by_role("button", name="Cancel it").click()
        for one in (page, other):
            await expect(row(one, made["id"])).to_contain_text("Canceled")


async def test_a_wish_to_cancel_waits_with_its_reason_and_can_be_dropped(come: Come, csms: Csms) -> None:
    """While the station is away the cancel waits and says why; Keep it drops it; a second one is sent when it is back."""
    async with online(csms, "LI-5") as station:
        made = await reserved(csms, "LI-5", evseId=1, seconds=600)
        await station.go_offline()
        await csms.until_online("LI-5", online=False)
        page = await (await come()).open("/reservations")
        await order(page, "Cancel", made["id"]).click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Cancel it").click()
        await expect(row(page, made["id"])).to_contain_text("Waiting to cancel")
        await expect(row(page, made["id"])).to_contain_text("offline since")
        await expect(page.get_by_role("rowheader", name=re.compile("Needs attention"))).to_be_visible()
        await order(page, "Keep", made["id"]).click()
        await expect(row(page, made["id"])).to_contain_text("Active")
        await order(page, "Cancel", made["id"]).click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Cancel it").click()
        await expect(row(page, made["id"])).to_contain_text("Waiting to cancel")
        await station.go_online()
        await expect(row(page, made["id"])).to_contain_text("Canceled")


async def test_doubt_is_shown_with_its_reason_and_asked_about(come: Come, csms: Csms) -> None:
    """An order without an answer is Unconfirmed and says so; Ask now asks the station again and shows the truth."""
    mute = {"ReserveNow", "CancelReservation"}
    async with online(csms, "LI-6", faulty={"never_answer": mute}):
        answer = await csms.reserve("LI-6", evseId=1, seconds=600)
        assert answer.status_code == 202, answer.text
        made = answer.json()
        person = await come()
        # 409: the station may have been asked of its own accord in the same moment.
        person.expected.append("status of 409")
        page = await person.open("/reservations")
        await expect(row(page, made["id"])).to_contain_text("Unconfirmed")
        await expect(row(page, made["id"])).to_contain_text("did not answer ReserveNow")
        mute.clear()
        await order(page, "Ask now about", made["id"]).click()
        await expect(row(page, made["id"])).to_contain_text(re.compile("Canceled|Failed"))


async def test_filters_are_in_the_address_and_in_the_download(come: Come, csms: Csms, tmp_path: Path) -> None:
    """Station, state, token and period choose; the address shows the same again; the CSV holds the same rows."""
    async with online(csms, "LI-7"), online(csms, "LI-8"):
        kept = await reserved(csms, "LI-7", evseId=1, idToken=id_token("=HYPER()"))
        ended = await reserved(csms, "LI-7", evseId=2)
        other = await reserved(csms, "LI-8", evseId=1)
        await csms.request("DELETE", f"/reservations/{ended['id']}")
        person = await come()
        page = await person.open("/reservations")
        await page.get_by_label("Station", exact=True).select_option("LI-7")
        await expect(row(page, other["id"])).not_to_be_visible()
        await expect(row(page, kept["id"])).to_be_visible()
        await expect(row(page, ended["id"])).to_be_visible()
        await page.get_by_role("button", name="Ended", exact=True).click()
        await expect(row(page, kept["id"])).not_to_be_visible()
        await page.reload()
        await expect(row(page, ended["id"])).to_be_visible()
        await expect(row(page, kept["id"])).not_to_be_visible()
        await page.get_by_role("button", name="All", exact=True).click()
        await expect(row(page, kept["id"])).to_be_visible()
        await page.get_by_role("combobox", name=re.compile("Period")).select_option("all")
        async with page.expect_download() as waiting:
            await page.get_by_role("link", name="CSV").click()
        file = tmp_path / "list.csv"
        await (await waiting.value).save_as(file)
        table = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig"))))
        assert {str(kept["id"]), str(ended["id"])} == {line[0] for line in table[1:]}
        assert all(not cell.startswith(("=", "+", "-", "@")) for line in table for cell in line)
        await page.get_by_role("searchbox").fill("nobody has this")
        await expect(page.get_by_role("heading", name="No reservation fits")).to_be_visible()
        await page.get_by_role("button", name="Show all").click()
        await expect(row(page, other["id"])).to_be_visible()


async def test_a_drivers_key_sees_its_own_reservations(come: Come, csms: Csms) -> None:
    """Others' reservations are on no page; its own can be extended and canceled."""
    async with online(csms, "LI-9"):
        mine = await reserved(csms, "LI-9", evseId=1, idToken=id_token("MINE0001"))
        theirs = await reserved(csms, "LI-9", evseId=2)
        person = await come(key=await key_of(csms, "driver", idTokens=[id_token("MINE0001")]))
        page = await person.open("/reservations")
        await expect(order(page, "Cancel", mine["id"])).to_be_visible()
        await expect(row(page, theirs["id"])).not_to_be_visible()
        await expect(page.get_by_role("link", name="Tokens")).not_to_be_visible()
