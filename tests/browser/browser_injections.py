"""Texts that would like to be more than text, a station that says them, and what a page looks like where one succeeded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from browser_stage import Person
from playwright.async_api import Page
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from csms import Csms

#: Whatever would run calls evil(); whatever would become an element has the class evil.
TEXTS = (
    "<script>evil()</script>",
    '"><img class=evil src=x onerror="evil()">',
    "'><svg class=evil onload=evil()>",
    '<iframe class=evil srcdoc="<script>parent.evil()</script>"></iframe>',
    '<a class=evil href="javascript:evil()">here</a>',
    "</textarea></title></style></script><b class=evil onclick=evil()>",
    "<math class=evil><mtext><table><mglyph><style><img class=evil src=x onerror=evil()>",
    '<form class=evil action="javascript:evil()"><button autofocus onfocus=evil()>',
    '<style class=evil>*{display:none!important}</style><link class=evil rel=stylesheet href="//evil.example">',
    'x" class="evil" onfocus="evil()" autofocus style="position:fixed;inset:0" y="',
    "javascript:evil()//",
    "data:text/html,<script class=evil>evil()</script>",
    "{{constructor.constructor('evil()')()}}",
    "${evil()}#{evil()}<%=evil()%>",
    "__proto__",
    "constructor",
    "null",
    "undefined",
    "%3Cscript%3Eevil()%3C/script%3E",
    "&lt;b class=evil&gt;&#60;img src=x onerror=evil()&#62;",
    "<!--<b class=evil>--><![CDATA[<b class=evil>]]>",
    "=cmd|'/C calc'!A0",
    "@SUM(1+1)*cmd|'/C calc'!A0",
    "+1-1|evil",
    "-2+3|evil",
    "'; DROP TABLE stations; --",
    "\u202egnitsop\u202c \u2066rtl\u2069",
    "zero\u200bwidth\u200d\ufeffjoined",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 Z\u0351\u036b\u0343a\u030al\u0334g\u0327o",
    "../../../etc/passwd\\..\\..",
    "W" * 500,
)
#: What a page notes of itself from its first moment on.
WATCH = """
  window.hits = [];
  window.evil = (...more) => { window.hits.push(`evil(${more})`); };
  for (const name of ['alert', 'confirm', 'prompt']) window[name] = (...more) => { window.hits.push(`${name}(${more})`); };
  window.busy = 0;
  const real = window.fetch;
  window.fetch = (address, ...more) => {
    const answer = real(address, ...more);
    if (String(address).includes('/events')) return answer;
    window.busy += 1;
    return answer.finally(() => { window.busy -= 1; });
  };
  addEventListener('securitypolicyviolation', (event) => window.hits.push(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""
_LOOK = """() => {
  const wrong = [...window.hits];
  const note = (kind, text) => wrong.push(`${kind}: ${text.slice(0, 100)}`);
  const never = '.evil, iframe, object, embed, img, math, base, meta[http-equiv=refresh]';
  for (const el of document.querySelectorAll(never)) note('element', el.outerHTML);
  for (const el of document.querySelectorAll('script, style')) if (el.textContent.trim()) note('inline', el.outerHTML);
  for (const el of document.querySelectorAll('*')) {
    for (const { name, value } of el.attributes) {
      if (/^on|^srcdoc$|^style$/i.test(name) && value.includes('evil')) note(name, value);
      if (/^(xlink:)?href$|^src$|action$/i.test(name) && /^\\s*(javascript|vbscript|data):/i.test(value)) note(name, value);
    }
  }
  if (Object.keys(Object.prototype).length || {}.evil !== undefined) note('the prototype of all objects', '');
  return wrong;
}"""
#: Those of the texts that the page does not show, neither folded away nor in a field; it has some time to. The policy of
#: the page forbids what Playwright's own waiting is made of.
MISSING = """async (texts) => {
  for (const end = performance.now() + 8000; ; await new Promise((done) => setTimeout(done, 20))) {
    const held = [...document.querySelectorAll('input, textarea')].map((one) => one.value).join(' ');
    const all = document.body.textContent + held;
    const missing = texts.filter((one) => !all.includes(one));
    if (!missing.length || performance.now() > end) return missing;
  }
}"""
_QUIET = """async () => {
  const turn = () => new Promise((done) => setTimeout(done, 5));
  do await turn(); while (window.busy);
  await new Promise((done) => requestAnimationFrame(done));
  await turn();
}"""


async def wrongs(page: Page) -> list[str]:
    """What ran, or became an element, an attribute or an address that it should not be."""
    return [f"{page.url}: {one}" for one in await page.evaluate(_LOOK)]


async def quiet(page: Page) -> None:
    """What was asked of the server is answered, and drawn."""
    await page.evaluate(_QUIET)


async def on_guard(person: Person) -> Person:
    """From now on every window of this person notes what runs in it; a dialog of the browser is a problem."""
    await person.context.add_init_script(WATCH)
    person.context.on("dialog", lambda dialog: person.problems.append(f"dialog: {dialog.message}"))
    return person


@dataclass
class Hostile:
    """A station on a real socket that says these words wherever OCPP has room for some."""

    csms: Csms
    station_id: str
    words: str
    socket: ClientConnection | None = None
    asked: list[str] = field(default_factory=list)
    _number: int = 0
    _waiting: dict[str, asyncio.Future[Any]] = field(default_factory=dict)

    async def call(self, action: str, payload: dict[str, Any]) -> Any:
        """The answer to a CALL of the station's own."""
        assert self.socket is not None
        self._number += 1
        answer = self._waiting[str(self._number)] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps([2, str(self._number), action, payload]))
        return await asyncio.wait_for(answer, 10)

    async def boot(self) -> None:
        """It is known, with one EVSE and what it is."""
        words, more = self.words, {"customData": {"vendorId": self.words[:255], "evil": self.words}}
        what = {
            "vendorName": words[:50],
            "model": words[:20],
            "firmwareVersion": words[:50],
            "serialNumber": words[:25],
        }
        answer = await self.call("BootNotification", {"reason": "PowerUp", "chargingStation": what, **more})
        assert answer["status"] == "Accepted", answer
        status = {"timestamp": stamp(), "connectorStatus": "Available", "evseId": 1, "connectorId": 1, **more}
        await self.call("StatusNotification", status)

    async def answer(self, message_id: str, action: str, payload: dict[str, Any]) -> None:
        """What it says to a CALL of the CSMS."""
        assert self.socket is not None
        self.asked.append(action)
        words = self.words
        info = {"statusInfo": {"reasonCode": words[:20], "additionalInfo": words[:512]}}
        answers: dict[str, dict[str, Any]] = {
            "ReserveNow": {"status": "Rejected", **info},
            "GetBaseReport": {"status": "Accepted", **info},
            "DataTransfer": {"status": "Accepted", "data": {"evil": words}, **info},
            "GetVariables": {
                "getVariableResult": [
                    {**one, "attributeStatus": "Accepted", "attributeValue": words[:2500]}
                    for one in payload.get("getVariableData", ())
                ]
            },
        }
        if action in answers:
            await self.socket.send(json.dumps([3, message_id, answers[action]]))
        else:
            await self.socket.send(json.dumps([4, message_id, "NotSupported", words[:255], {"evil": words}]))

    async def read(self) -> None:
        """Until the socket ends."""
        assert self.socket is not None
        with suppress(ConnectionClosed):
            async for text in self.socket:
                frame = json.loads(text)
                if frame[0] == 2:
                    await self.answer(frame[1], frame[2], frame[3])
                elif not self._waiting[frame[1]].done():
                    self._waiting[frame[1]].set_result(frame[2])


@asynccontextmanager
async def hostile(csms: Csms, station_id: str, words: str) -> AsyncIterator[Hostile]:
    """It is online."""
    address = f"{csms.stations}/{station_id.replace(' ', '%20').replace('|', '%7C')}"
    async with connect(address, subprotocols=["ocpp2.0.1"], proxy=None) as socket:  # type: ignore[list-item]  # a NewType of str
        station = Hostile(csms, station_id, words, socket)
        reading = asyncio.create_task(station.read())
        await station.boot()
        yield station
        await socket.close()
        await reading


def stamp() -> str:
    """Now, as OCPP writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
