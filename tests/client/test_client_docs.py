"""The client against a real server with a simulated station; and every example of docs/client.md, run as it stands."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from csms import ADMIN_KEY, OPEN, Csms
from evhold.client.aio import AsyncEvhold
from evhold.client.api import Evhold
from evhold.client.requests import Refused, Terms
from evhold.client.types import Status

pytestmark = pytest.mark.process
PAGE = Path(__file__).resolve().parents[2] / "docs" / "client.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
async def csms(tmp_path: Path) -> AsyncIterator[Csms]:
    """A server, and station CS1 with two EVSEs online."""
    made = await Csms(tmp_path, options=(*OPEN, "--call-timeout", "5")).start()
    station = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "evhold", "simulate", "--url", made.stations, "--prefix", "CS"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await made.until_online("CS1")
    await made.until_connectors("CS1", {(1, 1): "Available", (2, 1): "Available"})
    yield made
    station.terminate()
    await station.wait()
    await made.close()


def terms(evse_id: int = 1) -> Terms:
    """For half an hour."""
    return Terms(
        station_id="CS1", evse_id=evse_id, id_token="AABBCCDD", until=datetime.now(UTC) + timedelta(minutes=30)
    )


async def test_the_examples_of_the_page_run(csms: Csms) -> None:
    """One after the other, each in a Python of its own, and say what the page lets expect."""
    told = [await run(csms, example) for example in EXAMPLES]
    assert len(told) == 3
    assert told[0].splitlines()[0].startswith("Active until ")
    assert told[0].splitlines()[1] == "Canceled requested"
    assert [line.split()[0] for line in told[1].splitlines()][:2] == ["reservation.accepted", "reservation.canceled"]
    assert told[2].splitlines() == ["Active True", "Canceled"]


async def run(csms: Csms, example: str) -> str:
    """What the example prints; the second one needs a third event, which is made while it waits."""
    program = f"URL, KEY = {csms.api!r}, {ADMIN_KEY!r}\n{example}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    if "first_three" in example:
        made = (await csms.reserve("CS1", evseId=2)).json()
        await csms.request("DELETE", f"/reservations/{made['id']}")
    told, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, told.decode()
    return told.decode()


async def test_the_outcome_is_waited_for(csms: Csms) -> None:
    """A request that does not wait gets a Pending one, and its outcome by the stream."""
    async with AsyncEvhold(csms.api, ADMIN_KEY) as evhold:
        placed = await evhold.reserve(terms(), wait_s=0)
        async with asyncio.timeout(20):
            held = await evhold.outcome(placed)
        assert (held.id, held.status) == (placed.id, Status.ACTIVE)
        with pytest.raises(Refused) as caught:
            await evhold.reserve(terms())
        assert (caught.value.status, caught.value.name) == (409, "evse-already-reserved")
        wanted = terms(2)
        again = [await evhold.reserve(wanted, idempotency_key="x") for _ in range(2)]
        assert again[0].id == again[1].id


async def test_watching_goes_on_over_a_restart(csms: Csms) -> None:
    """What was told while nobody was there comes, once, in order."""
    seen: list[tuple[str, int]] = []
    async with AsyncEvhold(csms.api, ADMIN_KEY) as evhold, asyncio.timeout(60):
        async for event in evhold.watch("reservation.*"):
            if event.name == "open":
                first = await evhold.reserve(terms())
            elif event.reservation is not None:
                seen.append((event.name, event.reservation.id))
                if len(seen) == 1:
                    await csms.stop()
                    await csms.start()
                    await csms.until_online("CS1")
                    await evhold.cancel(first.id)
                else:
                    break
    assert seen == [("reservation.accepted", first.id), ("reservation.canceled", first.id)]


async def test_a_wrong_key_is_refused_at_once(csms: Csms) -> None:
    """Also by the stream, in both clients."""
    async with AsyncEvhold(csms.api, "evh_wrong-key-of-nobody") as evhold:
        with pytest.raises(Refused) as caught:
            await anext(evhold.watch())
        assert caught.value.name == "unauthorized"

    def plainly() -> str:
        with Evhold(csms.api, "evh_wrong-key-of-nobody") as evhold, pytest.raises(Refused) as caught:
            next(evhold.watch())
        return caught.value.name

    assert await asyncio.to_thread(plainly) == "unauthorized"
