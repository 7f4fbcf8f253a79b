"""A short run of the fuzzer, and every input that broke something once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fuzz_mutate import FOUND, Mutator, found
from fuzz_target import Broken, stored, wire

HERE = Path(__file__).resolve().parent


async def test_what_broke_something_once_does_no_more(tmp_path: Path) -> None:
    """Every input that was found, over nothing and over a database."""
    target = wire()
    async with stored(tmp_path) as behind:
        for data in found():
            await target.throw(data)
            await behind.throw(data)
    assert target.inputs == len(list(FOUND.glob("*.bin")))


async def test_no_answer_and_two_answers_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer can fail: a fault of ours, and an answer that is told twice, are each Broken."""
    target = wire()
    await target.throw(b'[2,"1","Heartbeat",{}]')
    route = target._version.routes["Heartbeat"]

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(target._version.routes, "Heartbeat", replace(route, handle=fails))
    with pytest.raises(Broken, match="fault of ours"):
        await target.throw(b'[2,"2","Heartbeat",{}]')
    target._peer.sent = [b'[3,"3",{}]', b'[3,"3",{}]']
    with pytest.raises(Broken, match="2 times"):
        target._check("3")


def test_the_same_seed_makes_the_same_inputs() -> None:
    """What was found can be found again; and they are of many kinds."""
    first, second = Mutator(7), Mutator(7)
    made = [first.one() for _ in range(500)]
    assert made == [second.one() for _ in range(500)]
    assert len(set(made)) > 450


@pytest.mark.process
def test_a_short_run_breaks_nothing() -> None:
    """Mutations over nothing and over a database, and some by coverage where atheris is there; the counts are printed."""
    command = [sys.executable, str(HERE), "--inputs", "8000", "--stored", "400", "--guided", "1500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    print("\n".join(line for line in done.stdout.splitlines() if line.startswith("fuzz: ")))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
