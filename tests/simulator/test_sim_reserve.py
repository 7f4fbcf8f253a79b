"""H01 and H02 as the station does them."""

import pytest

from evhold.ocpp.rpc.errors import NotImplemented_, OccurrenceConstraintViolation
from evhold.simulator.options import Misbehaviour


def test_an_available_evse_is_reserved_and_every_connector_says_so(bench):
    """H01.FR.03, H01.FR.23: Accepted, then Reserved for all connectors of the EVSE, and of no other."""
    lab = bench(connectors=(("cCCS2", "cType2"), ("cCCS2",)))
    assert lab.reserve(7, evseId=1) == "Accepted"
    assert lab.take() == [("StatusNotification", "1/1 Reserved"), ("StatusNotification", "1/2 Reserved")]


def test_without_the_reservation_block_the_action_is_not_implemented(bench):
    """ReservationCtrlr.Available=false: CALLERROR NotImplemented."""
    lab = bench(available=False)
    with pytest.raises(NotImplemented_):
        lab.reserve(evseId=1)
    with pytest.raises(NotImplemented_):
        lab.call("CancelReservation", reservationId=1)
    assert lab.held == set()


def test_reservations_switched_off_are_rejected(bench):
    """H01.FR.01: Enabled=false is answered Rejected with a word why."""
    assert bench(enabled=False).reserve(evseId=1) == "Rejected"


def test_the_same_id_replaces_the_reservation(bench):
    """H01.FR.02: other terms under the same id are the reservation from then on, at the other EVSE too."""
    lab = bench()
    lab.reserve(4, evseId=1)
    assert lab.reserve(4, who="CAFE", evseId=1) == "Accepted"
    assert lab.station.state.reservations[4].token.id_token == "CAFE"
    lab.take()
    assert lab.reserve(4, who="CAFE", evseId=2) == "Accepted"
    assert lab.take() == [("StatusNotification", "1/1 Available"), ("StatusNotification", "2/1 Reserved")]


def test_a_refused_replacement_leaves_the_old_terms(bench):
    """The old reservation holds when the new terms cannot be had; no status flickers."""
    lab = bench()
    lab.do("fault", 2)
    lab.reserve(4, evseId=1)
    lab.take()
    assert lab.reserve(4, who="CAFE", evseId=2) == "Faulted"
    assert lab.station.state.reservations[4].token.id_token == "AABBCCDD"
    assert lab.take() == []


def test_a_station_may_lose_the_old_reservation_in_a_refused_replacement(bench):
    """The known fault of a widely used station, as an option."""
    lab = bench(misbehaviour=Misbehaviour(drops_on_refused_replace=True))
    lab.reserve(4, evseId=1)
    assert lab.reserve(4, evseId=9) == "Rejected"
    assert lab.held == set()


def test_a_station_may_reject_a_known_id(bench):
    """The known fault of a widely used simulator, as an option."""
    lab = bench(misbehaviour=Misbehaviour(rejects_same_id=True))
    lab.reserve(4, evseId=1)
    assert lab.reserve(4, evseId=2) == "Rejected"
    assert lab.held == {4}


def test_id_zero_is_an_id_like_any_other(bench):
    """0 can be reserved, replaced and cancelled."""
    lab = bench()
    assert lab.reserve(0, evseId=1) == "Accepted"
    assert lab.call("CancelReservation", reservationId=0) == {"status": "Accepted"}


@pytest.mark.parametrize(("setting", "status"), [(True, "Accepted"), (False, "Rejected"), (None, "Rejected")])
def test_unspecified_reservations_need_non_evse_specific(bench, setting, status):
    """H01.FR.04, H01.FR.18, H01.FR.19: false and missing both reject; a named EVSE is not concerned."""
    lab = bench(non_evse_specific=setting)
    assert lab.reserve(1) == status
    assert lab.reserve(2, evseId=2) == "Accepted"


def test_the_last_evse_turns_reserved_when_reservations_equal_free_evses(bench):
    """H01.FR.20: nothing is told with one to spare; with none to spare all are Reserved; one more is Occupied (H01.FR.11)."""
    lab = bench()
    assert lab.reserve(1) == "Accepted"
    assert lab.take() == []
    assert lab.reserve(2) == "Accepted"
    assert lab.take() == [("StatusNotification", "1/1 Reserved"), ("StatusNotification", "2/1 Reserved")]
    assert lab.reserve(3) == "Occupied"
    assert lab.reserve(4, evseId=1) == "Occupied"


def test_a_car_that_takes_the_spare_evse_makes_the_last_one_reserved(bench):
    """H01.FR.07: one EVSE stays available for the reserved token whatever the others do."""
    lab = bench()
    lab.reserve(1)
    lab.do("plug_in", 1)
    assert lab.statuses() == ["Occupied", "Reserved"]
    assert lab.present("CAFE", 2) == "Refused"
    lab.do("unplug", 1)
    assert lab.statuses() == ["Available", "Available"]


def test_a_named_evse_is_not_given_away_when_an_unspecified_reservation_needs_it(bench):
    """H01.FR.07: of two EVSEs one may still be named, the last one not."""
    lab = bench()
    lab.reserve(1)
    assert lab.reserve(2, evseId=1) == "Accepted"
    assert lab.statuses() == ["Reserved", "Reserved"]
    assert lab.reserve(3, evseId=2) == "Occupied"


def test_a_connector_type_is_reserved_where_it_exists(bench):
    """H01.FR.06, H01.FR.24: the EVSEs of that type turn Reserved when none of them is to spare."""
    lab = bench(connector_types=("cCCS2", "cType2"), evses=3)
    assert lab.reserve(1, connectorType="cType2") == "Accepted"
    assert lab.take() == [("StatusNotification", "2/1 Reserved")]
    assert lab.reserve(2, connectorType="cType2") == "Occupied"
    assert lab.reserve(3, connectorType="cCCS2") == "Accepted"
    assert lab.take() == []
    assert lab.reserve(4) == "Accepted"
    assert lab.statuses() == ["Reserved", "Reserved", "Reserved"]
    assert lab.reserve(5, connectorType="cG105") == "Rejected"


def test_a_typed_reservation_keeps_its_type_against_unspecified_ones(bench):
    """H01.FR.09: an unspecified one is seated elsewhere, never on the last connector of a promised type."""
    lab = bench(connector_types=("cCCS2", "cType2"))
    assert lab.reserve(1) == "Accepted"
    assert lab.reserve(2, connectorType="cCCS2") == "Accepted"
    assert lab.statuses() == ["Reserved", "Reserved"]
    assert lab.reserve(3, connectorType="cType2") == "Occupied"


def test_refusals_say_what_the_evse_is(bench):
    """H01.FR.11, H01.FR.12, H01.FR.14: Occupied, Faulted, Unavailable; an unknown EVSE and a past expiry are Rejected."""
    lab = bench(evses=4)
    lab.do("plug_in", 1)
    lab.do("fault", 2)
    lab.call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 3})
    assert [lab.reserve(1, evseId=n) for n in (1, 2, 3, 5)] == ["Occupied", "Faulted", "Unavailable", "Rejected"]
    assert lab.reserve(1, seconds=-1, evseId=4) == "Rejected"
    assert lab.reserve(1, evseId=4) == "Accepted"
    assert lab.reserve(2, evseId=4) == "Occupied"


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (("fault", "fault"), "Faulted"),
        (("off", "off"), "Unavailable"),
        (("car", "car"), "Occupied"),
        (("fault", "car"), "Occupied"),
        (("fault", "free"), "Accepted"),
    ],
)
def test_an_unspecified_reservation_is_refused_by_what_all_evses_are(bench, states, status):
    """H01.FR.11, H01.FR.12, H01.FR.14 for all targeted EVSEs."""
    lab = bench()
    for evse_id, state in enumerate(states, start=1):
        match state:
            case "fault":
                lab.do("fault", evse_id)
            case "off":
                lab.call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": evse_id})
            case "car":
                lab.do("plug_in", evse_id)
    assert lab.reserve(1) == status


def test_a_token_without_a_car_occupies_the_evse_too(bench):
    """H01.FR.11: after an accepted token the EVSE is not free, although its status is Available."""
    lab = bench()
    lab.present("CAFE", 1)
    assert lab.reserve(1, evseId=1) == "Occupied"


def test_a_broken_request_is_answered_by_its_callerror(bench):
    """A missing field is an OccurrenceConstraintViolation."""
    with pytest.raises(OccurrenceConstraintViolation):
        bench().call("ReserveNow", id=1)


def test_cancel_makes_the_connectors_available_again(bench):
    """H02.FR.02-04: Accepted, then Available for all connectors, and no ReservationStatusUpdate."""
    lab = bench()
    lab.reserve(1, evseId=1)
    lab.take()
    assert lab.call("CancelReservation", reservationId=1) == {"status": "Accepted"}
    assert lab.take() == [("StatusNotification", "1/1 Available")]
    assert lab.present("CAFE", 1) == "Accepted"


def test_cancel_of_an_unknown_id_is_rejected(bench):
    """H02.FR.01: also for one that was cancelled before."""
    assert bench().call("CancelReservation", reservationId=77) == {"status": "Rejected"}


def test_cancel_of_one_of_all_reservations_frees_the_evses_that_are_not_named(bench):
    """H02.FR.05, H02.FR.06: with one to spare again all but the named one are Available."""
    lab = bench(evses=3)
    lab.reserve(1, evseId=1)
    lab.reserve(2)
    lab.reserve(3)
    lab.take()
    lab.call("CancelReservation", reservationId=3)
    assert lab.take() == [("StatusNotification", "2/1 Available"), ("StatusNotification", "3/1 Available")]


def test_cancel_with_a_foreign_car_at_the_evse_makes_it_occupied(bench):
    """A car that the reservation kept out counts from then on."""
    lab = bench()
    lab.reserve(1, evseId=1)
    lab.do("plug_in", 1)
    assert lab.statuses()[0] == "Reserved"
    lab.call("CancelReservation", reservationId=1)
    assert lab.statuses()[0] == "Occupied"
    assert lab.present("CAFE", 1) == "Accepted"
