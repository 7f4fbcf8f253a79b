"""The API of a real process, held against its own description by schemathesis."""

import asyncio
import os
import random
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from csms import ADMIN_KEY, OPEN, QUICK, Csms
from evhold.simulator.client import SimulatedStation
from evhold.simulator.options import StationOptions, World

HERE = Path(__file__).parent
# The streams never end.
LEFT_OUT = ("followEvents",)
#: The judge tries wrong keys by the hundred, and would be told to wait.
OPTIONS = (*QUICK, *OPEN, "--failed-logins", "1000000")
#: What is asked of something that is there, as often as one likes.
KNOWN = (
    *("showReservation", "showHistory", "createDriverLink", "showByLink"),
    *("showStation", "listMessages", "readCapabilities", "switchReservations", "listStationSecurityEvents"),
    *("showToken", "showWebhook", "rotateWebhookSecret", "listDeliveries"),
)


async def judged(server: Csms, config: Path, *options: str) -> None:
    """The judge has nothing to say."""
    judge = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
        *("run", f"{server.api}/openapi.json", "-H", f"Authorization: Bearer {ADMIN_KEY}", *options),
        *("--checks", "all"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "3", "--seed", "1", "--no-color"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=server.folder,
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
    )
    told, _ = await asyncio.wait_for(judge.communicate(), 120)
    assert judge.returncode == 0, told.decode(errors="replace")
    assert not any("web.fault" in line for line in server.output)


def listed(option: str, names: tuple[str, ...]) -> list[str]:
    """The option for each name."""
    return [word for name in names for word in (option, name)]


@pytest.mark.process
async def test_the_api_is_what_its_description_says(tmp_path: Path) -> None:
    """Statuses, headers, types and bodies of a thousand requests, good and bad, are those of /openapi.json; none is 500."""
    server = await Csms(tmp_path, options=OPTIONS).start()
    try:
        await judged(server, HERE / "schemathesis.toml", *listed("--exclude-operation-id", LEFT_OUT))
    finally:
        await server.close()


@pytest.mark.process
async def test_what_is_there_is_told_as_described(tmp_path: Path) -> None:
    """The bodies of a station that is online, its reservation, a token and a webhook are those of /openapi.json."""
    server = await Csms(tmp_path, options=OPTIONS).start()
    world = World(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()), rng=random.Random(1))
    try:
        async with SimulatedStation(server.stations, StationOptions(station_id="CS1"), world=world) as station:
            await station.online()
            await server.until_online("CS1")
            await server.request("PUT", "/tokens/ISO14443/AABBCCDD", json={"status": "Accepted"})
            await server.request(
                "POST", "/webhooks", json={"url": "https://example.org/", "events": ["station.offline"]}
            )
            made = (await server.reserve("CS1", evseId=1, seconds=3600, driverLink=True)).json()
            known = (HERE / "schemathesis_known.toml").read_text()
            known = known.replace("RESERVATION", str(made["id"])).replace("LINK", made["driverLink"].rpartition("/")[2])
            (tmp_path / "known.toml").write_text(known)
            await judged(server, tmp_path / "known.toml", *listed("--include-operation-id", KNOWN))
    finally:
        await server.close()
