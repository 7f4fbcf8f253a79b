"""SAP's simulator, which has no block H, and the scripted virtual charge point, which dies on CancelReservation."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from replay_player import Player, means, player

from csms import Csms

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sap(csms: Csms) -> AsyncIterator[Player]:
    """Available, but not Enabled: asked by force."""
    one = player(csms, "sap-no-reservations", force=True)
    yield one
    await one.wire.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def virtual(csms: Csms) -> AsyncIterator[Player]:
    """The virtual charge point, whose events are scripted: most are stamped 16:00:00."""
    one = player(csms, "virtual-charge-point")
    yield one
    await one.wire.close()


async def test_sap_without_block_h(sap: Player, csms: Csms) -> None:
    """NotImplemented with a description of many lines: Refused. The cancel has nothing to cancel (H6)."""
    played = await sap.play("ReserveNow")
    reserve, cancel, capabilities = played.orders
    assert (reserve.status, cancel.status, cancel.call) == (409, 409, None)
    means(await sap.reservation(42), "Refused", ocppStatus=None, cause="NotImplemented", confirmed=True)
    assert capabilities.body["reservations"] == {"available": True, "enabled": False, "nonEvseSpecific": False}
    unforced = await csms.reserve(sap.station_id, seconds=60, evseId=1)
    assert (unforced.status_code, unforced.json()["variable"]) == (409, "ReservationCtrlr.Enabled")


@pytest.mark.req("H03.FR.08")
async def test_sap_authorizes_before_it_answers(sap: Player) -> None:
    """Its Authorize is answered while our RequestStartTransaction waits; a transaction without token uses nothing."""
    played = await sap.play("remote start")
    assert [action for action, _ in played.answers] == ["Authorize", "TransactionEvent", "StatusNotification"]
    assert played.orders[0].body["result"]["status"] == "Accepted"
    means(await sap.reservation(42), "Refused")
    assert await sap.connectors() == {"1/1": "Occupied"}
    await sap.play("done")


@pytest.mark.req("H01.FR.03")
async def test_virtual_reserve_without_any_status(virtual: Player) -> None:
    """Accepted makes it Active; that no Reserved comes proves nothing (H10)."""
    await virtual.play("ReserveNow")
    means(await virtual.reservation(42), "Active", evseId=1)
    assert await virtual.connectors() == {"1/1": "Available"}


async def test_virtual_event_older_than_the_known_status(virtual: Player) -> None:
    """The NotifyEvent is stamped before the boot's status: by the stamps it is no news (H4)."""
    played = await virtual.play("admin: NotifyEvent")
    assert played.answers == [("NotifyEvent", {})]
    assert await virtual.connectors() == {"1/1": "Available"}
    means(await virtual.reservation(42), "Active")


@pytest.mark.req("H03.FR.08", "H03.FR.09", "H01.FR.15", "E03.FR.02")
async def test_virtual_use(virtual: Player) -> None:
    """Whatever the stamp: the reserved token in the event makes it Used, proven."""
    await virtual.play("admin: Authorize")
    means(await virtual.reservation(42), "Active")
    await virtual.play("admin: TransactionEvent")
    means(await virtual.reservation(42), "Used", proven=True, transactionId="tx-1", usedEvseId=1)


@pytest.mark.req("H04.FR.01")
async def test_virtual_reports_after_the_use(virtual: Player, csms: Csms) -> None:
    """Expired after a proven use changes nothing and is noted; Removed of an id that nobody knows is just answered."""
    played = await virtual.play("admin: ReservationStatusUpdate Expired")
    assert played.answers == [("ReservationStatusUpdate", {})]
    means(await virtual.reservation(42), "Used", proven=True)
    last = (await csms.history(virtual.ids[42]))[-1]
    assert (last["from"], last["to"], last["fact"], last["anomaly"]) == ("Used", "Used", "ReportedExpired", True)
    played = await virtual.play("admin: ReservationStatusUpdate Removed")
    assert played.answers == [("ReservationStatusUpdate", {})]


async def test_virtual_second_transaction(virtual: Player) -> None:
    """A remote start without reservationId leaves the used one alone; a variable without a value stays unknown (H9)."""
    played = await virtual.play("RequestStartTransaction")
    means(await virtual.reservation(42), "Used", transactionId="tx-1")
    assert await virtual.connectors() == {"1/1": "Occupied"}
    assert played.orders[1].body["reservations"]["nonEvseSpecific"] is None


async def test_virtual_cancel_after_the_use_is_never_sent(virtual: Player) -> None:
    """A proven use has ended the reservation: our API refuses by itself."""
    played = await virtual.play("CancelReservation")
    assert (played.orders[0].status, played.orders[0].call) == (409, None)
    assert played.orders[0].body["type"] == "/problems/reservation-ended"
    await virtual.wire.close()


@pytest.mark.req("H02.FR.02")
async def test_virtual_dies_on_cancel(csms: Csms, virtual: Player) -> None:
    """The socket closes with the cancel unanswered: still Active, the wish kept, asked anew when the station is back (H8)."""
    await virtual.wire.close()
    await csms.until_online(virtual.station_id, online=False)
    dying = player(csms, "virtual-charge-point-dies-on-cancel", like="virtual-charge-point")
    placed = await dying.play("ReserveNow")
    assert [order.status for order in placed.orders] == [201], placed.orders
    means(await dying.reservation(42), "Active")
    played = await dying.play("CancelReservation")
    assert (played.orders[0].status, played.orders[0].body["status"]) == (202, "Active")
    known = await dying.reservation(42)
    means(known, "Active", confirmed=False)
    assert known["cancelRequestedAt"] is not None
    dying.wire.says["CancelReservation"] = {"status": "Accepted"}
    await dying.wire.connect()
    await dying.wire.say("Heartbeat", {})
    means(await csms.until(dying.ids[42], "Canceled"), "Canceled", confirmed=True)
    assert ("CancelReservation", {"reservationId": dying.ids[42]}) in dying.wire.unrecorded
    await dying.wire.close()
