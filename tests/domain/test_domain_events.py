"""Outward names of events, and the small rules of keys and stations."""

from datetime import timedelta

import pytest
from lives import AT, active, minutes

from evhold.domain.access import ApiKey, Role
from evhold.domain.events import (
    ConnectorChanged,
    OrderDue,
    RegistryChanged,
    ReservationChanged,
    StationPresence,
    name_of,
)
from evhold.domain.station import Registration, Station
from evhold.domain.values import ConnectorId, EvseId, ReservationId, StationId

CS = StationId("CS1")
CONNECTOR = ConnectorChanged(
    at=AT, station_id=CS, evse_id=EvseId(1), connector_id=ConnectorId(1), status="Reserved", since=AT
)
KEY = ApiKey(id=1, name="app", role=Role.DRIVER, key_hash=b"hash", created_at=AT)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (
            ReservationChanged(name="reservation.used", at=AT, cause=None, reservation=active()),
            "reservation.used",
        ),
        (CONNECTOR, "connector.status"),
        (StationPresence(at=AT, station_id=CS, online=True), "station.online"),
        (StationPresence(at=AT, station_id=CS, online=False), "station.offline"),
        (OrderDue(at=AT, station_id=CS, reservation_id=ReservationId(1), not_before=AT), "order.due"),
        (RegistryChanged(at=AT, kind="token", key="x"), "_registry.changed"),
    ],
)
def test_events_have_their_outward_names(event, name):
    """Those that begin with an underscore stay inside."""
    assert name_of(event) == name


@pytest.mark.parametrize(
    ("expires", "revoked", "valid"),
    [(None, None, True), (1, None, True), (0, None, False), (None, 0, False)],
    ids=["for ever", "not yet expired", "expired", "revoked"],
)
def test_a_key_is_valid_until_it_expires_or_is_revoked(expires, revoked, valid):
    """At its very expiry it is not."""
    at = {None: None, 0: AT, 1: AT + minutes(1)}
    key = ApiKey(
        id=KEY.id, name=KEY.name, role=KEY.role, key_hash=KEY.key_hash, created_at=AT - timedelta(days=1),
        expires_at=at[expires], revoked_at=at[revoked],
    )  # fmt: skip
    assert key.is_valid(AT) is valid


@pytest.mark.req("B01", "B02", "B03")
@pytest.mark.parametrize(
    ("status", "registered"),
    [(Registration.ACCEPTED, True), (Registration.PENDING, False), (Registration.REJECTED, False), (None, False)],
)
def test_only_an_accepted_boot_registers_a_station(status, registered):
    """One that never booted is not registered."""
    assert Station(id=CS, boot_status=status).is_registered is registered
