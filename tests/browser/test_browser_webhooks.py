"""Webhooks: added with a secret that is shown once, tested, sent again what was given up, given another secret, removed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from browser_stage import Come, in_browser, key_of, online, settled, sideways, violations
from playwright.async_api import Page, expect
from standardwebhooks.webhooks import Webhook as Judge

from csms import OPEN, QUICK, Csms
from evhold.domain.events import TOLD

pytestmark = in_browser("a")


@dataclass
class Receiver:
    """A real HTTP target on loopback; answers each path with a status, 204 unless told otherwise."""

    port: int = 0
    status: dict[str, int] = field(default_factory=dict)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def at(self, path: str) -> list[tuple[dict[str, str], bytes]]:
        """Headers and body of what came there."""
        return [(headers, body) for where, headers, body in self.got if where == path]

    def events(self, path: str) -> list[str]:
        """The types of the messages that came there."""
        return [json.loads(body)["type"] for _, body in self.at(path)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines if one)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path = first.split(" ")[1].removeprefix("/")
        self.got.append((path, headers, body))
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % self.status.get(path, 204))
        await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """One target for the tests of this file; each has its path."""
    async with receiving() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def csms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A server of this file alone, that may call loopback."""
    server = Csms(tmp_path_factory.mktemp("csms"), options=(*QUICK, *OPEN, "--webhook-allow", "127.0.0.0/8"))
    await server.start()
    yield server
    await server.close()


async def hook(csms: Csms, url: str, *events: str, **more: Any) -> dict[str, Any]:
    """A webhook made by the API."""
    answer = await csms.request("POST", "/webhooks", json={"url": url, "events": events or ["*"], **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def fits(page: Page) -> None:
    """axe finds nothing in light and dark, and a phone does not scroll sideways."""
    assert await violations(page) == []
    await page.emulate_media(color_scheme="dark")
    assert await violations(page, rules=("color-contrast",)) == []
    await page.emulate_media(color_scheme="light")
    for width in (360, 870, 1120):
        await page.set_viewport_size({"width": width, "height": 900})
        assert (width, await sideways(page)) == (width, 0)
    assert await violations(page, rules=("color-contrast", "target-size", "region")) == []
    await page.set_viewport_size({"width": 1440, "height": 900})


async def test_a_webhook_is_added_and_tested(come: Come, csms: Csms, receiver: Receiver) -> None:
    """The empty page says what to do first; the secret is shown this once, and signs the test that the page sends."""
    page = await (await come()).open("/webhooks")
    await expect(page.get_by_role("heading", name="Nobody is told yet")).to_be_visible()
    await page.get_by_role("button", name="Add a webhook").first.click()
    box = page.get_by_role("dialog", name="Add a webhook")
    chips = box.get_by_role("group", name="Events").get_by_role("checkbox")
    offered = [await one.get_attribute("value") for one in await chips.all()]
    assert sorted(one or "" for one in offered) == sorted([*TOLD, "*", "reservation.*", "station.*"])
    await box.get_by_role("textbox", name="Address").fill(receiver.url("added"))
    everything = box.get_by_role("checkbox", name="Everything")
    await everything.focus()
    await page.keyboard.press("Space")
    await box.get_by_role("button", name="Add", exact=True).click()
    await expect(box.get_by_role("alert")).to_contain_text("at least one event")
    await box.get_by_text("reservation.*").click()
    await expect(box.get_by_role("checkbox", name="reservation.used")).to_be_disabled()
    await expect(box.get_by_role("alert")).to_be_hidden()
    await box.get_by_role("combobox", name="Station").fill("CS1")
    await box.get_by_role("textbox", name="Token").fill("04A219BFCCDD")
    await fits(page)
    await box.get_by_role("button", name="Add", exact=True).click()
    shown = page.get_by_role("dialog", name="The webhook is added")
    secret = await shown.locator(".secret").inner_text()
    await expect(shown.get_by_role("button", name="Copy the secret")).to_be_focused()
    await fits(page)
    await shown.get_by_role("button", name="Done").click()
    await expect(shown).to_have_count(0)
    await expect(page.locator(".secret")).to_have_count(0)
    assert secret not in await page.content()
    row = page.get_by_role("row").filter(has_text="/added")
    await expect(row).to_contain_text("reservation.*")
    await expect(row).to_contain_text("Station CS1")
    assert "04A219BF" not in await row.inner_text()
    await row.get_by_role("button", name="Send a test").click()
    await expect(row).to_contain_text("Test answered 204")
    ((headers, body),) = receiver.at("added")
    Judge(secret).verify(body, headers)
    receiver.status["added"] = 500
    await row.get_by_role("button", name="Send a test").click()
    await expect(row).to_contain_text("500")
    await settled(page)


async def test_a_dead_letter_is_sent_again(come: Come, csms: Csms, receiver: Receiver) -> None:
    """What a target that was gone did not take is dead; a good test switches it on, and it is sent again from the page."""
    receiver.status["gone"] = 410
    made = await hook(csms, receiver.url("gone"), "station.*")
    async with online(csms, "WH-1"):
        page = await (await come()).open("/webhooks")
        row = page.get_by_role("row").filter(has_text="/gone")
        await expect(row).to_contain_text("1 dead")
        await expect(row).to_contain_text("Off")
        await fits(page)
        receiver.status["gone"] = 204
        await row.get_by_role("button", name="Send a test").click()
        await expect(row.get_by_text("On", exact=True)).to_be_visible()
        await row.get_by_role("button", name="Deliveries").click()
        box = page.get_by_role("dialog", name="Deliveries")
        await expect(box.get_by_role("radio", name="Dead")).to_be_checked()
        await fits(page)
        await box.get_by_text("Message", exact=True).click()
        await expect(box.get_by_role("region", name="Message")).to_contain_text('"station.online"')
        await box.get_by_role("button", name="Send station.online").click()
        await expect(box.get_by_role("heading", name="No dead letters")).to_be_visible()
        await expect(box.get_by_role("radio", name="Dead")).to_be_focused()
        await box.get_by_text("Delivered", exact=True).click()
        await expect(box.get_by_role("row").filter(has_text="station.online")).to_contain_text("Delivered")
        await box.get_by_role("button", name="Close", exact=True).click()
        await expect(row).to_contain_text("0 dead")
        await expect(row.get_by_role("button", name="Deliveries")).to_be_focused()
    assert receiver.events("gone")[:3] == ["station.online", "webhook.test", "station.online"]
    await csms.request("DELETE", f"/webhooks/{made['id']}")


async def test_a_secret_is_changed_and_a_webhook_removed(come: Come, csms: Csms, receiver: Receiver) -> None:
    """Both secrets sign for a day; removing asks first, and the safe answer keeps it."""
    made = await hook(csms, receiver.url("changed"))
    page = await (await come()).open("/webhooks")
    row = page.get_by_role("row").filter(has_text="/changed")
    await row.get_by_role("button", name="New secret").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Make a new secret").click()
    shown = page.get_by_role("dialog", name="The new secret")
    secret = await shown.locator(".secret").inner_text()
    assert secret != made["secret"]
    await expect(shown).to_contain_text("signs too until")
    await page.keyboard.press("Escape")
    await expect(row).to_contain_text("signs too until")
    await row.get_by_role("button", name="Send a test").click()
    await expect(row).to_contain_text("Test answered 204")
    ((headers, body),) = receiver.at("changed")
    for one in (secret, made["secret"]):
        Judge(one).verify(body, headers)
    await row.get_by_role("button", name="Remove").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Keep it").click()
    await expect(row).to_be_visible()
    await row.get_by_role("button", name="Remove").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Remove it").click()
    await expect(row).to_have_count(0)
    assert (await csms.request("GET", f"/webhooks/{made['id']}")).status_code == 404


@pytest.mark.parametrize("role", ["readonly", "driver"])
async def test_other_roles_are_told_plainly(come: Come, csms: Csms, role: str) -> None:
    """No entry leads there; who comes by the address reads why nothing is shown, and the API is not even asked."""
    more = {"idTokens": [{"idToken": "AABBCCDD", "type": "ISO14443"}]} if role == "driver" else {}
    person = await come(key=await key_of(csms, role, **more))
    page = await person.open("/webhooks")
    await expect(page.get_by_role("heading", name="Webhooks are for admins and operators")).to_be_visible()
    await expect(page.get_by_text(f"signed in as {role}")).to_be_visible()
    await expect(page.get_by_role("navigation").get_by_role("link", name="Webhooks")).to_have_count(0)
    assert not any("/api/v1/webhooks" in one for one in person.requests)
    await fits(page)
