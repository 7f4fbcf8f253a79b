"""ocpp-cp-simulator: same id is Rejected, a foreign token consumes, an expiry is never reported."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from replay_player import Player, eventually, means, player

from csms import Csms

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]
GROUP = {"idToken": "GROUP_1", "type": "Central"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def station(csms: Csms) -> AsyncIterator[Player]:
    """The simulator. It has no replacement: each ReserveNow with an id that it holds is Rejected."""
    one = player(csms, "ocpp-cp-simulator")
    one.wire.says["ReserveNow"] = {"status": "Rejected"}
    # Line 18 is the next ReserveNow: the old terms, asked for once more, have to be through by then.
    one.before[18] = lambda: old_terms_refused(one)
    yield one
    await one.wire.close()


async def old_terms_refused(station: Player) -> None:
    """The station refused the replacement, and then the old terms, which it still holds."""

    async def refused_twice() -> bool:
        facts = [row["fact"] for row in await station.csms.history(station.ids[42])]
        return facts.count("Refused") == 2

    await eventually(refused_twice)


async def test_boot_reports_evse_0(station: Player) -> None:
    """A status for EVSE 0, connector 0 is answered and makes no connector; the unknown variables stay unknown."""
    await station.play("")
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}


@pytest.mark.req("H01.FR.03", "H01.FR.23")
async def test_reserve(station: Player) -> None:
    """Support is unknown, so the station is asked; Accepted makes it Active."""
    await station.play("S2")
    means(await station.reservation(42), "Active", evseId=1, groupIdToken=GROUP)
    assert await station.connectors() == {"1/1": "Reserved", "2/1": "Available"}


@pytest.mark.req("H01.FR.02")
async def test_replacement_is_refused_and_the_old_terms_hold(station: Player) -> None:
    """Refused, the old terms are asked for once more, refused again; all connectors are Reserved still: Active as before."""
    old = (await station.play("S2")).orders[0].call
    played = await station.play("same id again")
    assert (played.orders[0].status, played.orders[0].body["ocppStatus"]) == (409, "Rejected")
    undo = await station.wire.until_asked("ReserveNow")
    assert undo == old
    await old_terms_refused(station)
    means(await station.reservation(42), "Active", groupIdToken=GROUP, expiryDateTime=old["expiryDateTime"])


@pytest.mark.req("H01.FR.11")
async def test_second_reservation_on_the_evse_is_never_sent(station: Player) -> None:
    """The claim on the EVSE refuses it before the station would say Occupied."""
    played = await station.play("second reservation")
    assert (played.orders[0].status, played.orders[0].call) == (409, None)
    assert played.orders[0].body["type"] == "/problems/evse-already-reserved"
    means(await station.reservation(42), "Active")


async def test_cancel_of_an_unknown_id_is_never_sent(station: Player) -> None:
    """There is no reservation 999."""
    played = await station.play("cancel unknown")
    assert (played.orders[0].status, played.orders[0].call) == (404, None)


@pytest.mark.req("H02.FR.02", "H02.FR.03", "H02.FR.04")
async def test_cancel(station: Player) -> None:
    """Canceled by the station's word; the EVSE can be reserved anew."""
    await station.play("H02 cancel")
    means(await station.reservation(42), "Canceled", confirmed=True)
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}
    await station.play("reserve again")
    means(await station.reservation(44), "Active", evseId=1)
    assert await station.connectors() == {"1/1": "Reserved", "2/1": "Available"}


@pytest.mark.req("H03.FR.01", "H01.FR.15")
async def test_local_start_by_the_reserved_token(station: Player) -> None:
    """Authorize, Occupied, then the TransactionEvent: Used, proven (H11)."""
    await station.play("local start")
    means(await station.reservation(44), "Used", proven=True, tokenMismatch=False, usedEvseId=1)
    assert await station.connectors() == {"1/1": "Occupied", "2/1": "Available"}


@pytest.mark.req("H01.FR.11")
async def test_occupied_evse(station: Player) -> None:
    """Refused with Occupied."""
    await station.play("ReserveNow on occupied")
    means(await station.reservation(45), "Refused", ocppStatus="Occupied")


async def test_stop_names_the_reservation_again(station: Player) -> None:
    """The Ended event carries the reservationId once more, and changes nothing (H10); the last status counts (H11)."""
    await station.play("stop")
    means(await station.reservation(44), "Used", proven=True, tokenMismatch=False)
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}


@pytest.mark.req("H01.FR.12")
async def test_faulted_evse(station: Player) -> None:
    """Refused with Faulted."""
    await station.play("fault then")
    means(await station.reservation(46), "Refused", ocppStatus="Faulted", evseId=2)
    assert await station.connectors() == {"1/1": "Available", "2/1": "Faulted"}


@pytest.mark.req("H01.FR.14")
async def test_unavailable_evse(station: Player) -> None:
    """Refused with Unavailable, after our ChangeAvailability."""
    await station.play("clear fault,")
    means(await station.reservation(47), "Refused", ocppStatus="Unavailable", evseId=2)
    assert await station.connectors() == {"1/1": "Available", "2/1": "Unavailable"}


@pytest.mark.req("H01.FR.04", "H01.FR.18", "H01.FR.20")
async def test_any_evse_where_the_variable_is_unknown(station: Player) -> None:
    """NonEvseSpecific is unknown, which is no No: asked and accepted (H9); the last free EVSE is Reserved."""
    await station.play("unspecified EVSE")
    means(await station.reservation(48), "Active", evseId=None)
    assert await station.connectors() == {"1/1": "Reserved", "2/1": "Unavailable"}


@pytest.mark.req("H04.FR.03")
async def test_expiry_without_a_report(station: Player, csms: Csms) -> None:
    """Only Available comes, which ends nothing; our own sweep says Expired, without the station's word."""
    await station.play("expiry (the simulator")
    means(await csms.until(station.ids[48], "Expired"), "Expired", confirmed=False)
    assert await station.connectors() == {"1/1": "Available", "2/1": "Unavailable"}


async def test_expiry_in_the_past_is_never_sent(station: Player) -> None:
    """Our API refuses it by itself."""
    played = await station.play("expiry in")
    assert (played.orders[0].status, played.orders[0].call) == (400, None)


async def test_evse_that_does_not_exist(station: Player) -> None:
    """Rejected without a word why: Refused."""
    await station.play("non-existent EVSE")
    means(await station.reservation(50), "Refused", ocppStatus="Rejected", statusInfo=None, evseId=9)


@pytest.mark.req("H01.FR.06", "H01.FR.24")
async def test_connector_type(station: Player) -> None:
    """Active without an EVSE; the last connector of the type is Reserved."""
    await station.play("connectorType")
    means(await station.reservation(51), "Active", evseId=None, connectorType="cCCS2")
    assert await station.connectors() == {"1/1": "Reserved", "2/1": "Unavailable"}


async def test_foreign_token_consumes_it(station: Player) -> None:
    """Used, and flagged: the token of the event is not the reserved one (H2)."""
    played = await station.play("remote start")
    assert played.orders[0].body == {"result": {"status": "Accepted"}}
    known = await station.reservation(51)
    means(known, "Used", tokenMismatch=True, usedEvseId=1, transactionId="ea644cf8-3850-4648-a425-07a7efe421e2")
    assert known["usedBy"] == {"idToken": "TAG_X", "type": "ISO14443"}
    assert await station.connectors() == {"1/1": "Occupied", "2/1": "Unavailable"}


async def test_unknown_component_leaves_the_variables_unknown(station: Player) -> None:
    """UnknownComponent is neither yes nor no."""
    played = await station.play("GetVariables")
    assert played.orders[0].status == 200
    expected = {"available": None, "enabled": None, "nonEvseSpecific": None}
    assert expected == played.orders[0].body["reservations"]
