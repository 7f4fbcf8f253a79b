"""The small values: tokens that compare as OCPP has it, kinds of asks, and the claims and phases of reservations."""

import pytest
from lives import EXPIRY, LATER, NEW, active, in_phase, replacing, terms, used

from evhold.domain.reservation import Due, Phase
from evhold.domain.values import AskKind, IdToken


@pytest.mark.req("H03.FR.01")
def test_tokens_compare_without_case_and_with_their_type():
    """The same text of another type is another token."""
    token = IdToken("aabbCCDD", "ISO14443")
    assert token == IdToken("AABBccdd", "ISO14443")
    assert hash(token) == hash(IdToken("AABBccdd", "ISO14443"))
    assert token != IdToken("aabbCCDD", "eMAID")
    assert token != "aabbCCDD"
    assert token.id_token == "aabbCCDD"


def test_the_kinds_of_asks_that_are_cancels():
    """All others are ReserveNow."""
    assert {kind for kind in AskKind if kind.is_cancel} == {AskKind.CANCEL, AskKind.CLEAN_UP}


def test_every_due_order_becomes_an_ask():
    """Retractions and wishes are the same message; the others keep their name."""
    assert {due: due.ask_kind for due in Due} == {
        Due.RETRACT: AskKind.CANCEL,
        Due.CANCEL: AskKind.CANCEL,
        Due.CLEAN_UP: AskKind.CLEAN_UP,
        Due.UNDO: AskKind.UNDO,
        Due.RENEW: AskKind.RENEW,
    }


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_can_be_told_from_the_reservation(phase):
    """State and closedness make the phase."""
    known = in_phase(phase)
    assert known.phase is phase
    assert known.is_live is (phase.value == known.state.value and phase is not Phase.REFUSED)


def test_a_replacement_claims_both_and_lasts_longer():
    """Nobody knows yet which terms will hold."""
    known = replacing()
    assert (known.claims, known.expiry) == ({1, 2}, LATER)
    assert (active().claims, active().expiry) == ({1}, EXPIRY)
    assert replacing(replacement=terms(None)).claims == {1}


@pytest.mark.parametrize(("keeps", "claims"), [(True, {1}), (False, set())])
def test_an_unproven_use_claims_while_it_is_said_to(keeps, claims):
    """Until its end, or its expiry."""
    assert used(keeps_claim=keeps).claims == claims
    assert NEW.evse_id == 2
