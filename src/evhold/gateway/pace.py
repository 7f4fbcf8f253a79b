"""How many may come in a second: a bucket that fills at a steady rate."""

from collections.abc import Callable


class Pace:
    """Lets through a second's worth at once, and after that ``per_second``.

    Args:
        per_second: Above zero.
        now: Seconds that only grow.
    """

    def __init__(self, per_second: float, *, now: Callable[[], float]) -> None:
        self._per_second = per_second
        self._most = max(per_second, 1.0)
        self._now = now
        self._left = self._most
        self._at = now()

    def takes(self) -> bool:
        """Whether one more may come now."""
        now = self._now()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
