"""What a station's variables say of its capabilities (beyond-the-guide 2.8)."""

import pytest

from evhold.domain.station import Capabilities, Station
from evhold.domain.variables import Variable, boolean, learned, seconds, with_variables

KNOWN = Capabilities(available=True, enabled=True, non_evse_specific=True)


def enabled(value=None, status="Accepted"):
    """ReservationCtrlr.Enabled."""
    return Variable(component="reservationctrlr", variable="ENABLED", value=value, status=status)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [("true", True), ("1", True), ("TRUE", True), (" True ", True), ("0", False), ("False", False), ("", None)],
)
def test_booleans_are_read_as_stations_write_them(text, meaning):
    """Any other text is unknown."""
    assert boolean(text) is meaning
    assert boolean("perhaps") is boolean(None) is None


@pytest.mark.parametrize("text", ["", "soon", "-1", "nan", "inf", None])
def test_a_duration_that_is_none_is_unknown(text):
    """A negative, endless or unreadable one is no duration."""
    assert seconds(text) is None


def test_seconds_are_read():
    """Also with a fraction."""
    assert seconds("1.5").total_seconds() == 1.5


@pytest.mark.parametrize("told", [enabled(), enabled(""), enabled(status="UnknownVariable"), enabled("?")])
def test_a_missing_value_is_unknown_never_no(told):
    """Accepted without a value, unreadable, or a variable that the station does not have."""
    assert learned(KNOWN, [told]).enabled is None


@pytest.mark.parametrize("status", ["Rejected", "RebootRequired", "NotSupportedAttributeType"])
def test_other_statuses_say_nothing_of_the_value_in_force(status):
    """What was known stays known."""
    assert learned(KNOWN, [enabled("false", status)]) == KNOWN


def test_every_variable_has_its_place_and_others_have_none():
    """Names compare without case."""
    told = [
        Variable(component="ReservationCtrlr", variable="Available", value="false"),
        Variable(component="ReservationCtrlr", variable="NonEvseSpecific", value="false"),
        Variable(component="TxCtrlr", variable="EVConnectionTimeOut", value="30"),
        Variable(component="ClockCtrlr", variable="Enabled", value="false"),
    ]

    known = learned(KNOWN, told)

    assert (known.available, known.enabled, known.non_evse_specific) == (False, True, False)
    assert known.ev_connection_timeout.total_seconds() == 30


def test_a_station_about_which_nothing_new_was_said_is_the_same():
    """The very object, so that nobody stores it."""
    station = Station(id="CS1", capabilities=KNOWN)

    assert with_variables(station, [enabled("1")]) is station
    assert with_variables(station, [enabled("0")]).capabilities.enabled is False
