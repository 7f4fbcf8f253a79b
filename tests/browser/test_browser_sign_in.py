"""Signing in and out with an API key, and what a key may see."""

from __future__ import annotations

import re

from browser_stage import Come, in_browser, key_of, online, reserved, settled
from playwright.async_api import expect

from csms import ADMIN_KEY, Csms

pytestmark = in_browser("a")

NOT_FOUND, UNAUTHORIZED = r"status of 404", r"status of 401 .*/session"


async def test_a_wrong_key_is_told_and_the_right_one_signs_in(come: Come) -> None:
    """The form says that the key is not valid and stays; with a valid key the board opens and the role is shown."""
    person = await come(key=None)
    person.expected.append(UNAUTHORIZED)
    page = await person.open("/")
    key = page.get_by_label("API key")
    await expect(key).to_be_focused()
    await key.fill("evh_not-a-key")
    await key.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("not valid")
    await key.fill(ADMIN_KEY)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1, name="Stations")).to_be_visible()
    await expect(page.get_by_text("admin", exact=True)).to_be_visible()


async def test_the_printed_link_signs_in_and_leaves_no_key_behind(come: Come, csms: Csms) -> None:
    """#key= signs in, the address is clean afterwards, and a second window is signed in by the cookie."""
    person = await come()
    page = await person.open("/reservations")
    await expect(page.get_by_role("heading", level=1, name="Reservations")).to_be_visible()
    assert page.url == f"{csms.api}/reservations"
    assert ADMIN_KEY not in str(
        await page.evaluate("JSON.stringify([history.state, {...localStorage}, {...sessionStorage}])")
    )
    assert [cookie["httpOnly"] for cookie in await person.context.cookies()] == [True]
    other = await person.open("/")
    await expect(other.get_by_role("heading", level=1, name="Stations")).to_be_visible()


async def test_signing_out_ends_the_session(come: Come) -> None:
    """After Sign out the form is there, also when the page is loaded anew, and the API answers no more."""
    person = await come()
    # What was under way when the session ended.
    person.expected += [r"status of 401"]
    page = await person.open("/")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("API key")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("API key")).to_be_visible()
    assert (await person.context.request.get(f"{person.csms.api}/api/v1/stations")).status == 401


async def test_a_revoked_key_leads_back_to_the_form(come: Come, csms: Csms) -> None:
    """With the key the session ends, at once in every open window: the form is there and says why."""
    made = (await csms.request("POST", "/keys", json={"role": "operator", "name": "short-lived"})).json()
    person = await come(key=made["key"])
    person.expected += [r"status of 401"]
    page = await person.open("/")
    await expect(page.get_by_role("heading", level=1, name="Stations")).to_be_visible()
    assert (await csms.request("DELETE", f"/keys/{made['id']}")).status_code in (200, 204)
    await expect(page.get_by_label("API key")).to_be_visible()
    await expect(page.get_by_role("alert")).to_contain_text("ended")


async def test_a_readonly_key_sees_everything_and_may_order_nothing(come: Come, csms: Csms) -> None:
    """There is no button to reserve, extend, move, cancel, add or send on any page."""
    async with online(csms, "RO-1"):
        made = await reserved(csms, "RO-1", evseId=1)
        person = await come(key=await key_of(csms, "readonly"))
        for path in ("/", "/reservations", f"/reservations/{made['id']}", "/stations/RO-1", "/tokens", "/webhooks"):
            page = await person.open(path)
            await settled(page)
            orders = re.compile(
                r"^(reserve|extend|move|cancel|add|edit|remove|send|switch (on|off)|keep|ask)\b", re.IGNORECASE
            )
            assert await page.get_by_role("button", name=orders).all_inner_texts() == []
            await page.close()


async def test_an_unknown_address_says_so(come: Come) -> None:
    """An address that is no page, a station and a reservation that do not exist: each says it, with a way on."""
    person = await come()
    person.expected.append(NOT_FOUND)
    page = await person.open("/reservations/1")
    await expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile("no|not", re.IGNORECASE))
    await page.goto(f"{person.csms.api}/stations/NOBODY")
    await expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile("no|not", re.IGNORECASE))
    await expect(page.get_by_role("main").get_by_role("link").first).to_be_visible()
