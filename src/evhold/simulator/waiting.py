"""Waiting for conditions and for messages, with a reproach when they do not come."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from evhold.simulator.conversation import Message

Condition = Callable[[], bool]


class Waiters:
    """Those who wait for something to become true, and the messages that nobody has asked for yet.

    Args:
        remember: Messages kept by action; the oldest is forgotten first.
    """

    def __init__(self, *, remember: int) -> None:
        self._remember = remember
        self._messages: dict[str, deque[Message]] = {}
        self._waiting: list[tuple[Condition, asyncio.Future[None]]] = []

    def add(self, messages: Iterable[Message]) -> None:
        """Keep messages for who asks."""
        for message in messages:
            self._queue(message.action).append(message)

    def wake(self) -> None:
        """Let those go on whose condition is true now."""
        for waiter in [one for one in self._waiting if one[0]()]:
            self._waiting.remove(waiter)
            if not waiter[1].done():
                waiter[1].set_result(None)

    def fail(self, error: BaseException) -> None:
        """Let all of them fail: what they wait for cannot come any more."""
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(error)

    async def message(self, action: str, *, timeout_s: float, reproach: str) -> Message:
        """The oldest message of the action that was not returned before; TimeoutError with the reproach."""
        queue = self._queue(action)
        await self.until(lambda: bool(queue), timeout_s=timeout_s, reproach=reproach)
        return queue.popleft()

    async def until(self, condition: Condition, *, timeout_s: float, reproach: str) -> None:
        """Return once the condition is true; TimeoutError with the reproach."""
        if condition():
            return
        waiter = (condition, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter[1]
        except TimeoutError as error:
            raise TimeoutError(reproach) from error
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def _queue(self, action: str) -> deque[Message]:
        if action not in self._messages:
            self._messages[action] = deque(maxlen=self._remember)
        return self._messages[action]
