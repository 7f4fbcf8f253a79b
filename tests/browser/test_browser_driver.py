"""The driver's page: the hold in plain words on a phone, longer, given back, taken back; links that lead nowhere."""

from __future__ import annotations

import re

from browser_shots import SIZES
from browser_stage import Come, in_browser, located, online, registered, reserved, signed_link
from playwright.async_api import Page, expect

from csms import Csms

pytestmark = in_browser("a")


async def phone_at(come: Come, csms: Csms, reservation_id: int) -> Page:
    """The page behind the link of the reservation, on a phone, nobody signed in."""
    driver = await come(key=None, viewport=SIZES["phone"], is_mobile=True, has_touch=True)
    return await driver.open(await signed_link(csms, reservation_id))


async def test_a_driver_sees_the_hold_and_plugs_in(come: Come, csms: Csms) -> None:
    """Countdown, place, directions, masked token; then Used, as it happens. No key is needed and none is shown."""
    async with online(csms, "DR-1") as station:
        await located(csms, "DR-1", "Northgate Park & Ride")
        made = await reserved(csms, "DR-1", evseId=2, seconds=900)
        page = await phone_at(come, csms, made["id"])
        await expect(page.get_by_text("You may plug in now")).to_be_visible()
        main = page.get_by_role("main")
        await expect(main).to_contain_text(re.compile(r"14:[345]\d"))
        for text in ("DR-1", "EVSE 2", "CCS2", "Northgate Park & Ride", "CCDD"):
            await expect(main).to_contain_text(text)
        assert "AABBCCDD" not in await page.content()
        assert "53.5413" in (await page.get_by_role("link", name="Directions").get_attribute("href") or "")
        for button in await page.get_by_role("button").all():
            box = await button.bounding_box()
            assert box is None or min(box["width"], box["height"]) >= 44, await button.inner_text()
        await station.present(2, "AABBCCDD")
        await station.plug_in(2)
        await expect(page.get_by_text("You have plugged in")).to_be_visible()
        await expect(page.get_by_role("button", name=re.compile("min|free the place"))).to_have_count(0)


async def test_a_driver_extends_and_gives_back(come: Come, csms: Csms) -> None:
    """Longer by one tap; giving back asks first; the operator's window sees both."""
    async with online(csms, "DR-2"):
        made = await reserved(csms, "DR-2", evseId=1, seconds=600)
        page = await phone_at(come, csms, made["id"])
        board = await (await come()).open(f"/reservations/{made['id']}")
        await page.get_by_role("button", name="+30 min").click()
        for one in (page, board):
            await expect(one.get_by_role("main")).to_contain_text(re.compile(r"39:\d\d"))
        await page.get_by_role("button", name=re.compile("free the place")).click()
        sure = page.get_by_role("alertdialog")
        await sure.get_by_role("button", name="Keep it").click()
        assert (await csms.reservation(made["id"]))["status"] == "Active"
        await page.get_by_role("button", name=re.compile("free the place")).click()
        await sure.get_by_role("button", name="Give it back").click()
        for one in (page, board):
            await expect(one.get_by_role("main")).to_contain_text("Canceled")


async def test_a_fault_is_told_and_a_refused_wish_too(come: Come, csms: Csms) -> None:
    """A station that says no to more time leaves the old hold; a fault takes the hold back and says so."""
    async with online(csms, "DR-3", faulty={"rejects_same_id": True}) as station:
        made = await reserved(csms, "DR-3", evseId=1, seconds=600)
        driver = await come(key=None, viewport=SIZES["phone"])
        driver.expected.append("status of 409")
        page = await driver.open(await signed_link(csms, made["id"]))
        await page.get_by_role("button", name="+15 min").click()
        await expect(page.get_by_role("main")).to_contain_text("Your hold still runs to")
        await station.fault(1)
        await expect(page.get_by_text("The station took it back: fault")).to_be_visible()


async def test_an_expired_hold_says_so(come: Come, csms: Csms) -> None:
    """The countdown ends, and with the station's word the page says Expired."""
    async with online(csms, "DR-4"):
        made = await reserved(csms, "DR-4", evseId=1, seconds=2)
        page = await phone_at(come, csms, made["id"])
        await expect(page.get_by_text("Expired").first).to_be_visible()
        await expect(page.get_by_text("Nothing is held for you").first).to_be_visible()


async def test_an_offline_station_is_told(come: Come, csms: Csms) -> None:
    """The station keeps the hold: that is said, and more time can't be asked for."""
    async with online(csms, "DR-5") as station:
        made = await reserved(csms, "DR-5", evseId=1, seconds=600)
        page = await phone_at(come, csms, made["id"])
        await expect(page.get_by_text("You may plug in now")).to_be_visible()
        await station.go_offline()
        await expect(page.get_by_text("It keeps your hold").first).to_be_visible()
        await expect(page.get_by_role("button", name="+15 min")).to_be_disabled()
        await station.go_online()
        await expect(page.get_by_role("button", name="+15 min")).to_be_enabled()


async def test_another_card_and_a_personal_token_stay_private(come: Come, csms: Csms) -> None:
    """Used with another token of the group is Used; the driver's page shows no token but its own last four."""
    group = {"idToken": "GROUP-77", "type": "Central"}
    await registered(csms, "FRIEND9999", groupIdToken=group)
    await registered(csms, "AABBCCDD", groupIdToken=group)
    async with online(csms, "DR-6") as station:
        made = await reserved(csms, "DR-6", evseId=1, seconds=600, groupIdToken=group)
        page = await phone_at(come, csms, made["id"])
        await expect(page.get_by_text("You may plug in now")).to_be_visible()
        await station.present(1, "FRIEND9999")
        await station.plug_in(1)
        await csms.until(made["id"], "Used")
        await expect(page.get_by_text("Used").first).to_be_visible()
        content = await page.content()
        assert "FRIEND" not in content
        assert "GROUP-77" not in content


async def test_links_that_lead_nowhere_say_so(come: Come, csms: Csms) -> None:
    """A forged or cut link is told in plain words, and so is one that died a day after its reservation."""
    async with online(csms, "DR-7"):
        made = await reserved(csms, "DR-7", evseId=1)
        link = await signed_link(csms, made["id"])
        driver = await come(key=None, viewport=SIZES["phone"])
        driver.expected.append("status of 404")
        page = await driver.open(link[:-3] + ("AAA" if not link.endswith("AAA") else "BBB"))
        await expect(page.get_by_role("heading", name="This link leads nowhere")).to_be_visible()

        body = {
            "type": "/problems/link-expired",
            "title": "The link has ended",
            "status": 410,
            "detail": "it has ended",
        }
        later = await come(key=None, viewport=SIZES["phone"])
        later.expected.append("status of 410")
        await later.context.route("**/api/v1/driver/**", lambda route: route.fulfill(status=410, json=body))
        page = await later.open(link)
        await expect(page.get_by_role("heading", name="This link has ended")).to_be_visible()
        await expect(page.get_by_role("button", name=re.compile("min|free the place"))).to_have_count(0)
