"""Whatever happens in whatever order, the station keeps its promises."""

from hypothesis import given
from hypothesis import strategies as st

from conftest import Bench
from evhold.simulator.reservations import feasible
from evhold.simulator.state import StationState

TOKENS = ("AABBCCDD", "CAFE", "D0001")
ACTS = st.one_of(
    st.tuples(
        st.just("reserve"),
        st.integers(0, 4),
        st.sampled_from(TOKENS),
        st.sampled_from([{"evseId": 1}, {"evseId": 2}, {"connectorType": "cCCS2"}, {"connectorType": "cType2"}, {}]),
        st.integers(1, 50),
    ),
    st.tuples(st.just("cancel"), st.integers(0, 4)),
    st.tuples(st.sampled_from(["plug_in", "unplug", "fault", "clear_fault", "off", "on"]), st.integers(1, 3)),
    st.tuples(st.just("present"), st.sampled_from(TOKENS), st.sampled_from([1, 2, 3, None])),
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.tuples(st.sampled_from(["disconnect", "connect", "reboot"])),
)


def act(lab: Bench, step: tuple) -> None:
    """Do one step."""
    match step:
        case ("reserve", reservation_id, who, target, seconds):
            lab.reserve(reservation_id, who=who, seconds=seconds, **target)
        case ("cancel", reservation_id):
            lab.call("CancelReservation", reservationId=reservation_id)
        case ("present", who, evse_id):
            lab.present(who, evse_id)
        case ("off" | "on", evse_id):
            lab.station.set_operative([lab.station.state.evses[evse_id]], step[0] == "on", now=lab.now)
            lab.deliver()
        case ("wait", seconds):
            lab.wait(seconds)
        case ("disconnect",):
            lab.disconnect()
        case ("connect",) if not lab.station.outbox.online:
            lab.connect()
        case ("reboot",):
            lab.do("reboot", "PowerUp")
            lab.connect()
        case (name, evse_id):
            lab.do(name, evse_id)


def uses(sent: list[tuple[str, dict]]) -> list[tuple[int, str]]:
    """Reservation id and transaction of each TransactionEvent that names one."""
    return [
        (payload["reservationId"], payload["transactionInfo"]["transactionId"])
        for action, payload in sent
        if action == "TransactionEvent" and "reservationId" in payload
    ]


def told(state: StationState) -> dict[tuple[int, int], str | None]:
    """What the CSMS was told last of each connector."""
    return {(e.id, c.id): c.reported for e in state.evses.values() for c in e.connectors}


@given(
    st.lists(ACTS, max_size=40),
    st.sampled_from(["Authorized", "EVConnected", "PowerPathClosed", "ParkingBayOccupancy"]),
)
def test_promises_hold_after_every_step(steps, start_point):
    """Every reservation can be served (H01.FR.07); what was told is what is true; no reservation is told twice in a transaction."""
    lab = Bench(evses=3, connector_types=("cCCS2", "cType2"), tx_start_point=start_point)
    state = lab.station.state
    for step in steps:
        act(lab, step)
        assert feasible(state)
        assert all(r.evse_id is None or state.evses[r.evse_id].in_service for r in state.reservations.values())
        if lab.station.outbox.online:
            status_of = lab.station.reporter.status_of
            assert told(state) == {(e.id, c.id): status_of(e, c) for e in state.evses.values() for c in e.connectors}
    named = uses(lab.sent)
    assert len(named) == len(set(named))


@given(st.lists(ACTS, max_size=30))
def test_every_transaction_is_told_from_its_start_to_its_end_without_a_gap(steps):
    """E01.FR.07: seqNo 0, 1, 2, ...; Started first, Ended last."""
    lab = Bench(evses=3, connector_types=("cCCS2", "cType2"), tx_start_point="EVConnected")
    for step in steps:
        act(lab, step)
    if not lab.station.outbox.online:
        lab.connect()
    events: dict[str, list[dict]] = {}
    for action, payload in lab.sent:
        if action == "TransactionEvent":
            events.setdefault(payload["transactionInfo"]["transactionId"], []).append(payload)
    for life in events.values():
        assert [event["seqNo"] for event in life] == list(range(len(life)))
        assert life[0]["eventType"] == "Started"
        assert "Ended" not in [event["eventType"] for event in life][:-1]
