"""The simulation finds bugs: five are planted, one at a time, and each is caught."""

import pytest
from sim_plants import PLANTS
from simulate import simulate

PATIENCE = 1_000


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_a_planted_bug_is_caught(name: str) -> None:
    """Within a thousand seeds, of which the one that catches it is clean without the bug."""
    caught = None
    with PLANTS[name]():
        for seed in range(PATIENCE):
            if simulate(seed).violations:
                caught = seed
                break
    assert caught is not None, f"{name} was not found in {PATIENCE} seeds"
    print(f"{name}: caught by seed {caught}")
    assert simulate(caught).violations == []
