"""A connector's status follows the station's own timestamps."""

from datetime import UTC, datetime, timedelta

import pytest

from evhold.domain.connector import Connector, is_news
from evhold.domain.values import ConnectorId, EvseId, StationId

AT = datetime(2026, 12, 15, 12, 0, tzinfo=UTC)
EARLIER, LATER = AT - timedelta(seconds=1), AT + timedelta(seconds=1)
KNOWN = Connector(
    station_id=StationId("CS1"), evse_id=EvseId(1), connector_id=ConnectorId(1), status="Available", since=AT
)
NEVER_REPORTED = Connector(station_id=StationId("CS1"), evse_id=EvseId(1), connector_id=ConnectorId(2), type="cCCS2")


@pytest.mark.parametrize("known", [None, NEVER_REPORTED])
def test_a_first_report_is_news(known):
    """Also where the inventory knew the connector before."""
    assert is_news(known, status="Available", stamp=AT, first_since_connect=False)


@pytest.mark.req("H01.FR.23")
@pytest.mark.parametrize(("stamp", "news"), [(LATER, True), (AT, True), (EARLIER, False)])
def test_a_change_is_news_unless_it_is_older(stamp, news):
    """Of equal stamps the later arrival counts."""
    assert is_news(KNOWN, status="Reserved", stamp=stamp, first_since_connect=False) is news


@pytest.mark.req("B04.FR.01")
def test_the_first_report_after_a_connect_always_counts():
    """The station's clock may have been set back."""
    assert is_news(KNOWN, status="Occupied", stamp=EARLIER, first_since_connect=True)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("stamp", [AT, LATER])
def test_the_same_status_again_is_no_news(stamp, first):
    """StatusNotification and NotifyEvent may both tell it."""
    assert not is_news(KNOWN, status="Available", stamp=stamp, first_since_connect=first)


@pytest.mark.parametrize(("first", "news"), [(True, True), (False, False)])
def test_the_same_status_shows_a_clock_that_was_set_back(first, news):
    """Its stamp is stored, or all that follows would look old."""
    assert is_news(KNOWN, status="Available", stamp=EARLIER, first_since_connect=first) is news
