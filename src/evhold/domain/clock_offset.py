"""How far a station's clock is from ours, learned from the stamps of what it sends live."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Final

KEPT: Final = 6
AGREEMENT: Final = timedelta(seconds=2)
WORTH_STORING: Final = timedelta(seconds=5)


def with_sample(samples: Sequence[timedelta], sample: timedelta) -> tuple[timedelta, ...]:
    """The last few samples, this one among them. A sample is a message's stamp minus the time of its arrival."""
    return (*samples[1 - KEPT :], sample)


def estimate(samples: Sequence[timedelta]) -> timedelta | None:
    """The station's clock minus ours, or None while no two samples agree.

    A message that waited on its way, or in the station's queue, makes a sample too small, never too great: the greatest
    one is the best, if another bears it out (a single stamp may be anything).
    """
    if len(samples) < 2:
        return None
    falling = sorted(samples, reverse=True)
    # Mostly the first two agree.
    if falling[0] - falling[1] <= AGREEMENT:
        return falling[0]
    for greater, smaller in pairwise(falling):
        if greater - smaller <= AGREEMENT:
            return greater
    return None


def bears_out(offset: timedelta | None, sample: timedelta) -> bool:
    """Whether a sample says nothing new of a clock that is known."""
    return offset is not None and abs(sample - offset) <= AGREEMENT


def moved(before: timedelta | None, now: timedelta) -> bool:
    """Whether the offset is worth storing anew; unknown is as good as none."""
    return abs(now - before if before is not None else now) > WORTH_STORING
