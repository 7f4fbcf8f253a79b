"""everest-main, E1 to E15: one EVSE reserved, replaced, canceled, used, expired, removed; and the refusals."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from replay_player import Player, means, player

from csms import Csms

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def station(csms: Csms) -> AsyncIterator[Player]:
    """EVerest, TxStartPoint=PowerPathClosed."""
    one = player(csms, "everest-main")
    yield one
    await one.wire.close()


@pytest.mark.req("B01")
async def test_boot_is_accepted_and_makes_connectors_known(station: Player) -> None:
    """After the boot the server knows both connectors, and has asked for the variables by itself."""
    played = await station.play("")
    assert played.answers[0][1]["status"] == "Accepted"
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}
    assert station.wire.unrecorded[0][0] == "GetVariables"


@pytest.mark.req("H01.FR.18")
async def test_e1_get_variables(station: Player) -> None:
    """The variables are read on demand: all three are true."""
    played = await station.play("E1")
    expected = {"available": True, "enabled": True, "nonEvseSpecific": True}
    assert expected == played.orders[0].body["reservations"]


@pytest.mark.req("H01.FR.03", "H01.FR.23")
async def test_e2_reserve_an_evse(station: Player) -> None:
    """Accepted makes it Active; the station's Reserved is kept. Recorded id 0 became one of ours, above 0."""
    played = await station.play("E2")
    assert played.orders[0].status == 201
    assert station.ids[0] > 0
    known = await station.reservation(0)
    means(known, "Active", ocppStatus="Accepted", evseId=1, confirmed=False)
    assert known["idToken"] == {"idToken": "TAG_A", "type": "ISO14443"}
    assert await station.connectors() == {"1/1": "Reserved", "2/1": "Available"}


@pytest.mark.req("H01.FR.02")
async def test_e3_replace_with_the_same_id(station: Player) -> None:
    """The replacement is accepted: same id, the new token and expiry, no connector moved."""
    played = await station.play("E3")
    assert played.orders[0].status == 200
    known = await station.reservation(0)
    means(known, "Active", replacement=None, evseId=1)
    assert known["idToken"]["idToken"] == "TAG_C"
    assert known["expiryDateTime"] == played.orders[0].call["expiryDateTime"]
    assert await station.connectors() == {"1/1": "Reserved", "2/1": "Available"}


@pytest.mark.req("H02.FR.02", "H02.FR.04")
async def test_e4_cancel(station: Player) -> None:
    """Accepted makes it Canceled by the station's word, and the connector is free."""
    played = await station.play("E4")
    assert (played.orders[0].status, played.orders[0].body["status"]) == (200, "Canceled")
    means(await station.reservation(0), "Canceled", confirmed=True)
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}


@pytest.mark.req("H02.FR.01")
async def test_e5_cancel_of_an_unknown_id_is_never_sent(station: Player, csms: Csms) -> None:
    """The API has no reservation 77, and the raw call does not take CancelReservation: no CALL, nothing changed."""
    played = await station.play("E5")
    assert (played.orders[0].status, played.orders[0].call) == (404, None)
    path = f"/stations/{station.station_id}/calls/CancelReservation"
    assert (await csms.request("POST", path, json={"reservationId": 77})).status_code == 409
    means(await station.reservation(0), "Canceled", confirmed=True)


@pytest.mark.req("H03.FR.01", "H03.FR.08", "H01.FR.15", "E03.FR.02", "E03.FR.03", "E01.FR.11", "E01.FR.12", "H03.FR.10")
async def test_e6_swipe_first(station: Player) -> None:
    """The driver swipes, then plugs: Available at the swipe did not end it, the TransactionEvent made it Used, proven."""
    played = await station.play("E6")
    known = await station.reservation(6)
    means(known, "Used", proven=True, tokenMismatch=False, usedEvseId=1, confirmed=True)
    assert known["transactionId"] == "0cdd6cf6-1ed7-4052-b3d3-0632dffc5f77"
    assert known["usedBy"] == {"idToken": "TAG_A", "type": "ISO14443"}
    assert [action for action, answer in played.answers if "idTokenInfo" in answer] == ["Authorize", "TransactionEvent"]
    assert await station.connectors() == {"1/1": "Occupied", "2/1": "Available"}


@pytest.mark.req("H01.FR.11")
async def test_e7_occupied(station: Player) -> None:
    """The station answers Occupied: Refused, and the caller is told."""
    played = await station.play("E7")
    assert (played.orders[0].status, played.orders[0].body["ocppStatus"]) == (409, "Occupied")
    means(await station.reservation(7), "Refused", ocppStatus="Occupied", confirmed=True)


async def test_e8_end_without_a_reservation_id(station: Player) -> None:
    """The end of the transaction carries no reservationId and leaves Used as it is."""
    await station.play("E8")
    means(await station.reservation(6), "Used", proven=True)
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}


@pytest.mark.req("H03.FR.09", "H01.FR.15", "E01.FR.13", "G01.FR.09")
async def test_e9_plug_first(station: Player) -> None:
    """The cable came first and nothing was reported until the swipe: Used by the Started event, without an Authorize."""
    played = await station.play("E9")
    assert "Authorize" not in [action for action, _ in played.answers]
    means(await station.reservation(9), "Used", proven=True, transactionId="90bedd76-5032-4ee7-98b4-1d17c6305309")
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}


@pytest.mark.req("H03.FR.04", "H03.FR.08")
async def test_e10_group_token(station: Player) -> None:
    """TAG_B of the same group uses TAG_A's reservation: proven, no mismatch, and it is kept who it was."""
    played = await station.play("E10")
    group = {"idToken": "GROUP_1", "type": "Central"}
    assert played.answers[1] == ("Authorize", {"idTokenInfo": {"status": "Accepted", "groupIdToken": group}})
    known = await station.reservation(10)
    means(known, "Used", proven=True, tokenMismatch=False, groupIdToken=group)
    assert known["usedBy"] == {"idToken": "TAG_B", "type": "ISO14443"}


@pytest.mark.req("H04.FR.01", "H04.FR.03")
async def test_e11_expired(station: Player) -> None:
    """Available comes before the report; Expired by the station's word. The report's answer is empty."""
    played = await station.play("E11")
    assert played.answers[-1] == ("ReservationStatusUpdate", {})
    means(await station.reservation(11), "Expired", confirmed=True)
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}


@pytest.mark.req("H01.FR.16", "H04.FR.02")
async def test_e12_fault_while_reserved(station: Player) -> None:
    """The expired one's EVSE is reserved anew. Problem, Available, Faulted, Removed: only the last of them ends it."""
    played = await station.play("E12")
    assert played.orders[0].status == 201
    means(await station.reservation(12), "Removed", confirmed=True)
    assert await station.connectors() == {"1/1": "Faulted", "2/1": "Available"}


@pytest.mark.req("H01.FR.12")
async def test_e13_faulted(station: Player) -> None:
    """The station answers Faulted: Refused. The fault is cleared later."""
    played = await station.play("E13")
    assert (played.orders[0].status, played.orders[0].body["ocppStatus"]) == (409, "Faulted")
    means(await station.reservation(13), "Refused", ocppStatus="Faulted")
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}


@pytest.mark.req("H01.FR.17")
async def test_e14_inoperative_while_reserved(station: Player) -> None:
    """Our own ChangeAvailability ends the reservation, by the station's Removed."""
    played = await station.play("E14")
    assert played.orders[1].body == {"result": {"status": "Accepted"}}
    means(await station.reservation(14), "Removed", confirmed=True)
    assert await station.connectors() == {"1/1": "Unavailable", "2/1": "Available"}


@pytest.mark.req("H01.FR.14")
async def test_e15_unavailable(station: Player) -> None:
    """The station answers Unavailable: Refused. Then the EVSE is made operative again."""
    played = await station.play("E15")
    assert (played.orders[0].status, played.orders[0].body["ocppStatus"]) == (409, "Unavailable")
    means(await station.reservation(15), "Refused", ocppStatus="Unavailable")
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}
