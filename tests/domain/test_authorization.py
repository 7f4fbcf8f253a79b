"""What a station is told about a token."""

from datetime import UTC, datetime

import pytest

from evhold.domain.authorization import NO_AUTHORIZATION, Token, TokenInfo, TokenStatus, answer_about, token_info
from evhold.domain.values import IdToken

ID = IdToken("AABBCCDD", "ISO14443")
GROUP = IdToken("GROUP001", "Central")
UNTIL = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.req("H03.FR.08", "H03.FR.04", "E01.FR.12")
@pytest.mark.parametrize("status", TokenStatus)
def test_a_known_token_is_told_with_its_group_and_all_that_is_stored(status):
    """Whatever its status."""
    token = Token(id_token=ID, status=status, group=GROUP, cache_expiry=UNTIL, personal_message="hello")
    told = TokenInfo(status=status, group=GROUP, cache_expiry=UNTIL, personal_message="hello")
    assert token_info(token, accept_unknown=False) == told
    assert answer_about(ID, token, accept_unknown=False) == told


def test_a_token_is_not_its_own_group():
    """A station that is told so would let everybody with the token's number in."""
    token = Token(id_token=ID, group=IdToken("aabbccdd", "ISO14443"))
    assert token_info(token, accept_unknown=False).group is None


@pytest.mark.req("H03.FR.08")
@pytest.mark.parametrize(("accept", "status"), [(True, "Accepted"), (False, "Unknown")])
def test_an_unknown_token_is_told_as_the_operator_set_it(accept, status):
    """Unknown, or let in."""
    assert token_info(None, accept_unknown=accept) == TokenInfo(status=status)
    assert answer_about(ID, None, accept_unknown=accept) == TokenInfo(status=status)


def test_a_start_button_is_accepted():
    """It names nobody, and was meant for everybody."""
    button = IdToken("", NO_AUTHORIZATION)
    assert answer_about(button, None, accept_unknown=False) == TokenInfo(status="Accepted")
    blocked = Token(id_token=button, status=TokenStatus.BLOCKED)
    assert answer_about(button, blocked, accept_unknown=False).status == "Blocked"
