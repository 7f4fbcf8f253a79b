"""`python tests/fuzz`: so many inputs, or so many seconds of them; what breaks something is kept under tests/fuzz/found.

Coverage-guided runs need atheris, which is there for Linux; elsewhere the mutations run alone, and that is said.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import re
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import structlog
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fuzz_mutate import FOUND, Mutator, found
from fuzz_target import Broken, Target, stored, wire

MIB = 1024 * 1024
#: What a process may hold more at the end than after the first tenth.
GROWTH_MIB = 16


async def run(target: Target, *, name: str, inputs: int, seed: int) -> int:
    """Throw so many; return how many broke something."""
    process, broken, begun, first = psutil.Process(), 0, time.monotonic(), 0
    mutator = Mutator(seed)
    for data in found():
        await target.throw(data)
    for number in range(inputs):
        data = mutator.one()
        try:
            await target.throw(data)
        except (Broken, Exception) as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            broken += 1
            path = FOUND / f"{hashlib.sha256(data).hexdigest()[:12]}.bin"
            path.write_bytes(data)
            print(f"fuzz: {name}: {type(error).__name__}: {error}\n  kept in {path}", flush=True)
            if broken >= 10:
                break
        if number == inputs // 10:
            first = process.memory_info().rss
    grown = (process.memory_info().rss - first) / MIB
    if grown > GROWTH_MIB:
        broken += 1
        print(f"fuzz: {name}: memory grew by {grown:.1f} MiB")
    print(
        f"fuzz: {name}: {target.inputs} inputs, {target.calls} of them CALLs, all answered; {target.sessions} sessions; "
        f"{broken} broke something; grown {grown:.1f} MiB; {time.monotonic() - begun:.0f} s (seed {seed})",
        flush=True,
    )
    return broken


async def mutations(given: argparse.Namespace) -> int:
    """Both targets."""
    broken = await run(wire(), name="wire", inputs=given.inputs, seed=given.seed)
    with tempfile.TemporaryDirectory(prefix="evhold-fuzz-") as folder:
        async with stored(Path(folder)) as target:
            broken += await run(target, name="database", inputs=given.stored, seed=given.seed)
    return broken


def guided(runs: int) -> int:
    """By coverage, in a process of its own: atheris instruments what it imports, and never comes back."""
    if find_spec("atheris") is None:
        print("fuzz: guided: atheris is not there (it is installed on Linux): left out")
        return 0
    with tempfile.TemporaryDirectory(prefix="evhold-corpus-") as corpus:
        mutator = Mutator(1)
        for number in range(300):
            (Path(corpus) / f"{number}.bin").write_bytes(mutator.one())
        command = [sys.executable, str(Path(__file__).with_name("fuzz_guided.py")), f"-runs={runs}", corpus]
        done = subprocess.run(
            [*command, f"-artifact_prefix={FOUND}/", "-verbosity=0", "-print_final_stats=1"],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            print(done.stderr[-4000:])
        kept = len(list(Path(corpus).iterdir()))
    ran = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    print(
        f"fuzz: guided: {ran[1] if ran else 'unknown'} of {runs} inputs run, {kept} kept for the code that they reach "
        f"(300 at first), exit code {done.returncode}"
    )
    return int(done.returncode != 0)


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=200_000, help="for the way in and out")
    parser.add_argument("--stored", type=int, default=2_000, help="for the use cases with their database")
    parser.add_argument("--guided", type=int, default=50_000, help="by coverage")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    FOUND.mkdir(exist_ok=True)
    return 1 if uvloop.run(mutations(given)) + guided(given.guided) else 0


if __name__ == "__main__":
    sys.exit(main())
