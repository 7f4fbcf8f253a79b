"""Work that outlives the request that began it."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from evhold.adapters.orders import TaskOrders
from evhold.domain.errors import ReservationUnknown
from evhold.usecases.ports import StorageAway


async def answer(gate: asyncio.Event) -> str:
    """Done when the gate opens."""
    await gate.wait()
    return "done"


async def fail(error: Exception) -> None:
    """Done at once, badly."""
    raise error


async def test_an_order_gives_its_result() -> None:
    """To whoever waits for it."""
    gate = asyncio.Event()
    gate.set()
    assert await TaskOrders().start(answer(gate), name="order") == "done"


async def test_a_client_that_goes_cancels_nothing() -> None:
    """The wait is cancelled, the work goes on and ends (Prefer: wait, and the client hangs up)."""
    orders, gate, ended = TaskOrders(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await gate.wait()
        ended.set()

    async def request() -> None:
        await orders.start(work(), name="order")

    client = asyncio.create_task(request())
    await asyncio.sleep(0)
    client.cancel()
    await asyncio.wait([client])
    gate.set()
    await orders.finish(timeout_s=5)

    assert ended.is_set()


@pytest.mark.parametrize(
    ("error", "level"),
    [(ZeroDivisionError(), "error"), (StorageAway("full"), "warning"), (ReservationUnknown(1), None)],
)
async def test_a_failed_order_harms_nobody_else(error: Exception, level: str | None) -> None:
    """It is logged there, unless it is a refusal that its caller has to tell; its siblings end well."""
    orders, gate = TaskOrders(), asyncio.Event()
    with structlog.testing.capture_logs() as logs:
        failing = orders.start(fail(error), name="failing")
        sibling = orders.start(answer(gate), name="sibling")
        with pytest.raises(type(error)):
            await failing
        gate.set()
        assert await sibling == "done"

    assert [entry["log_level"] for entry in logs] == ([] if level is None else [level])


async def test_finishing_has_a_time_limit() -> None:
    """What never ends is cancelled, and named in the log."""
    orders = TaskOrders()
    outcome = orders.start(answer(asyncio.Event()), name="endless")
    with structlog.testing.capture_logs() as logs:
        await orders.finish(timeout_s=0.01)

    assert logs == [{"event": "orders.cancelled", "orders": ["endless"], "log_level": "warning"}]
    with pytest.raises(asyncio.CancelledError):
        await outcome
