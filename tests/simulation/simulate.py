"""Runs seeds of the simulation; ``python tests/simulation/simulate.py --seed 7`` shows one with its whole trace."""

import argparse
import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

import sim_checks
from sim_plants import CLUSTER_PLANTS, PLANTS
from sim_play import Play


@dataclass(slots=True)
class Outcome:
    """What came of one seed."""

    seed: int
    nodes: int = 1
    violations: list[str] = field(default_factory=list)
    excused: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    rows: Counter[int] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    steps: int = 0
    lives: int = 0


def simulate(seed: int, *, nodes: int = 1, trace: bool = False) -> Outcome:
    """One run, checked in the calm after the storm and after the last expiry; the same seed gives the same outcome."""
    play = Play(seed, nodes=nodes, trace=trace)
    outcome = Outcome(seed, nodes)
    with play.site.in_charge():
        play.storm()
        play.calm()
        book = sim_checks.Book(play)
        if sim_checks.is_behind(book):
            # An order that nobody answers was repeated at this very moment: its event is told in the next.
            play.wait(1.0)
            book = sim_checks.Book(play)
        outcome.violations += sim_checks.calm(book, outcome.excused)
        latest = max((known.expiry for known in book.reservations), default=play.world.now)
        play.end(latest + timedelta(seconds=300))
        book = sim_checks.Book(play)
        outcome.violations += sim_checks.final(book, outcome.excused)
    play.site.kill()
    outcome.states.update(known.phase.value for known in book.reservations)
    outcome.rows.update(row.row for rows in book.history.values() for row in rows)
    outcome.trace = play.world.trace or []
    outcome.steps, outcome.lives = play.world.steps, play.site.lives
    return outcome


def main() -> int:
    """Print the violations of a range of seeds, or one seed with its trace."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, help="one seed, with its trace")
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--count", type=int, default=100)
    options.add_argument("--nodes", type=int, default=1, help="how many nodes the CSMS has")
    options.add_argument("--plant", choices=sorted(PLANTS | CLUSTER_PLANTS), help="with one bug planted")
    options.add_argument("--stop", type=int, default=20, help="after so many failing seeds")
    chosen = options.parse_args()
    with (PLANTS | CLUSTER_PLANTS)[chosen.plant]() if chosen.plant else nullcontext():
        if chosen.seed is None:
            return bool(_range(chosen))
        outcome = simulate(chosen.seed, nodes=chosen.nodes, trace=True)
        print("\n".join([*outcome.trace, *(f"VIOLATION {one}" for one in outcome.violations)]))
        return bool(outcome.violations)


def _range(chosen: argparse.Namespace) -> int:
    excused: Counter[str] = Counter()
    states: Counter[str] = Counter()
    rows: Counter[int] = Counter()
    failed = 0
    for seed in range(chosen.first, chosen.first + chosen.count):
        outcome = simulate(seed, nodes=chosen.nodes)
        excused += outcome.excused
        states += outcome.states
        rows += outcome.rows
        if outcome.violations:
            failed += 1
            print(seed, *outcome.violations[:3], sep="\n    ")
        if failed >= chosen.stop:
            break
    print(f"{failed} failed; {dict(states)}\nrows {dict(sorted(rows.items()))}\nexcused {dict(excused)}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
