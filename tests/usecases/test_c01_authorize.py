"""C01: what a station is told about a token."""

import pytest
from usecase_fakes import GROUP, TAG_A, MovedClock

from evhold.domain.authorization import Token, TokenInfo, TokenStatus
from evhold.domain.values import IdToken
from evhold.usecases.c01_authorize import authorize
from evhold.usecases.known_tokens import KnownTokens
from evhold.usecases.ports import Rules


def known(storage):
    """Nothing is held yet."""
    return KnownTokens(storage=storage, clock=MovedClock())


@pytest.mark.req("H03.FR.08")
async def test_a_token_is_answered_with_its_group(storage):
    """Compared without case; a token is not its own group."""
    storage.now.tokens.put(Token(id_token=TAG_A, group=GROUP))

    info = await authorize(IdToken("tag_a", "ISO14443"), tokens=known(storage), rules=Rules())

    assert info == TokenInfo(status="Accepted", group=GROUP)


async def test_a_blocked_token_is_said_to_be_blocked(storage):
    """With the status that is stored."""
    storage.now.tokens.put(Token(id_token=TAG_A, status=TokenStatus.BLOCKED))

    assert (await authorize(TAG_A, tokens=known(storage), rules=Rules())).status == "Blocked"


@pytest.mark.parametrize(("accept", "status"), [(False, "Unknown"), (True, "Accepted")])
async def test_an_unknown_token_is_answered_by_the_rules(storage, accept, status):
    """The same text under another type is another token."""
    storage.now.tokens.put(Token(id_token=IdToken("TAG_A", "Central")))

    info = await authorize(TAG_A, tokens=known(storage), rules=Rules(accept_unknown_tokens=accept))

    assert info == TokenInfo(status=status)


async def test_a_start_button_is_accepted(storage):
    """NoAuthorization names nobody."""
    info = await authorize(IdToken("", "NoAuthorization"), tokens=known(storage), rules=Rules())

    assert info == TokenInfo(status="Accepted")
