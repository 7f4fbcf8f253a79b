"""Deterministic simulation: whatever dies, is lost, comes late or twice, CSMS and stations agree in the end.

``EVHOLD_SIM_SEED=7`` with ``-k chosen -s`` runs that seed and prints its trace; so does ``python tests/simulation/simulate.py --seed 7``.
With ``EVHOLD_SOAK=1`` it is a hundred times as many seeds.
"""

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from simulate import Outcome, simulate

CHOSEN = os.environ.get("EVHOLD_SIM_SEED")
SEEDS = 100_000 if os.environ.get("EVHOLD_SOAK") else 1_000
CHUNK = 500 if os.environ.get("EVHOLD_SOAK") else 25
#: A run of several nodes takes five times as long as one of one node.
CLUSTERS = 5_000 if os.environ.get("EVHOLD_SOAK") else 75
SHOWN = 60


def report(failed: list[Outcome]) -> str:
    """What went wrong, and how to see it again."""
    lines: list[str] = []
    for outcome in failed:
        lines += [f"seed {outcome.seed}: {one}" for one in outcome.violations]
    first = failed[0]
    trace = simulate(first.seed, nodes=first.nodes, trace=True).trace
    lines += [f"replay: python tests/simulation/simulate.py --seed {first.seed} --nodes {first.nodes}", *trace[-SHOWN:]]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def excused() -> Iterator[Counter[str]]:
    """What was excused, printed at the end."""
    counts: Counter[str] = Counter()
    yield counts
    for excuse, count in counts.most_common():
        print(f"excused {count} times: {excuse}")


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_after_any_storm_csms_and_stations_agree(first: int, excused: Counter[str]) -> None:
    """Crashes, cuts, stalls, reboots, wrong clocks and races, and no promise is broken."""
    check([simulate(seed) for seed in range(first, first + CHUNK)], excused)


@pytest.mark.parametrize("first", range(0, CLUSTERS, CHUNK))
def test_after_any_storm_the_nodes_of_a_cluster_agree(first: int, excused: Counter[str]) -> None:
    """Two or three nodes that die, freeze and are cut off, stations that move: no promise is broken either."""
    check([simulate(seed, nodes=2 + seed % 2) for seed in range(first, first + CHUNK)], excused)


def check(outcomes: list[Outcome], excused: Counter[str]) -> None:
    """No seed failed."""
    for outcome in outcomes:
        excused.update(outcome.excused)
    failed = [outcome for outcome in outcomes if outcome.violations]
    assert not failed, report(failed)


if CHOSEN is not None:

    def test_the_chosen_seed() -> None:
        """EVHOLD_SIM_SEED: that one, with its whole trace."""
        outcome = simulate(int(CHOSEN), trace=True)
        print("\n".join(outcome.trace))
        assert not outcome.violations


@pytest.mark.parametrize(("seed", "nodes"), [(3, 1), (14, 1), (5, 3)])
def test_a_seed_replays_exactly(seed: int, nodes: int) -> None:
    """The same seed gives the same run, frame by frame and step by step."""
    one, other = simulate(seed, nodes=nodes, trace=True), simulate(seed, nodes=nodes, trace=True)
    assert one.trace == other.trace
    assert one.steps == other.steps


def test_the_storms_are_worth_their_name() -> None:
    """Some seeds together kill the CSMS often, and reach most rows of the transition table."""
    outcomes = [simulate(seed) for seed in range(40)]
    rows: Counter[int] = Counter()
    for outcome in outcomes:
        rows.update(outcome.rows)
    assert sum(outcome.lives - 1 for outcome in outcomes) >= 20
    assert len(rows) >= 25
