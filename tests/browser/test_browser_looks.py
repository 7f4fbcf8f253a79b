"""Every page: without a finding of axe in light and dark, without sideways scroll from 360 to 2560 px; the screenshots."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from browser_shots import SIZES, shoot
from browser_site import Site, lively_site
from browser_stage import Come, in_browser, serving, settled, sideways, signed_link, violations
from playwright.async_api import Page, expect

from csms import ADMIN_KEY, Csms

pytestmark = in_browser("b")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def csms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A server of this file alone: the site is all that it knows."""
    async with serving(tmp_path_factory.mktemp("csms")) as server:
        yield server


#: What another layout may break.
NARROW = (
    *("color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"),
    *("region", "empty-table-header", "td-headers-attr"),
)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def site(csms: Csms) -> AsyncIterator[Site]:
    """Two locations with every state."""
    async with lively_site(csms) as made:
        yield made


def address(name: str, site: Site) -> str:
    """The path of a page."""
    ids = site.reservations
    return {
        "board": "/",
        "reservations": "/reservations",
        "reservation": f"/reservations/{ids['Used']}",
        "reservation-doubt": f"/reservations/{ids['Unconfirmed']}",
        "timeline": "/timeline?span=1",
        "figures": "/figures",
        "station": "/stations/NG-01",
        "tokens": "/tokens",
        "webhooks": "/webhooks",
    }[name]


async def looked_at(page: Page, name: str, *, sizes: tuple[str, ...] = tuple(SIZES)) -> None:
    """Nothing is wrong with what is shown now, in light and in dark; and its pictures are taken."""
    assert await violations(page) == []
    await page.emulate_media(color_scheme="dark")
    assert await violations(page) == []
    await page.emulate_media(color_scheme="light")
    for width in (360, 390, 768, 1024, 1440, 2560):
        await page.set_viewport_size({"width": width, "height": 900})
        assert (width, await sideways(page)) == (width, 0)
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await violations(page, rules=NARROW) == []
    await page.set_viewport_size({"width": 1440, "height": 900})
    await shoot(page, name, sizes=sizes)


PAGES = [
    "board",
    "reservations",
    "reservation",
    "reservation-doubt",
    "timeline",
    "figures",
    "station",
    "tokens",
    "webhooks",
]


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_accessible_and_fits(come: Come, site: Site, name: str) -> None:
    """axe finds nothing in light and dark, wide and narrow; no width makes the page scroll sideways."""
    page = await (await come()).open(address(name, site))
    await settled(page)
    await looked_at(page, name)


@pytest.mark.parametrize("name", ["Short", "Used", "Removed"])
async def test_the_drivers_page_is_accessible_and_fits(come: Come, csms: Csms, site: Site, name: str) -> None:
    """The same for the page behind a driver's link, live and ended."""
    page = await (await come(key=None)).open(await signed_link(csms, site.reservations[name]))
    await settled(page)
    shown = {"Short": "driver", "Used": "driver-used", "Removed": "driver-removed"}[name]
    await looked_at(page, shown, sizes=tuple(SIZES) if name == "Short" else ("phone",))


async def test_the_sign_in_page_is_accessible_and_fits(come: Come, site: Site) -> None:
    """The same for the form that asks for a key."""
    page = await (await come(key=None)).open("/")
    await expect(page.get_by_label("API key")).to_be_visible()
    await looked_at(page, "sign-in")


async def test_the_reserve_dialog_is_accessible_and_fits(come: Come, site: Site) -> None:
    """The same for the dialog, as a form and with the answer of a station where somebody is plugged in already."""
    person = await come()
    person.expected.append("status of 409")
    page = await person.open("/")
    await page.get_by_role("button", name="Reserve NG-03 EVSE 1").click()
    box = page.get_by_role("dialog")
    await box.get_by_label("Token", exact=True).fill("04A219BF2B6D")
    await looked_at(page, "reserve")
    await site.stations["NG-03"].plug_in(1)
    await box.get_by_role("button", name="Reserve until").click()
    await expect(box.get_by_role("heading", name="The station said Occupied")).to_be_visible()
    await looked_at(page, "reserve-occupied")


async def test_the_chosen_theme_wins_and_is_kept(come: Come, site: Site) -> None:
    """The page follows the system until the reader chooses; the choice survives a reload."""
    page = await (await come()).open("/")
    ground = "getComputedStyle(document.body).backgroundColor"
    await settled(page)
    light = await page.evaluate(ground)
    await page.get_by_role("button", name="Switch between light and dark").click()
    dark = await page.evaluate(ground)
    assert dark != light
    await page.reload()
    await settled(page)
    assert await page.evaluate(ground) == dark
    await page.emulate_media(color_scheme="dark")
    await page.get_by_role("button", name="Switch between light and dark").click()
    assert await page.evaluate(ground) == light


async def test_times_follow_the_readers_language_and_zone(come: Come, site: Site, csms: Csms) -> None:
    """A reader in New York reads 12-hour times of New York, one in Berlin 24-hour times of Berlin."""
    expiry = (await csms.reservation(site.reservations["Long"]))["expiryDateTime"]
    for locale, zone in (("en-US", "America/New_York"), ("de-DE", "Europe/Berlin")):
        page = await (await come(locale=locale, timezone_id=zone)).open(f"/reservations/{site.reservations['Long']}")
        await settled(page)
        wanted = await page.evaluate(
            "at => new Intl.DateTimeFormat(undefined, {hour: 'numeric', minute: '2-digit'}).format(new Date(at))",
            expiry,
        )
        assert ("M" in wanted) is (locale == "en-US")
        await expect(page.get_by_role("main")).to_contain_text(wanted)


async def test_the_key_is_in_no_page(come: Come, site: Site) -> None:
    """Nor is a token: pages show the last four characters."""
    page = await (await come()).open("/reservations")
    await settled(page)
    text = await page.evaluate("document.documentElement.outerHTML")
    assert ADMIN_KEY not in text
    assert "04A219BF" not in text
