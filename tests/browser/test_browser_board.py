"""The board: what is true at the stations, as it changes, in every open window."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from browser_stage import Come, id_token, in_browser, located, online, reserved, serving, settled
from playwright.async_api import Locator, Page, expect

from csms import Csms

pytestmark = in_browser("a")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def csms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A server of this file alone: the first board is empty."""
    async with serving(tmp_path_factory.mktemp("csms")) as server:
        yield server


EVIL = "<img src=x onerror=alert(1)>"


def card(page: Page, station_id: str) -> Locator:
    """A station on the board."""
    return (
        page.get_by_role("main").get_by_role("listitem").filter(has=page.get_by_role("heading", name=station_id)).first
    )


async def test_an_empty_board_says_what_to_do_first(come: Come, csms: Csms) -> None:
    """The command is shown; a station that is added gets its password here, and its first message makes it appear."""
    page = await (await come()).open("/")
    await expect(page.get_by_role("heading", name="No station has connected yet")).to_be_visible()
    await expect(page.get_by_text("evhold station add")).to_be_visible()
    await page.get_by_role("button", name="Add a station").click()
    box = page.get_by_role("dialog")
    await box.get_by_label("Its id").fill("AA-1")
    await box.get_by_label("Where it stands").fill(EVIL)
    await box.get_by_role("button", name=re.compile("Add")).click()
    await expect(box).to_contain_text("shown this one time only")
    password = (await box.get_by_role("definition").all_inner_texts())[0].split()[0]
    await box.get_by_role("button", name=re.compile("Close|Done")).last.click()
    await expect(card(page, "AA-1")).to_contain_text("Never connected")
    await expect(page.get_by_role("heading", name=EVIL)).to_be_visible()
    async with online(csms, "AA-1", password=password):
        await expect(card(page, "AA-1")).to_contain_text("Available")


async def test_two_windows_see_every_change(come: Come, csms: Csms) -> None:
    """Plug, reservation, fault, unavailability and a lost connection show in both windows without a reload."""
    async with online(csms, "BD-1") as station:
        pages = [await (await come()).open("/"), await (await come()).open("/")]
        for page in pages:
            await expect(card(page, "BD-1")).to_contain_text("Available")
        await station.plug_in(1)
        for page in pages:
            await expect(card(page, "BD-1")).to_contain_text("Occupied")
        made = await reserved(csms, "BD-1", evseId=2)
        for page in pages:
            await expect(card(page, "BD-1")).to_contain_text("Reserved")
            await expect(card(page, "BD-1").get_by_role("link", name=re.compile(str(made["id"])))).to_contain_text(
                re.compile(r"0:\d\d")
            )
        await station.fault(2)
        for page in pages:
            await expect(card(page, "BD-1")).to_contain_text("Faulted")
        await station.set_operative(1, False)
        await station.unplug(1)
        for page in pages:
            await expect(card(page, "BD-1")).to_contain_text("Unavailable")
        await station.go_offline()
        for page in pages:
            await expect(card(page, "BD-1")).to_contain_text("Offline since")


async def test_the_board_is_filtered_and_searched(come: Come, csms: Csms) -> None:
    """By state, by words, by connector type; places group; no hit says so and offers all."""
    async with (
        online(csms, "FI-1", connectors=(("cCCS2",), ("cCCS2", "cG105"))) as first,
        online(csms, "FI-2", connector_types=("cType2",)),
    ):
        await located(csms, "FI-1", "Northgate")
        await located(csms, "FI-2", "Quayside")
        await first.plug_in(1)
        page = await (await come()).open("/")
        await expect(page.get_by_role("heading", level=2, name="Northgate")).to_be_visible()
        await expect(card(page, "FI-1")).to_contain_text("CHAdeMO")
        chip = page.get_by_role("button", name=re.compile("^Occupied"))
        await expect(chip).to_contain_text("1")
        await chip.click()
        await expect(card(page, "FI-1")).to_be_visible()
        await expect(card(page, "FI-2")).not_to_be_visible()
        await chip.click()
        await page.get_by_label("Connector type").select_option("cType2")
        await expect(card(page, "FI-2")).to_be_visible()
        await expect(card(page, "FI-1")).not_to_be_visible()
        await page.get_by_label("Connector type").select_option("")
        await page.get_by_role("searchbox").fill("quay")
        await expect(card(page, "FI-1")).not_to_be_visible()
        await page.get_by_role("searchbox").fill("nowhere")
        await expect(page.get_by_role("heading", name="Nothing matches this filter")).to_be_visible()
        await page.get_by_role("button", name="Show all").click()
        await expect(card(page, "FI-1")).to_be_visible()
        await page.get_by_role("button", name="As lines").click()
        await expect(card(page, "FI-1")).to_be_visible()


async def test_a_hold_is_counted_down_by_the_servers_clock(come: Come, csms: Csms) -> None:
    """A reader whose clock is an hour wrong sees the same time left as everybody else."""
    async with online(csms, "CL-1"):
        made = await reserved(csms, "CL-1", evseId=1, seconds=600)
        person = await come()
        await person.context.add_init_script("const now = Date.now; Date.now = () => now() + 3600_000;")
        page = await person.open("/")
        left = card(page, "CL-1").get_by_role("link", name=re.compile(str(made["id"])))
        await expect(left).to_contain_text(re.compile(r"9:[345]\d"))


async def test_figures_of_today_stand_over_the_board(come: Come, csms: Csms) -> None:
    """Active holds and what was accepted today, as they are in the API."""
    async with online(csms, "KP-1"):
        await reserved(csms, "KP-1", evseId=1)
        refused = await csms.reserve("KP-1", evseId=1)
        assert refused.status_code == 409
        figures = (await csms.request("GET", "/figures")).json()
        page = await (await come()).open("/")
        await expect(page.get_by_text("Active holds")).to_be_visible()
        active = page.get_by_role("definition").first
        await expect(active).to_have_text(str(figures["activeNow"]))


async def test_what_stations_and_people_write_is_text(come: Come, csms: Csms) -> None:
    """Markup in a station's vendor and model, in a place and in a token is shown as it was written, and does nothing."""
    model = "<img src=x onerror>"
    async with online(csms, "XS-1", vendor="<b>Evil</b>", model=model):
        await located(csms, "XS-1", "<script>alert(1)</script>")
        made = await reserved(csms, "XS-1", evseId=1, idToken=id_token("<u>1</u>"))
        person = await come()
        for path in ("/", "/stations/XS-1", "/reservations", f"/reservations/{made['id']}", "/timeline"):
            page = await person.open(path)
            await settled(page)
            await expect(page.get_by_role("main")).to_contain_text("XS-1")
            if path in ("/", "/stations/XS-1"):
                await expect(page.get_by_role("main")).to_contain_text(f"<b>Evil</b> {model}")
            assert await page.locator("main :is(img, u, script)").count() == 0
            await page.close()
