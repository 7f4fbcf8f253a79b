"""EVerest's hard cases: a foreign car first (TxStartPoint=EVConnected), expiry while offline, use while offline."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from replay_player import Player, means, player

from csms import Csms

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]
RIGHT_CAR = "673ba003-eac2-4fb5-bd43-3865116f4541"


async def offline_until_expired(station: Player, recorded_id: int) -> None:
    """The station is gone until our own sweep has said Expired, and comes back without a boot."""
    await station.wire.close()
    await station.csms.until(station.ids[recorded_id], "Expired", confirmed=False)
    await station.wire.connect()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def station(csms: Csms) -> AsyncIterator[Player]:
    """EVerest with TxStartPoint=EVConnected; before line 47 it is offline."""
    one = player(csms, "everest-ev-connected", like="everest-main")
    one.before[47] = lambda: offline_until_expired(one, 104)
    yield one
    await one.wire.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def offline_user(csms: Csms) -> AsyncIterator[Player]:
    """EVerest; before line 14 it is offline, and its driver charges meanwhile."""
    one = player(csms, "everest-offline-use-after-expiry", like="everest-main")
    one.before[14] = lambda: offline_until_expired(one, 601)
    yield one
    await one.wire.close()


async def test_f1_monitors_are_set_by_a_raw_call(station: Player) -> None:
    """The raw payload reaches the station as it was given, and its answer comes back."""
    played = await station.play("F1")
    results = played.orders[0].body["result"]["setMonitoringResult"]
    assert [one["status"] for one in results] == ["Accepted", "Accepted"]


async def test_f2_foreign_car_gives_it_back(station: Player, csms: Csms) -> None:
    """Used without a token is unproven; as the foreign car leaves without having charged, it is Active again (H1)."""
    await station.play("F2")
    means(await station.reservation(102), "Active", transactionId=None, usedEvseId=None, usedBy=None, proven=False)
    changes = [(row["from"], row["to"]) for row in await csms.history(station.ids[102])]
    assert changes[-2:] == [("Active", "Used"), ("Used", "Active")]
    assert (await station.connectors())["1/1"] == "Available"


@pytest.mark.req("E02.FR.02", "H03.FR.09", "E01.FR.13")
async def test_f3_right_driver_proves_the_use_later(station: Player) -> None:
    """The same reservationId again in a new transaction; the token in its Updated event is the proof (H1)."""
    await station.play("F3")
    known = await station.reservation(102)
    means(known, "Used", proven=True, tokenMismatch=False, transactionId=RIGHT_CAR, usedEvseId=1, cause=None)
    assert known["usedBy"] == {"idToken": "TAG_A", "type": "ISO14443"}
    assert (await station.connectors())["1/1"] == "Available"


@pytest.mark.req("H04.FR.01", "H04.FR.03", "B04.FR.02")
async def test_f4_expired_while_offline(station: Player) -> None:
    """No report ever comes: our own sweep says Expired, without the station's word; Available comes at the reconnect (H4)."""
    await station.play("F4")
    means(await station.reservation(104), "Expired", confirmed=False, proven=False)
    assert await station.connectors() == {"1/1": "Available", "2/1": "Available"}


@pytest.mark.req("E04.FR.01", "E04.FR.02", "E04.FR.03", "H01.FR.15")
async def test_m1_used_offline_before_the_expiry_and_told_after_it(offline_user: Player, csms: Csms) -> None:
    """The event's own stamp is in time: what our sweep called Expired becomes Used, proven (H3)."""
    played = await offline_user.play("M1")
    known = await offline_user.reservation(601)
    means(known, "Used", proven=True, tokenMismatch=False, usedEvseId=1, confirmed=True)
    changes = [(row["from"], row["to"]) for row in await csms.history(offline_user.ids[601])]
    assert changes[-2:] == [("Active", "Expired"), ("Expired", "Used")]
    assert "idTokenInfo" in dict(played.answers[:2])["TransactionEvent"]
    assert (await offline_user.connectors())["1/1"] == "Occupied"
