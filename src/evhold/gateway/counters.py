"""What is counted on the way of every message: plain integers, read by whoever shows them."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal

BUCKETS_S: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(slots=True)
class Histogram:
    """How many answers took how long; ``counts[i]`` is for at most ``BUCKETS_S[i]`` seconds, the last for more."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total_s: float = 0.0

    def observe(self, seconds: float) -> None:
        """One more answer took ``seconds``."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total_s += seconds


@dataclass(slots=True)
class Counters:
    """One node's counts since its start.

    Args:
        calls: By (``in`` or ``out``, action, result); the result is ``ok``, an error code, ``no-answer`` or ``late``.
            An action that the version does not have is counted as ``unknown``, so that a peer cannot fill the table.
        seconds_to_answer: By action, of our CALLs that were answered in time.
        handshakes: By HTTP status.
        disconnects: By reason.
        refusals: By the limit that refused: ``connections-per-address``, ``messages-per-second`` and so on.
    """

    frames_in: int = 0
    frames_out: int = 0
    faults: int = 0
    calls: Counter[tuple[Literal["in", "out"], str, str]] = field(default_factory=Counter)
    seconds_to_answer: dict[str, Histogram] = field(default_factory=dict)
    handshakes: Counter[int] = field(default_factory=Counter)
    disconnects: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    def answered(self, action: str, *, seconds: float) -> None:
        """One of our CALLs was answered after ``seconds``."""
        self.seconds_to_answer.setdefault(action, Histogram()).observe(seconds)
