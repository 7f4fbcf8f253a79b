"""What a station, a token, a webhook or a person can write is text wherever it is shown, and every field takes it as such."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio
from browser_injections import MISSING, TEXTS, Hostile, hostile, on_guard, quiet, stamp, wrongs
from browser_stage import Come, in_browser, key_of, online, reserved, serving, settled, signed_link
from playwright.async_api import Page, expect

from csms import ADMIN_KEY, Csms

pytestmark = in_browser("b")
#: Ids that OCPP allows and that mean something elsewhere.
STATIONS = ("=cmd|calc", "__proto__", "constructor", "@SUM+1-1", "null", "-2+3|evil")
#: Statuses that refuse what was tried.
REFUSED = r"status of (400|401|404|409|502)"
GO = "path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }"
#: Puts each text into each field that is there to be written in; answers what the fields are called.
FEED = """async (texts) => {
  const kinds = ['text', 'search', 'password', 'url', 'number', 'date', 'datetime-local', 'textarea'];
  const all = [...(document.querySelector('dialog[open]') ?? document).querySelectorAll('input, textarea')];
  const fields = all.filter((one) => kinds.includes(one.type) && !one.readOnly && !one.disabled);
  for (const one of fields) {
    const before = one.value;
    for (const text of [...texts, before]) {
      one.value = text;
      one.dispatchEvent(new Event('input', { bubbles: true }));
      one.dispatchEvent(new Event('change', { bubbles: true }));
    }
    await new Promise((done) => setTimeout(done, 5));
  }
  return fields.map((one) => one.name || one.getAttribute('aria-label') || one.labels?.[0]?.textContent || one.type);
}"""
#: Writes one text into every field of the open dialog and sends it, whatever the browser itself would say.
SEND = """(text) => {
  const form = document.querySelector('dialog[open] form') ?? document.querySelector('form');
  form.noValidate = true;
  for (const one of form.querySelectorAll('input[name], textarea')) {
    if (['radio', 'checkbox', 'datetime-local'].includes(one.type)) continue;
    one.value = text;
    one.dispatchEvent(new Event('input', { bubbles: true }));
  }
  form.requestSubmit();
}"""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def csms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A server of this file alone: its data are hostile."""
    async with serving(tmp_path_factory.mktemp("csms")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def said(csms: Csms) -> AsyncIterator[list[str]]:
    """Stations have said all of it, and people have written all of it; the names of what was written to."""
    async with (
        hostile(csms, STATIONS[0], TEXTS[1]) as first,
        hostile(csms, STATIONS[1], TEXTS[0]),
        hostile(csms, STATIONS[2], TEXTS[4]),
        hostile(csms, STATIONS[3], TEXTS[9]),
        hostile(csms, STATIONS[4], TEXTS[26]),
        hostile(csms, STATIONS[5], TEXTS[30]),
    ):
        sinks = [*await by_station(csms, first), *await by_people(csms)]
        yield sinks


async def by_station(csms: Csms, station: Hostile) -> list[str]:
    """All texts, wherever a station can say one."""
    path = f"/stations/{quote(station.station_id)}"
    for words in TEXTS:
        station.words = words
        await station.call(
            "SecurityEventNotification", {"type": words[:50], "timestamp": stamp(), "techInfo": words[:255]}
        )
        await station.call("DataTransfer", {"vendorId": words[:255], "messageId": words[:50], "data": {words: words}})
        taken = await csms.reserve(
            station.station_id,
            evseId=1,
            idToken={"idToken": words[:36], "type": "Central"},
            groupIdToken={"idToken": words[-36:], "type": "Local"},
            force=True,
        )
        assert taken.json()["statusInfo"] == {"reasonCode": words[:20], "additionalInfo": words}
    for words in TEXTS[::4]:
        station.words = words
        for action, payload in (("DataTransfer", {"vendorId": words[:255]}), ("ClearCache", {})):
            answer = await csms.request("POST", f"{path}/calls/{action}", json=payload)
            assert answer.status_code in (200, 502)
    station.words = TEXTS[1]
    boot = ("vendorName", "model", "firmwareVersion", "serialNumber", "customData")
    calls = ("securityEvent.type", "techInfo", "vendorId", "messageId", "data", "errorDescription", "errorDetails")
    return [*boot, *calls, "statusInfo.reasonCode", "statusInfo.additionalInfo", "attributeValue", "stationId"]


async def by_people(csms: Csms) -> list[str]:
    """All texts, wherever the API takes one; refused ones name their field."""

    async def write(number: int, words: str) -> None:
        place = {"location": {"name": words[:200], "latitude": 1.5, "longitude": 2.5}, "serialNumber": words[:25]}
        terms = {
            "status": "Accepted",
            "personalMessage": words,
            "groupIdToken": {"idToken": words[-36:], "type": "Central"},
        }
        hook = {"url": f"https://h{number}.example/{words}", "stationId": STATIONS[0], "events": ["station.online"]}
        token = {"idToken": words[:36], "type": "Central"}
        answers = {
            "location.name, serialNumber": await csms.request("PUT", f"/stations/EVIL-{number}", json=place),
            "personalMessage, groupIdToken": await csms.request("PUT", f"/tokens/Central/T{number}", json=terms),
            "url": await csms.request("POST", "/webhooks", json=hook),
            "idToken": await csms.request("POST", "/webhooks", json={"url": "https://t.example/", "idToken": token}),
            "name": await csms.request("POST", "/keys", json={"role": "readonly", "name": words[:100]}),
            "stationId": await csms.request("PUT", f"/stations/{quote(words, safe='')}", json={}),
            "events": await csms.request("POST", "/webhooks", json={"url": "https://e.example/", "events": [words]}),
        }
        for sink, answer in answers.items():
            body = answer.json()
            assert answer.status_code in (200, 201, 400, 404), (sink, body)
            # A text with a slash is another address.
            if answer.status_code == 400:
                assert all(error["field"].partition("[")[0] in sink for error in body["errors"]), (sink, body)

    await asyncio.gather(*(write(number, words) for number, words in enumerate(TEXTS)))
    return [
        *["location.name", "serialNumber", "personalMessage", "group", "url", "webhook.idToken", "key.name", "events"],
        "id",
    ]


async def go(page: Page, path: str, *texts: str) -> None:
    """The page of this address shows these texts, and nothing of them became more."""
    await page.evaluate(GO, path)
    await settled(page)
    await shows(page, *texts)


async def shows(page: Page, *texts: str) -> None:
    """The page that is open does."""
    assert await page.evaluate(MISSING, list(texts)) == []
    assert await wrongs(page) == []


async def test_what_was_written_is_text_wherever_it_is_shown(come: Come, csms: Csms, said: list[str]) -> None:
    """On the board, at a station, in lists, lives and messages: as it was written, and no element, script or style of it."""
    person = await on_guard(await come(key=await key_of(csms, "admin", name=TEXTS[1])))
    page = await person.open("/")
    await settled(page)
    ids = [f"EVIL-{number}" for number in range(len(TEXTS))]
    await go(page, "/", *STATIONS, *ids, *(text[:200] for text in TEXTS))
    for station, words in zip(STATIONS, (TEXTS[1], TEXTS[0], TEXTS[4], TEXTS[9], TEXTS[26], TEXTS[30]), strict=True):
        await go(page, f"/stations/{quote(station)}", station, words[:50], words[:20])
    await go(page, f"/stations/{quote(STATIONS[0])}", TEXTS[-1][:255])
    await page.get_by_role("button", name="Older").first.click()
    await shows(page, *(text[:255] for text in TEXTS))
    rows = page.get_by_role("region", name="Messages", exact=True).first.get_by_role("listitem")
    for number in range(12):
        await rows.nth(number).click()
    assert await wrongs(page) == []
    await go(page, "/tokens", *(text for text in TEXTS if len(text) < 500))
    urls = [hook["url"] for hook in (await csms.request("GET", "/webhooks")).json()]
    await go(page, "/webhooks", *urls)
    listed = (await csms.request("GET", "/reservations?limit=100")).json()
    await go(page, "/reservations", STATIONS[0])
    for one in listed[::6]:
        await go(page, f"/reservations/{one['id']}", one["statusInfo"]["additionalInfo"])
    for path in ("/timeline", "/figures"):
        await go(page, path)
    print(f"injections: {len(said)} places x {len(TEXTS)} texts: {', '.join(said)}")
    # It still works.
    await go(page, "/tokens")
    await page.get_by_role("searchbox").fill("T3")
    assert await wrongs(page) == []


async def test_every_field_takes_it_as_text(come: Come, csms: Csms, said: list[str]) -> None:
    """Each text in each field of each page and dialog; sent, it is refused with words or shown as it is."""
    fed: list[str] = []
    person = await on_guard(await come())
    person.expected += [REFUSED, "The specified value .* (does not conform|cannot be parsed)"]
    page = await person.open("/")
    await settled(page)

    async def feed(where: str) -> None:
        await quiet(page)
        fields = await page.evaluate(FEED, TEXTS)
        fed.extend(f"{where}: {one}" for one in fields)
        assert await wrongs(page) == [], where

    async def send(where: str, *, form: str = "dialog[open] form") -> None:
        await expect(page.locator(form)).to_be_visible()
        await feed(where)
        for text in TEXTS[1:10:6]:
            if not await page.locator(form).count():
                break
            await page.evaluate(SEND, text)
            await quiet(page)
            assert await wrongs(page) == [], (where, text)
        await page.keyboard.press("Escape")

    for path in ("/", "/reservations", "/tokens", "/webhooks", "/timeline", "/figures"):
        await go(page, path)
        await feed(path)
    # Its button is there while the board is empty.
    await page.evaluate("import('/static/js/pages/board-add.js').then((one) => one.addStation())")
    await send("/ Add a station")
    for path, button in (("/tokens", "Add a token"), ("/webhooks", "Add a webhook")):
        await go(page, path)
        await page.get_by_role("button", name=button).first.click()
        await send(f"{path} {button}")
    async with online(csms, "GOOD"):
        made = await reserved(csms, "GOOD", evseId=1, seconds=600)
        await go(page, "/stations/GOOD", "GOOD")
        call = page.get_by_role("region", name="Raw call")
        for action in ("DataTransfer", "SetVariables", "GetLog"):
            await call.get_by_label("Action").select_option(action)
            await feed(f"/stations/ID {action}")
        await call.get_by_label("Action").select_option("DataTransfer")
        await call.get_by_role("button", name="JSON").click()
        await feed("/stations/ID JSON")
        await call.get_by_role("textbox", name="The payload as JSON").fill(json.dumps({"vendorId": TEXTS[1]}))
        await call.get_by_role("button", name="Send").click()
        await expect(call.get_by_role("status")).not_to_be_empty()
        await page.get_by_role("button", name="Reserve").first.click()
        await send("Reserve")
        await go(page, f"/reservations/{made['id']}")
        await feed("/reservations/ID")
        # It still works: what is asked for happens.
        await go(page, "/tokens")
        await page.get_by_role("button", name="Add a token").first.click()
        box = page.get_by_role("dialog", name="Add a token")
        await box.get_by_label("Token").first.fill("04A219BFCCDD")
        await box.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("row").filter(has_text="CCDD").first).to_contain_text("Accepted")
    guest = await on_guard(await come(key=None))
    guest.expected.append(r"status of (400|401|429)")
    page = await guest.open("/")
    await expect(page.get_by_label("API key")).to_be_visible()
    await send("sign in", form="form")
    assert await wrongs(page) == []
    await page.get_by_label("API key").fill(ADMIN_KEY)
    await page.get_by_role("button", name="Sign in").click()
    await settled(page)
    kinds = sorted(set(fed))
    print(f"injections: {len(kinds)} fields x {len(TEXTS)} texts: {', '.join(kinds)}")
    assert len(kinds) >= 20


async def test_addresses_are_read_as_text(come: Come, csms: Csms, said: list[str]) -> None:
    """In a path, a query or behind #key=: a page that is not there says so, and a filter that can't be says so."""
    person = await on_guard(await come())
    person.expected.append(REFUSED)
    page = await person.open("/")
    await settled(page)
    for text in TEXTS[1:12:6]:
        given = quote(text, safe="")
        for path in (
            f"/stations/{given}",
            f"/reservations?token={given}&state={given}&from={given}",
            f"/figures?station={given}",
            f"/timeline?station={given}&at={given}",
            f"/{given}",
        ):
            await page.evaluate(GO, path)
            await quiet(page)
            assert await wrongs(page) == []
    for path in (f"/stations/{quote(TEXTS[1], safe='')}", f"/tokens?{quote(TEXTS[0])}#key={quote(TEXTS[1])}"):
        page = await person.open(path)
        await quiet(page)
        assert await wrongs(page) == []


async def test_a_drivers_page_shows_text(come: Come, csms: Csms) -> None:
    """The place, the station's words and the address itself."""
    name = "=1+1|@X"
    async with online(csms, name, connector_types=(TEXTS[4][:20],), evses=2):
        place = {"location": {"name": TEXTS[1], "latitude": 1, "longitude": 2}}
        await csms.request("PUT", f"/stations/{quote(name)}", json=place)
        made = await reserved(csms, name, evseId=1, seconds=600)
        person = await on_guard(await come(key=None))
        person.expected.append(REFUSED)
        page = await person.open(await signed_link(csms, made["id"]))
        await expect(page.get_by_text(TEXTS[1]).first).to_be_visible()
        fields = await page.evaluate(FEED, TEXTS)
        assert await wrongs(page) == []
        for text in TEXTS[1:2]:
            page = await person.open(f"/d/{quote(text, safe='')}")
            await quiet(page)
            assert await wrongs(page) == []
            await page.close()
    print(f"injections: driver page: {len(fields)} fields")


async def test_a_spreadsheet_gets_no_formulas(csms: Csms, said: list[str]) -> None:
    """No cell of the export begins as one, whatever a token or a station is called."""
    answer = await csms.request("GET", "/reservations.csv")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert len(rows) > len(TEXTS)
    assert [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r\n")] == []
    assert any(STATIONS[0] in cell for row in rows for cell in row)
