"""How fast a lively site lives: quickly at first, so that there is something to look at, then as a person can follow."""

import asyncio
import random
from typing import Final

QUICK: Final = 0.06
QUICK_S: Final = 20.0
CALM_AFTER_S: Final = 70.0
GAP_S: Final = 1.6


class Pace:
    """Stretches times, and lets one thing happen after the other.

    Args:
        rng: Chance.
        scale: All times are multiplied by it; 1 is a demo for people.
    """

    def __init__(self, rng: random.Random, *, scale: float = 1.0) -> None:
        self.rng = rng
        self._scale = scale
        self._begun = asyncio.get_running_loop().time()
        self._next = 0.0
        self._turn = asyncio.Lock()

    def stretch(self) -> float:
        """What times are multiplied by that begin now: QUICK for the first seconds, growing to 1."""
        age_s = (asyncio.get_running_loop().time() - self._begun) / self._scale
        grown = (age_s - QUICK_S) / (CALM_AFTER_S - QUICK_S)
        return self._scale * (QUICK + (1 - QUICK) * min(max(grown, 0.0), 1.0))

    async def turn(self) -> None:
        """It is your turn: GAP_S have passed since somebody else's (less while all goes quickly), first come first served."""
        async with self._turn:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._next - loop.time()))
            self._next = loop.time() + GAP_S * self.stretch()

    async def rest(self, least_s: float, most_s: float, *, stretch: float | None = None) -> None:
        """Some time between these has passed, stretched as now or as said."""
        await asyncio.sleep(self.rng.uniform(least_s, most_s) * (self.stretch() if stretch is None else stretch))
