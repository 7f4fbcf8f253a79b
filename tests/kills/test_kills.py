"""The server is killed at random moments, under load, with real sockets and a real file: nothing acknowledged is lost."""

import os
import random
import time

import pytest
from kills_load import Load, free_port, stations_of
from kills_memory import check_database

from csms import Csms

KILLS = 50 if os.environ.get("EVHOLD_SOAK") else 10
#: Another one is tried with EVHOLD_KILL_SEED; what the machine's timing adds cannot be replayed.
SEED = int(os.environ.get("EVHOLD_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)

pytestmark = pytest.mark.process


async def live_and_die(load: Load, kills: int) -> None:
    """Killed so many times: at work, while settling what the last life left open, or while starting."""
    for _ in range(kills):
        moment = load.rng.random()
        if moment < 0.2:
            await load.kill(after_s=load.rng.uniform(0, 0.5))
            await load.die_at_start(after_s=load.rng.uniform(0, 1.5))
        else:
            await load.kill(after_s=load.rng.uniform(0.1, 1.0))
        await load.start()
        await load.check()
        left = set(await load.stored("&status=Pending&status=Unconfirmed"))
        load.memory.counts["left open by a kill"] += len(left)
        if moment > 0.6:
            await load.until_settled(left)


async def test_killed_at_random_moments_it_loses_nothing(tmp_path, capsys):
    """Every acknowledged message is there after every start, every reservation settles, and stations agree at the end."""
    began = time.monotonic()
    rng = random.Random(SEED)
    api, stations = free_port(rng), free_port(rng)
    csms = Csms(tmp_path, api=f"http://127.0.0.1:{api}", stations=f"ws://127.0.0.1:{stations}/ocpp")
    await csms.start()
    try:
        async with stations_of(csms) as online:
            load = Load(csms, online, rng=rng)
            try:
                async with load.running():
                    await live_and_die(load, KILLS)
                for station in online:
                    await station.online(timeout_s=20)
                await load.until_settled()
                await load.until_agreed()
                await load.check()
            finally:
                report(load, capsys, seconds=time.monotonic() - began)
            stored = await load.stored()
            load.memory.check_uses(stored)
        await csms.stop()
        check_database(csms.database, stored)
        assert load.memory.counts["kills"] >= KILLS
        assert "Traceback" not in "\n".join(csms.output)
    finally:
        await csms.close()


def report(load: Load, capsys: pytest.CaptureFixture[str], *, seconds: float) -> None:
    """What happened, in numbers, whatever became of it."""
    counts = load.memory.counts
    counts["statuses acknowledged"] = sum(one.told_statuses for one in load.memory.heard)
    counts["TransactionEvents acknowledged"] = sum(len(one.events) for one in load.memory.heard)
    with capsys.disabled():
        print(f"\nkills: seed {SEED}, {seconds:.0f} s")
        for name, count in sorted(counts.items()):
            print(f"  {count:6d} {name}")
