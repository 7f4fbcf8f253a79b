"""Every refusal says in one line what it is about."""

import inspect

import pytest

from evhold.domain import errors
from evhold.domain.errors import DomainError
from evhold.domain.values import EvseId, IdToken, ReservationId, StationId

CS, ID = StationId("CS1"), ReservationId(42)
TEXTS = {
    errors.StationUnknown("CS1"): "CS1 is not provisioned",
    errors.ReservationUnknown(42): "no reservation 42",
    errors.TokenUnknown(IdToken("AABBCCDD", "ISO14443")): "not registered",
    errors.TokenInUse([ID]): "1 reservations that have not ended",
    errors.KeyUnknown(3): "no key 3",
    errors.WebhookUnknown(3): "no webhook 3",
    errors.DeliveryUnknown(4): "no dead delivery 4",
    errors.LimitReached("keys-kept", 3): "--keys-kept 3: there are as many as may be kept",
    errors.NotifyNotInstalled(): "evhold[notify]",
    errors.ReservationEnded(ID, "Used"): "42 has ended: Used",
    errors.OrderInProgress(ID): "42 waits for another order",
    errors.NothingToAsk(ID): "42 has no order",
    errors.NoCancelRequest(ID): "cancel reservation 42",
    errors.CancelInProgress(ID): "42 was already sent",
    errors.EvseAlreadyReserved(CS, EvseId(1)): "EVSE 1 of CS1",
    errors.VersionConflict(ID, 7): "42 is at version 7",
    errors.ReservationsNotSupported("ReservationCtrlr.Enabled"): "ReservationCtrlr.Enabled is false",
    errors.UnspecifiedEvseNotSupported("ReservationCtrlr.NonEvseSpecific"): "NonEvseSpecific is false",
    errors.TokenNotAccepted("Blocked"): "not accepted: Blocked",
    errors.StationOffline(CS): "CS1 is offline",
    errors.StationBusy(CS, ID): "wait for Charging Station CS1",
    errors.ReservationsAffected([ID]): "1 live reservations",
    errors.GoesThroughReservations("ReserveNow"): "ReserveNow goes through",
    errors.SerialNumberMismatch(): "not the one of the certificate",
    errors.PasswordChangePending(CS): "CS1 has not shown yet which of two passwords",
    errors.GoesThroughPassword(): "POST /stations/{id}/password",
    errors.SecurityProfileLowered(3): "security profile is 3, and only goes up",
    errors.InvalidOrder("evseId", "is not positive"): "evseId: is not positive",
    errors.IdempotencyKeyReused(): "another body",
    errors.RequestInProgress(): "still running",
}


@pytest.mark.parametrize("error", TEXTS, ids=lambda error: type(error).__name__)
def test_the_text_names_what_it_is_about(error):
    """One line, without the token itself."""
    text = str(error)
    assert TEXTS[error] in text
    assert "\n" not in text
    assert "AABBCCDD" not in text


def test_every_error_is_listed_here_and_in_the_tree():
    """The module's docstring draws the tree; none shadows a builtin or ends in Exception."""
    kinds = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DomainError)}
    assert kinds - {DomainError} == {type(error) for error in TEXTS}
    for kind in kinds:
        assert kind.__name__ in (errors.__doc__ or "")
        assert not kind.__name__.endswith("Exception")
