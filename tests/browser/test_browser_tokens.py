"""Tokens: added, found, changed, removed; and what is written into them is text."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from browser_stage import Come, in_browser, registered, serving
from playwright.async_api import expect

from csms import Csms

pytestmark = in_browser("a")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def csms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A server of this file alone: it knows no tokens at first."""
    async with serving(tmp_path_factory.mktemp("csms")) as server:
        yield server


EVIL = '<img src=x onerror="document.title=1">'


async def test_a_token_is_added_changed_and_removed(come: Come, csms: Csms) -> None:
    """The empty page says what to do first; each step is told and is what the API says afterwards."""
    page = await (await come()).open("/tokens")
    await expect(page.get_by_role("heading", name="No tokens yet")).to_be_visible()
    await page.get_by_role("button", name="Add a token").first.click()
    box = page.get_by_role("dialog", name="Add a token")
    await box.get_by_label("Token").first.fill("04A219BFCCDD")
    await box.get_by_label("Group", exact=False).first.fill("FLEET-7")
    await box.get_by_label("Personal message").fill("Welcome")
    await box.get_by_role("button", name="Save").click()
    row = page.get_by_role("row").filter(has_text="CCDD")
    await expect(row).to_contain_text("Accepted")
    stored = (await csms.request("GET", "/tokens/ISO14443/04A219BFCCDD")).json()
    assert (stored["groupIdToken"]["idToken"], stored["personalMessage"]) == ("FLEET-7", "Welcome")
    assert "04A219BF" not in await page.get_by_role("table").inner_text()
    await row.get_by_role("button", name="Edit").click()
    await page.get_by_role("dialog").get_by_label("Status").select_option("Blocked")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(row).to_contain_text("Blocked")
    await row.get_by_role("button", name="Remove").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Keep it").click()
    await expect(row).to_be_visible()
    await row.get_by_role("button", name="Remove").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Remove it").click()
    await expect(page.get_by_role("heading", name="No tokens yet")).to_be_visible()
    assert (await csms.request("GET", "/tokens/ISO14443/04A219BFCCDD")).status_code == 404


async def test_tokens_are_found_by_their_full_text_and_markup_stays_text(come: Come, csms: Csms) -> None:
    """A search finds a token, its group or its message; markup in a message or a token is shown as it was written."""
    await registered(csms, "AAAA11112222", personalMessage=EVIL)
    await registered(csms, "BBBB33334444", groupIdToken={"idToken": "<b>GROUP</b>", "type": "Central"})
    page = await (await come()).open("/tokens")
    rows = page.get_by_role("row")
    await expect(rows).to_have_count(3)
    await expect(page.get_by_text(EVIL)).to_be_visible()
    search = page.get_by_role("searchbox")
    await search.fill("bbbb33334444")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(1)).to_contain_text("4444")
    await search.fill("nobody has this")
    await expect(page.get_by_role("heading", name="No token fits")).to_be_visible()
    await page.get_by_role("button", name="Show all").click()
    await expect(rows).to_have_count(3)
    assert await page.title() == "Tokens · evhold"
