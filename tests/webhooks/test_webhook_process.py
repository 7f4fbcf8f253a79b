"""A real server process with webhooks: killed between commit and delivery, and told from the terminal."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook as Judge
from webhook_stage import Receiver

from csms import OPEN, QUICK, Csms

pytestmark = pytest.mark.process


@pytest.fixture
async def csms(tmp_path: Path) -> AsyncIterator[Csms]:
    """Started, and allowed to call loopback."""
    made = await Csms(tmp_path, options=(*QUICK, *OPEN, "--webhook-allow", "127.0.0.0/8")).start()
    yield made
    await made.close()


async def add(csms: Csms, url: str, *events: str) -> dict[str, object]:
    """POST /webhooks."""
    answer = await csms.request("POST", "/webhooks", json={"url": url, "events": events or ["*"]})
    assert answer.status_code == 201, answer.text
    made: dict[str, object] = answer.json()
    return made


async def test_a_kill_between_commit_and_delivery_loses_nothing(csms: Csms, receiver: Receiver) -> None:
    """What was committed while the target hung is told after the next start, with its old id, and judged good."""
    receiver.answers["a"] = "hang"
    hook = await add(csms, receiver.url("a"), "station.*")
    await csms.request("PUT", "/stations/CS1", json={})
    simulator = await simulated(csms)
    (first,) = await receiver.until_count("a", 1)
    await csms.kill()
    await ended(simulator)
    receiver.answers["a"] = 200
    await csms.start()
    await receiver.until(lambda: any(one.id == first.id for one in receiver.at("a")[1:]))
    again = next(one for one in receiver.at("a")[1:] if one.id == first.id)
    assert again.body == first.body
    Judge(str(hook["secret"])).verify(again.body, again.headers)


async def simulated(csms: Csms) -> asyncio.subprocess.Process:
    """A station that is online."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "evhold", "simulate", "--url", csms.stations, "--stations", "1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while b"online" not in await process.stdout.readline():
            pass
    return process


async def ended(process: asyncio.subprocess.Process) -> None:
    """It is gone."""
    process.terminate()
    await process.communicate()


async def test_the_terminal_provisions_and_a_running_server_sees_it(csms: Csms, receiver: Receiver) -> None:
    """add, test, list, secret, deliveries, remove; the server tells the new webhook without being told of it."""
    made = json.loads(await run(csms, "add", receiver.url("a"), "--event", "station.*", "--json"))
    assert made["secret"].startswith("whsec_")
    assert "answered 204" in await run(csms, "test", "1")
    assert receiver.at("a")[0].json["type"] == "webhook.test"
    Judge(made["secret"]).verify(receiver.at("a")[0].body, receiver.at("a")[0].headers)
    simulator = await simulated(csms)
    await receiver.until_count("a", 2)
    assert receiver.at("a")[1].json["type"] == "station.online"
    assert json.loads(await run(csms, "list", "--json"))[0]["state"] == "enabled"
    while json.loads(await run(csms, "deliveries", "1", "--json"))[-1]["state"] != "delivered":
        pass
    assert (await run(csms, "secret", "1")).startswith("whsec_")
    assert "removed" in await run(csms, "remove", "1")
    assert "there is no webhook 1" in await run(csms, "remove", "1", code=1)
    await ended(simulator)


async def run(csms: Csms, *arguments: str, code: int = 0) -> str:
    """`evhold webhook ...` on the server's database."""
    allow = ("--webhook-allow", "127.0.0.0/8") if arguments[0] in ("add", "test") else ()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "evhold", "webhook", *arguments, *allow, "--database", f"sqlite:///{csms.database}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={name: value for name, value in os.environ.items() if not name.startswith("EVHOLD_")},
        cwd=csms.folder,
    )
    told, _ = await process.communicate()
    assert process.returncode == code, told.decode()
    return told.decode()


async def test_an_app_and_a_driver_are_told_of_a_whole_life(tmp_path: Path, receiver: Receiver) -> None:
    """Accepted, expiring, expired to the app, in order; the driver is told too, with a link that works."""
    options = (*QUICK, *OPEN, "--webhook-allow", "127.0.0.0/8", "--expiring-before", "3")
    csms = await Csms(tmp_path, options=options).start()
    try:
        await add(csms, receiver.url("app"), "reservation.*")
        simulator = await simulated(csms)
        address = f"json://127.0.0.1:{receiver.port}/driver"
        answer = await csms.reserve("SIM1", seconds=6, evseId=1, driverLink=True, notify=[address])
        assert answer.status_code == 201, answer.text
        assert "notify" not in answer.json()
        await receiver.until_count("app", 3)
        names = [one.json["type"] for one in receiver.at("app")]
        assert names == ["reservation.accepted", "reservation.expiring", "reservation.expired"]
        texts = [one.json for one in await receiver.until_count("driver", 3)]
        assert [one["title"] for one in texts] == [
            "Your charger is reserved",
            "Your reservation ends soon",
            "Your reservation has ended",
        ]
        link = texts[0]["message"].splitlines()[-1]
        assert link == answer.json()["driverLink"]
        assert (await csms.http.get(link)).status_code == 200
        bad = await csms.reserve("SIM1", evseId=2, notify=["syslog://"])
        assert (bad.status_code, bad.json()["errors"][0]["field"]) == (400, "notify")
        await ended(simulator)
    finally:
        await csms.close()
