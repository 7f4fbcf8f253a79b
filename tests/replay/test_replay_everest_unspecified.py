"""everest-main, E16 to E26: any EVSE reserved, or a connector type; remote starts; what can't be reserved."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from replay_player import Player, means, player

from csms import Csms

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def station(csms: Csms) -> AsyncIterator[Player]:
    """EVerest, TxStartPoint=PowerPathClosed; nothing before E16 matters here."""
    one = player(csms, "everest-main", first="E16")
    yield one
    await one.wire.close()


@pytest.mark.req("H01.FR.04", "H01.FR.18")
async def test_e16_unspecified_evse(station: Player) -> None:
    """Active without an EVSE; one more EVSE is free, so no connector changes."""
    played = await station.play("E16")
    assert played.orders[0].call.keys() & {"evseId", "connectorType"} == set()
    means(await station.reservation(16), "Active", evseId=None, connectorType=None)
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}


@pytest.mark.req("H01.FR.20")
async def test_e17_as_many_reservations_as_free_evses(station: Player) -> None:
    """The second is Active too, and the connectors of both EVSEs are Reserved."""
    await station.play("E17")
    means(await station.reservation(16), "Active")
    means(await station.reservation(17), "Active", evseId=None)
    assert await station.connectors() == {"1/1": "Reserved", "2/1": "Reserved"}


@pytest.mark.req("H01.FR.11")
async def test_e18_no_evse_left(station: Player) -> None:
    """The third is refused with Occupied; the others stand."""
    played = await station.play("E18")
    assert (played.orders[0].status, played.orders[0].body["ocppStatus"]) == (409, "Occupied")
    means(await station.reservation(18), "Refused", ocppStatus="Occupied")
    means(await station.reservation(17), "Active")


@pytest.mark.req("H03.FR.03", "H01.FR.15")
async def test_e19_used_on_whichever_evse(station: Player) -> None:
    """TAG_A charges on EVSE 2: its reservation is Used there, the other stays Active with EVSE 1 Reserved."""
    await station.play("E19")
    known = await station.reservation(16)
    means(known, "Used", proven=True, evseId=None, usedEvseId=2)
    assert known["transactionId"] == "034b61ff-ee7e-4ce0-8992-72d329ea7c92"
    means(await station.reservation(17), "Active")
    assert await station.connectors() == {"1/1": "Reserved", "2/1": "Occupied"}


@pytest.mark.req("H02.FR.02", "H02.FR.06")
async def test_e20_cancel_of_the_other(station: Player) -> None:
    """Its cancel frees EVSE 1; the end of the transaction on EVSE 2 changes no reservation."""
    await station.play("E20")
    means(await station.reservation(17), "Canceled", confirmed=True)
    means(await station.reservation(16), "Used", proven=True)
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}


async def test_e21_connector_type_that_is_not_there(station: Player) -> None:
    """Rejected with an empty reasonCode: Refused, with the statusInfo as the station gave it."""
    played = await station.play("E21")
    info = {"additionalInfo": "Could not get status info from connector", "reasonCode": ""}
    assert (played.orders[0].status, played.orders[0].body["statusInfo"]) == (409, info)
    means(await station.reservation(21), "Refused", ocppStatus="Rejected", statusInfo=info, connectorType="cCCS2")


@pytest.mark.req("H01.FR.06")
async def test_e22_connector_type(station: Player) -> None:
    """A type that is there: Active, without an EVSE."""
    await station.play("E22")
    means(await station.reservation(22), "Active", evseId=None, connectorType="sType2")


@pytest.mark.req("H01.FR.24", "H01.FR.23", "F02.FR.23")
async def test_e23_remote_start_with_a_foreign_token(station: Player) -> None:
    """Both EVSEs are Reserved now; the station's Rejected is handed on, and no reservation changes."""
    played = await station.play("E23")
    assert played.orders[1].body == {"result": {"status": "Rejected"}}
    means(await station.reservation(23), "Active", evseId=1)
    means(await station.reservation(22), "Active")
    assert await station.connectors() == {"1/1": "Reserved", "2/1": "Reserved"}


@pytest.mark.req("F02.FR.06", "H03.FR.01", "H03.FR.09")
async def test_e24_remote_start_with_the_reserved_token(station: Player) -> None:
    """The TransactionEvent names reservation 23: it is Used; 22, of the same token, stays Active."""
    await station.play("E24")
    means(await station.reservation(23), "Used", proven=True, usedEvseId=1)
    means(await station.reservation(22), "Active")
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}


async def test_e25_evse_that_does_not_exist(station: Player) -> None:
    """The station says Rejected and why: Refused, and the station is not marked for it."""
    played = await station.play("E25")
    info = {"additionalInfo": "Evse id does not exist", "reasonCode": ""}
    assert (played.orders[0].status, played.orders[0].body["ocppStatus"]) == (409, "Rejected")
    means(await station.reservation(25), "Refused", statusInfo=info, evseId=9)
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}


async def test_e26_expiry_in_the_past_is_never_sent(station: Player) -> None:
    """Our API refuses it by itself, and names the field; the station is not asked."""
    played = await station.play("E26")
    assert (played.orders[0].status, played.orders[0].call) == (400, None)
    assert "expiryDateTime" in played.orders[0].response.text
    assert 26 not in station.ids
