"""How many may come in a second."""

from evhold.gateway.pace import Pace


def test_a_seconds_worth_comes_at_once_and_then_as_many_a_second() -> None:
    """What was not used is not saved up for longer."""
    now = 100.0
    pace = Pace(10, now=lambda: now)
    assert [pace.takes() for _ in range(12)].count(True) == 10
    now += 0.5
    assert [pace.takes() for _ in range(12)].count(True) == 5
    now += 60
    assert [pace.takes() for _ in range(12)].count(True) == 10
