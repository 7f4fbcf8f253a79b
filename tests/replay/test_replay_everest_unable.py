"""EVerest with reservations unavailable, disabled, or only for a specific EVSE."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from replay_player import Player, means, player
from replay_wire import Json

from csms import Csms, in_seconds

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]
ANY_EVSE = "variant: unspecified"
NOT_ENABLED = {"additionalInfo": "Reservation is not enabled", "reasonCode": ""}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def unavailable(csms: Csms) -> AsyncIterator[Player]:
    """Available is false. It is asked by force: known to be off, it would not be asked at all."""
    one = player(csms, "everest-reservations-unavailable", force=True)
    yield one
    await one.wire.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def disabled(csms: Csms) -> AsyncIterator[Player]:
    """Enabled is false; likewise by force."""
    one = player(csms, "everest-reservations-disabled", force=True)
    yield one
    await one.wire.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def specific_only(csms: Csms) -> AsyncIterator[Player]:
    """NonEvseSpecific is false; likewise by force."""
    one = player(csms, "everest-non-evse-specific-off", force=True)
    yield one
    await one.wire.close()


async def refusal(csms: Csms, station: Player, **terms: object) -> tuple[int, Json]:
    """What the API answers without force."""
    body = {
        "stationId": station.station_id,
        "idToken": {"idToken": "TAG_A", "type": "ISO14443"},
        "expiryDateTime": in_seconds(60),
    }
    answer = await csms.request("POST", "/reservations", json=body | terms)
    return answer.status_code, answer.json()


async def test_unavailable_station_says_not_implemented(unavailable: Player) -> None:
    """A CALLERROR that proves non-execution, its description empty: Refused, the code is the cause."""
    played = await unavailable.play("variant: evse 1")
    assert played.orders[0].status == 409
    means(await unavailable.reservation(301), "Refused", ocppStatus=None, cause="NotImplemented", confirmed=True)
    assert await unavailable.connectors() == {"1/1": "Available", "2/1": "Available"}


async def test_unavailable_station_is_not_asked_to_cancel(unavailable: Player) -> None:
    """Without an EVSE the same; the refused one has ended, so there is nothing to cancel. The variables stay known."""
    played = await unavailable.play(ANY_EVSE)
    reserve, cancel, capabilities = played.orders
    assert (reserve.status, reserve.body["type"]) == (409, "/problems/reservation-refused")
    means(await unavailable.reservation(302), "Refused", cause="NotImplemented", evseId=None)
    assert (cancel.status, cancel.call) == (409, None)
    assert capabilities.body["reservations"]["available"] is False


@pytest.mark.req("H01.FR.01")
async def test_disabled_station_says_rejected_and_why(disabled: Player) -> None:
    """Refused with the statusInfo, which the caller gets too."""
    played = await disabled.play("variant: evse 1")
    assert (played.orders[0].status, played.orders[0].body["statusInfo"]) == (409, NOT_ENABLED)
    means(await disabled.reservation(301), "Refused", ocppStatus="Rejected", statusInfo=NOT_ENABLED, confirmed=True)


@pytest.mark.req("H01.FR.01")
async def test_disabled_station_rejects_any_evse_too(disabled: Player) -> None:
    """Likewise without an EVSE; the refused one is not canceled."""
    played = await disabled.play(ANY_EVSE)
    assert (played.orders[1].status, played.orders[1].call) == (409, None)
    means(await disabled.reservation(302), "Refused", ocppStatus="Rejected", statusInfo=NOT_ENABLED)
    assert played.orders[2].body["reservations"] == {"available": True, "enabled": False, "nonEvseSpecific": True}


@pytest.mark.req("H01.FR.03", "H01.FR.23")
async def test_specific_evse_is_reserved_where_only_that_is_allowed(specific_only: Player) -> None:
    """With an EVSE it is accepted."""
    await specific_only.play("variant: evse 1")
    means(await specific_only.reservation(301), "Active", evseId=1)
    assert await specific_only.connectors() == {"1/1": "Reserved", "2/1": "Available"}


@pytest.mark.req("H01.FR.19", "H02.FR.02")
async def test_any_evse_is_refused_where_only_a_specific_one_is_allowed(specific_only: Player) -> None:
    """By force it is asked and Rejected, with the reason kept; the reservation of the EVSE is canceled then."""
    played = await specific_only.play(ANY_EVSE)
    assert (played.orders[0].status, played.orders[0].body["ocppStatus"]) == (409, "Rejected")
    refused = await specific_only.reservation(302)
    means(refused, "Refused", evseId=None)
    assert refused["statusInfo"]["additionalInfo"].startswith("No evse id was given")
    means(await specific_only.reservation(301), "Canceled", confirmed=True)
    assert await specific_only.connectors() == {"1/1": "Available", "2/1": "Available"}


@pytest.mark.req("H01.FR.19")
async def test_known_to_be_off_is_refused_without_asking(
    csms: Csms, unavailable: Player, disabled: Player, specific_only: Player
) -> None:
    """Without force each is refused early, and the variable is named."""
    for station, terms, name, problem in (
        (unavailable, {"evseId": 1}, "Available", "reservations-not-supported"),
        (disabled, {"evseId": 1}, "Enabled", "reservations-not-supported"),
        (specific_only, {}, "NonEvseSpecific", "unspecified-evse-not-supported"),
    ):
        await station.play(ANY_EVSE)
        status, body = await refusal(csms, station, **terms)
        told = (409, f"/problems/{problem}", f"ReservationCtrlr.{name}")
        assert told == (status, body["type"], body["variable"])
