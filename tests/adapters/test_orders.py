"""Orders outlive their requests, and harm nobody when they fail."""

from __future__ import annotations

import asyncio
import gc

import pytest
from structlog.testing import capture_logs

from evhold.adapters.orders import TaskOrders
from evhold.domain.errors import ReservationUnknown
from evhold.usecases.ports import StorageAway


async def test_the_result_comes_to_who_waits():
    """As of any future."""

    async def work() -> int:
        return 42

    assert await TaskOrders().start(work(), name="reserve 42") == 42


async def test_who_stops_waiting_does_not_stop_the_work():
    """The request's end is not the order's."""
    orders, gate, done = TaskOrders(), asyncio.Event(), []

    async def work() -> None:
        await gate.wait()
        done.append(True)

    waiting = asyncio.ensure_future(orders.start(work(), name="reserve 42"))
    await asyncio.sleep(0)
    waiting.cancel()
    gate.set()
    await orders.finish(timeout_s=5)
    assert done == [True]


async def test_nobody_has_to_look_at_how_an_order_ended():
    """A failure that nobody waits for is logged once, and asyncio complains of nothing."""
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    orders = TaskOrders()

    async def fail() -> None:
        raise StorageAway("disk full")

    orders.start(fail(), name="after-boot")
    await orders.finish(timeout_s=5)
    await asyncio.sleep(0)
    gc.collect()
    assert complaints == []


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (ReservationUnknown(42), []),
        (StorageAway("disk full"), [("order.storage-away", "warning")]),
        (RuntimeError("boom"), [("order.failed", "error")]),
    ],
)
async def test_a_failed_order_is_logged_and_its_siblings_go_on(error, logged):
    """A refusal is no failure, and storage that is away no fault."""
    orders, gate = TaskOrders(), asyncio.Event()

    async def fail() -> None:
        raise error

    async def go_on() -> str:
        await gate.wait()
        return "done"

    with capture_logs() as logs:
        failed, sibling = orders.start(fail(), name="cancel 42"), orders.start(go_on(), name="reserve 43")
        with pytest.raises(type(error)):
            await failed
        gate.set()
        assert await sibling == "done"
    assert [(one["event"], one["log_level"]) for one in logs] == logged
    assert all(one["order"] == "cancel 42" for one in logs)


async def test_a_failure_that_nobody_waits_for_is_logged_once():
    """And no warning of a lost exception comes behind it."""
    orders = TaskOrders()

    async def fail() -> None:
        raise RuntimeError("boom")

    with capture_logs() as logs:
        waiting = orders.start(fail(), name="sweep")
        await orders.finish(timeout_s=5)
        waiting.cancel()
        await asyncio.sleep(0)
    assert [one["event"] for one in logs] == ["order.failed"]


async def test_what_does_not_end_in_time_is_cancelled():
    """And named."""
    orders = TaskOrders()
    orders.start(asyncio.Event().wait(), name="reserve 42")
    with capture_logs() as logs:
        await orders.finish(timeout_s=0)
    assert [(one["event"], one["orders"]) for one in logs] == [("orders.cancelled", ["reserve 42"])]
    await orders.finish(timeout_s=0)
