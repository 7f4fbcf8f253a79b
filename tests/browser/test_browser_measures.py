"""What the pages cost, how soon a frame of a station is seen, and how a board of a thousand stations moves."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Any

import pytest
import pytest_asyncio
from browser_stage import Come, Person, in_browser, online, reserved, serving, settled, signed_link, world
from playwright.async_api import expect

from csms import ADMIN_KEY, Csms
from evhold.simulator.client import SimulatedStation
from evhold.simulator.options import StationOptions

pytestmark = in_browser("b")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def csms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A server of this file alone: a thousand stations are enough."""
    async with serving(tmp_path_factory.mktemp("csms")) as server:
        yield server


MANY = 1000
CHANGES_A_SECOND = 100
SECONDS = 5
# The first paint with anything in it, the largest part of it, and all that came over the wire meanwhile.
COST = """async () => {
  const largest = await new Promise(done => {
    new PerformanceObserver(list => done(list.getEntries().at(-1).startTime))
      .observe({type: 'largest-contentful-paint', buffered: true});
    setTimeout(() => done(null), 1000);
  });
  const [document_] = performance.getEntriesByType('navigation');
  const loaded = [document_, ...performance.getEntriesByType('resource')];
  return {first: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null, largest,
    requests: loaded.length, bytes: loaded.reduce((sum, one) => sum + one.transferSize, 0),
    unpacked: loaded.reduce((sum, one) => sum + one.decodedBodySize, 0)};
}"""
# When the text under an element changed, told after the frame that shows it: milliseconds since 1970.
WATCH_TEXT = """([element, wanted]) => {
  window.seen = new Promise(done => {
    const look = () => element.textContent.includes(wanted) && (observer.disconnect(), requestAnimationFrame(() => {
      const {port1, port2} = new MessageChannel();
      port1.onmessage = () => done(performance.timeOrigin + performance.now());
      port2.postMessage(0);
    }));
    const observer = new MutationObserver(look);
    observer.observe(element, {subtree: true, childList: true, characterData: true, attributes: true});
  });
}"""
WATCH_FRAMES = """() => {
  const told = window.told = {frames: [], tasks: [], changes: 0};
  let last = performance.now();
  const step = now => { told.frames.push(now - last); last = now; told.on && requestAnimationFrame(step); };
  told.on = true;
  requestAnimationFrame(now => { last = now; requestAnimationFrame(step); });
  new PerformanceObserver(list => list.getEntries().forEach(one => told.tasks.push(one.duration)))
    .observe({type: 'longtask'});
  new MutationObserver(list => { told.changes += list.length; })
    .observe(document.querySelector('main'), {subtree: true, childList: true, characterData: true, attributes: true});
}"""


def part(numbers: list[float], share: float) -> float:
    """The number that so large a share of them does not exceed."""
    return sorted(numbers)[min(len(numbers) - 1, int(len(numbers) * share))]


async def test_every_page_is_small_and_soon_there(come: Come, csms: Csms) -> None:
    """A first visit with an empty cache costs under 250 kB and 70 requests, and shows content; how soon is printed."""
    async with online(csms, "M-01", connector_types=("cCCS2", "cType2")):
        made = await reserved(csms, "M-01", evseId=1, seconds=1800)
        link = await signed_link(csms, made["id"])
        pages = {
            "board": "/",
            "reservations": "/reservations",
            "one reservation": f"/reservations/{made['id']}",
            "timeline": "/timeline",
            "figures": "/figures",
            "station": "/stations/M-01",
            "tokens": "/tokens",
            "webhooks": "/webhooks",
            "driver": link,
        }
        print("page                requests   bytes  unpacked  first content  largest content")
        for name, path in pages.items():
            person: Person = await come(key=None if name == "driver" else ADMIN_KEY)
            page = await person.open(path)
            await settled(page)
            cost = await page.evaluate(COST)
            print(
                f"{name:18} {cost['requests']:9d} {cost['bytes']:7d} {cost['unpacked']:9d} "
                f"{cost['first'] or 0:11.0f} ms {cost['largest'] or 0:13.0f} ms"
            )
            assert cost["bytes"] < 250_000
            assert cost["requests"] < 70
            assert cost["first"] is not None
            await person.context.close()


async def test_a_frame_of_a_station_is_seen_at_once(come: Come, csms: Csms) -> None:
    """From the moment a station sends StatusNotification to the frame that shows it; the median is printed."""
    async with online(csms, "M-02", evses=1) as station:
        page = await (await come()).open("/")
        element = await page.get_by_role("listitem").filter(has_text="M-02").first.element_handle()
        latencies = []
        for wanted in ["Occupied", "Available"] * 10:
            await page.evaluate(WATCH_TEXT, [element, wanted])
            sent = time.time()
            await (station.plug_in(1) if wanted == "Occupied" else station.unplug(1))
            latencies.append(await page.evaluate("window.seen") - sent * 1000)
        low, high = min(latencies), max(latencies)
        print(f"station frame to changed pixel: median {median(latencies):.0f} ms, {low:.0f} to {high:.0f} ms")
        assert len(latencies) == 20


@asynccontextmanager
async def crowd(csms: Csms, *, count: int) -> AsyncIterator[list[SimulatedStation]]:
    """So many stations with two EVSEs each, all online."""
    outside = world()
    options = [StationOptions(station_id=f"K-{n:04d}", remember=5) for n in range(1, count + 1)]
    stations = [SimulatedStation(csms.stations, one, world=outside) for one in options]
    async with AsyncExitStack() as stack:
        for start in range(0, count, 50):
            group = stations[start : start + 50]
            for one in group:
                await stack.enter_async_context(one)
            await asyncio.gather(*(one.online(timeout_s=60) for one in group))
        await asyncio.gather(*(one.wait_for("GetVariables", timeout_s=60) for one in stations))
        await asyncio.gather(*(one.settled(timeout_s=60) for one in stations))
        yield stations


async def stir(stations: list[SimulatedStation], *, rate: int, seconds: int) -> int:
    """Cars come and go at random stations, so many changes of status a second; return how many there were."""
    chance, loop = random.Random(2), asyncio.get_running_loop()
    begin, done = loop.time(), 0
    async with asyncio.TaskGroup() as group:
        while (passed := loop.time() - begin) < seconds:
            for _ in range(int(passed * rate) - done):
                station = chance.choice(stations)
                evse_id = chance.choice((1, 2))
                plugged = station.evse(evse_id).plugged is not None
                group.create_task(station.unplug(evse_id) if plugged else station.plug_in(evse_id))
                done += 1
            await asyncio.sleep(1 / rate)
    return done


async def test_a_board_of_a_thousand_stations_stays_fluid(come: Come, csms: Csms) -> None:
    """While 100 connectors a second change their status every change is shown; the times of the frames are printed."""
    async with crowd(csms, count=MANY) as stations:
        page = await (await come()).open("/")
        # By its address: a search by role would look at the style of every element, and take longer than the page.
        await page.locator(f"a[href$='/{stations[-1].id}']").first.wait_for(state="attached", timeout=60_000)
        shown_s = await page.evaluate("performance.now()") / 1000
        await page.evaluate(WATCH_FRAMES)
        changes = await stir(stations, rate=CHANGES_A_SECOND, seconds=SECONDS)
        told: dict[str, Any] = await page.evaluate("() => { told.on = false; return told; }")
        frames, tasks = told["frames"], told["tasks"]
        print(f"board of {MANY} stations shown after {shown_s:.1f} s; {changes} status changes in {SECONDS} s:")
        print(
            f"  frames: median {median(frames):.1f} ms, 95 % within {part(frames, 0.95):.1f} ms, "
            f"longest {max(frames):.0f} ms; {len(frames) / SECONDS:.0f} frames a second"
        )
        print(f"  tasks over 50 ms: {len(tasks)}, longest {max(tasks, default=0):.0f} ms; {told['changes']} mutations")
        busy = sum(one.evse(n).plugged is not None for one in stations for n in (1, 2))
        await expect(page.locator("button", has_text="Occupied").first).to_contain_text(str(busy))
