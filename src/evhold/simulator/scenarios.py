"""Scripted flows against any CSMS: one station, one reservation, one way for it to end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from msgspec import UNSET

from evhold.ocpp.v201.datatypes import IdTokenType
from evhold.ocpp.v201.messages import (
    CancelReservationResponse,
    ReservationStatusUpdateRequest,
    ReserveNowRequest,
    ReserveNowResponse,
    TransactionEventRequest,
)
from evhold.simulator.client import SimulatedStation
from evhold.simulator.options import StationOptions, World

RESERVED_TOKEN = IdTokenType(id_token="AABBCCDD", type="ISO14443")
MEMBER_TOKEN = IdTokenType(id_token="DDCCBBAA", type="ISO14443")
FOREIGN_TOKEN = IdTokenType(id_token="FEEDBEEF", type="ISO14443")
GROUP_TOKEN = IdTokenType(id_token="GROUP001", type="Central")

WAIT_S = 60.0
Say = Callable[[str], None]


class ScenarioFailed(Exception):
    """The flow did not go as the specification says; the text tells what was missing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario plays with.

    Args:
        api: The address that the hints name.
        wait_s: How long to wait for what somebody else has to do.
    """

    station: SimulatedStation
    world: World
    say: Say
    api: str
    wait_s: float

    async def reservation(self, *, group: bool = False, expiry_s: int = 600) -> ReserveNowRequest:
        """The ReserveNow that the station accepts next; a hint says how to send one."""
        self.say(f"waiting up to {self.wait_s:g} s for ReserveNow at {self.station.id}; for example:")
        self.say(self._curl(group=group, expiry_s=expiry_s))
        while True:
            message = await self.station.wait_for("ReserveNow", timeout_s=self.wait_s)
            request, response = message.request, message.answer
            assert isinstance(request, ReserveNowRequest)
            assert isinstance(response, ReserveNowResponse)
            place = "any EVSE" if request.evse_id is UNSET else f"EVSE {request.evse_id}"
            self.say(f"ReserveNow {request.id} for {place}: {response.status}")
            if response.status == "Accepted":
                await self.station.settled()
                return request

    def evse_for(self, request: ReserveNowRequest) -> int:
        """The EVSE at which the reservation is used."""
        if request.evse_id is not UNSET:
            return request.evse_id
        wanted = request.connector_type
        for evse in self.station.state.evses.values():
            if (
                evse.in_service
                and not evse.taken
                and (wanted is UNSET or any(c.type == wanted for c in evse.connectors))
            ):
                return evse.id
        raise ScenarioFailed("no EVSE is free for the reservation")

    def check(self, condition: bool, what: str) -> None:
        """Say that it is so, or fail."""
        if not condition:
            raise ScenarioFailed(what)
        self.say(f"ok: {what}")

    async def expect_use(self, request: ReserveNowRequest, *, offline: bool = False) -> None:
        """The CSMS has answered the TransactionEvent that names the reservation."""
        while True:
            message = await self.station.wait_for("TransactionEvent", timeout_s=self.wait_s)
            event = message.request
            if isinstance(event, TransactionEventRequest) and event.reservation_id == request.id:
                break
        self.check(event.offline is offline, f"TransactionEvent with reservationId {request.id} was answered")

    async def expect_update(self, request: ReserveNowRequest, status: str, *, timeout_s: float) -> None:
        """The CSMS has answered the ReservationStatusUpdate."""
        message = await self.station.wait_for("ReservationStatusUpdate", timeout_s=timeout_s)
        update = message.request
        assert isinstance(update, ReservationStatusUpdateRequest)
        told = (update.reservation_id, update.reservation_update_status) == (request.id, status)
        self.check(told, f"ReservationStatusUpdate {status} of reservation {request.id} was answered")

    def _curl(self, *, group: bool, expiry_s: int) -> str:
        expiry = (self.world.now() + timedelta(seconds=expiry_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
        member = f',"groupIdToken":{_json(GROUP_TOKEN)}' if group else ""
        body = (
            f'{{"stationId":"{self.station.id}","evseId":1,"idToken":{_json(RESERVED_TOKEN)}{member},'
            f'"expiryDateTime":"{expiry}"}}'
        )
        return (
            f"  curl -X POST {self.api}/api/v1/reservations -H 'Authorization: Bearer KEY' "
            f"-H 'Content-Type: application/json' -d '{body}'"
        )


def _json(token: IdTokenType) -> str:
    return f'{{"idToken":"{token.id_token}","type":"{token.type}"}}'


async def _reserve(stage: Stage) -> None:
    request = await stage.reservation()
    if request.evse_id is not UNSET:
        stage.check(stage.station.status(request.evse_id) == "Reserved", f"EVSE {request.evse_id} is reported Reserved")


async def _cancel(stage: Stage) -> None:
    request = await stage.reservation()
    stage.say(f"waiting up to {stage.wait_s:g} s for CancelReservation; for example:")
    stage.say(f"  curl -X DELETE {stage.api}/api/v1/reservations/{request.id} -H 'Authorization: Bearer KEY'")
    message = await stage.station.wait_for("CancelReservation", timeout_s=stage.wait_s)
    assert isinstance(message.answer, CancelReservationResponse)
    stage.check(message.answer.status == "Accepted", f"CancelReservation {request.id} was accepted")


async def _drive(stage: Stage, request: ReserveNowRequest, token: IdTokenType, *, plug_first: bool = False) -> None:
    """Use the reservation with a token and leave again."""
    station, evse_id = stage.station, stage.evse_for(request)
    if plug_first:
        await station.plug_in(evse_id)
        stage.say(f"a car is plugged in at EVSE {evse_id}: {station.status(evse_id)}")
    swipe = await station.present(evse_id, token)
    stage.check(swipe.outcome == "Accepted", f"token {token.id_token} may charge at EVSE {evse_id}")
    if not plug_first:
        await station.plug_in(evse_id)
    await stage.expect_use(request)
    await station.unplug(evse_id)
    stage.check(station.status(evse_id) == "Available", f"EVSE {evse_id} is Available again")


async def _use(stage: Stage) -> None:
    request = await stage.reservation()
    await _drive(stage, request, request.id_token)


async def _plug_first(stage: Stage) -> None:
    request = await stage.reservation()
    await _drive(stage, request, request.id_token, plug_first=True)


async def _use_by_group(stage: Stage) -> None:
    stage.say(f"the CSMS must know token {MEMBER_TOKEN.id_token} with groupIdToken {GROUP_TOKEN.id_token}")
    request = await stage.reservation(group=True)
    stage.check(request.group_id_token is not UNSET, "ReserveNow names a groupIdToken")
    await _drive(stage, request, MEMBER_TOKEN)


async def _expire(stage: Stage) -> None:
    request = await stage.reservation(expiry_s=30)
    held = stage.station.state.reservations.get(request.id)
    left_s = 0.0 if held is None else (held.expires - stage.world.now()).total_seconds()
    stage.say(f"waiting {max(left_s, 0.0):.0f} s for its expiry")
    await stage.expect_update(request, "Expired", timeout_s=max(left_s, 0.0) + stage.wait_s)


async def _fault(stage: Stage) -> None:
    request = await stage.reservation()
    # Without an evseId it is the fault of every EVSE that takes its place away for certain.
    evses = list(stage.station.state.evses) if request.evse_id is UNSET else [request.evse_id]
    for evse_id in evses:
        await stage.station.fault(evse_id)
    await stage.expect_update(request, "Removed", timeout_s=stage.wait_s)
    for evse_id in evses:
        await stage.station.clear_fault(evse_id)


async def _foreign_token(stage: Stage) -> None:
    request = await stage.reservation()
    evse_id = stage.evse_for(request)
    swipe = await stage.station.present(evse_id, FOREIGN_TOKEN)
    stage.check(swipe.outcome == "Refused", f"foreign token {FOREIGN_TOKEN.id_token} is refused at EVSE {evse_id}")
    stage.check(request.id in stage.station.state.reservations, f"reservation {request.id} is still held")


async def _offline_use(stage: Stage) -> None:
    request = await stage.reservation()
    station, evse_id = stage.station, stage.evse_for(request)
    await station.go_offline()
    stage.say("the station is offline; the driver comes")
    await station.present(evse_id, request.id_token)
    await station.plug_in(evse_id)
    await station.go_online()
    await stage.expect_use(request, offline=True)


async def _reboot(stage: Stage) -> None:
    request = await stage.reservation()
    before = {evse_id: stage.station.status(evse_id) for evse_id in stage.station.state.evses}
    await stage.station.reboot()
    stage.check(request.id in stage.station.state.reservations, f"reservation {request.id} has survived the reboot")
    after = {evse_id: stage.station.status(evse_id) for evse_id in stage.station.state.evses}
    stage.check(before == after, f"the connectors are reported as before: {', '.join(after.values())}")


SCENARIOS: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "reserve": _reserve,
    "cancel": _cancel,
    "use": _use,
    "use-by-group": _use_by_group,
    "expire": _expire,
    "fault": _fault,
    "foreign-token": _foreign_token,
    "plug-first": _plug_first,
    "offline-use": _offline_use,
    "reboot": _reboot,
}


async def run_scenario(
    name: str,
    url: str,
    options: StationOptions,
    say: Say,
    *,
    world: World,
    api: str = "http://127.0.0.1:8080",
    wait_s: float = WAIT_S,
) -> bool:
    """Play one flow with one station; True when all of it went as the specification says.

    Args:
        name: A key of `SCENARIOS`.
        url: The CSMS's address without the station id.
        options: The station's; EVSE faults and reports as they say.
        say: Gets each line of the story.
        world: Time, ids and chance.
        api: The REST address that the hints name.
        wait_s: Seconds to wait for each order that somebody has to give to the CSMS.
    """
    play = SCENARIOS[name]
    async with SimulatedStation(url, replace(options, backoff_limit_s=1.0), world=world) as station:
        try:
            await station.online(timeout_s=wait_s)
            say(f"{station.id} is online at {station.url}")
            await play(Stage(station, world, say, api, wait_s))
            await station.settled()
        except (ScenarioFailed, TimeoutError) as error:
            say(f"failed: {error}")
            return False
    say(f"{name}: passed")
    return True
