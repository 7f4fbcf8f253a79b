"""Somebody who follows a node's events, comes back after every break, and remembers what came."""

from __future__ import annotations

import asyncio

import httpx

from csms import ADMIN_KEY

PAUSE_S = 0.1
WANTED = "reservation.*,connector.status,station.*"


class Follower:
    """One node's stream, from the first event on."""

    def __init__(self, api: str) -> None:
        self.api = api
        self.ids: list[int] = []
        self.breaks = 0
        self.gaps = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """It follows, for ever."""
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """It follows no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _follow(self) -> None:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with httpx.AsyncClient(trust_env=False, timeout=httpx.Timeout(5, read=None)) as client:
            while True:
                after = {"Last-Event-ID": str(self.ids[-1] if self.ids else 0)}
                url = f"{self.api}/api/v1/events"
                try:
                    async with client.stream("GET", url, params={"name": WANTED}, headers=headers | after) as answer:
                        async for line in answer.aiter_lines():
                            self._take(line)
                except httpx.HTTPError:
                    pass
                self.breaks += 1
                await asyncio.sleep(PAUSE_S)

    def _take(self, line: str) -> None:
        if line.startswith("id:"):
            self.ids.append(int(line[3:]))
        elif line == "event: gap":
            self.gaps += 1
