"""The simulation finds bugs: they are planted, one at a time, and each is caught."""

import pytest
from sim_plants import CLUSTER_PLANTS, PLANTS
from simulate import simulate

PATIENCE = 1_000
PLANTED = [*((name, 1) for name in sorted(PLANTS)), *((name, 3) for name in sorted(CLUSTER_PLANTS))]


@pytest.mark.parametrize(("name", "nodes"), PLANTED)
def test_a_planted_bug_is_caught(name: str, nodes: int) -> None:
    """Within a thousand seeds, of which the one that catches it is clean without the bug."""
    caught = None
    with (PLANTS | CLUSTER_PLANTS)[name]():
        for seed in range(PATIENCE):
            if simulate(seed, nodes=nodes).violations:
                caught = seed
                break
    assert caught is not None, f"{name} was not found in {PATIENCE} seeds"
    print(f"{name}: caught by seed {caught}")
    assert simulate(caught, nodes=nodes).violations == []
