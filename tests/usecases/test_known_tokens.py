"""Tokens in memory: known at once, a minute old at most, and never after a change."""

from datetime import timedelta

import pytest
from usecase_fakes import GROUP, TAG_A, MovedClock

from evhold.domain.authorization import Token, TokenStatus
from evhold.domain.events import RegistryChanged
from evhold.domain.values import IdToken
from evhold.usecases.fresh import FRESH
from evhold.usecases.known_tokens import KnownTokens


@pytest.fixture
def clock():
    """Moved by the test."""
    return MovedClock()


@pytest.fixture
def tokens(storage, clock):
    """A token with a group is stored; two are held at most."""
    storage.now.tokens.put(Token(id_token=TAG_A, group=GROUP))
    return KnownTokens(storage=storage, clock=clock, most=2)


async def test_a_token_is_read_once(storage, tokens):
    """Without regard to case, as in the database."""
    assert tokens.find(TAG_A) is None
    assert (await tokens.read(TAG_A)).group == GROUP
    reads = storage.reads

    assert tokens.find(IdToken("tag_a", TAG_A.type)).group == GROUP
    assert storage.reads == reads


async def test_after_a_minute_it_is_read_again(tokens, clock):
    """Whatever was heard of it."""
    await tokens.read(TAG_A)
    clock.at += FRESH - timedelta(seconds=1)
    assert tokens.find(TAG_A) is not None
    clock.at += timedelta(seconds=1)
    assert tokens.find(TAG_A) is None


async def test_a_change_counts_at_once(storage, tokens, clock):
    """Of this token; of another one nothing follows, and after a gap nothing is trusted."""
    await tokens.read(TAG_A)
    tokens.hear(RegistryChanged(at=clock.now(), kind="token", key="ISO14443:other"))
    tokens.hear(RegistryChanged(at=clock.now(), kind="key", key=TAG_A.key))
    assert tokens.find(TAG_A) is not None

    storage.now.tokens.put(Token(id_token=TAG_A, status=TokenStatus.BLOCKED))
    tokens.hear(RegistryChanged(at=clock.now(), kind="token", key=TAG_A.key))
    assert tokens.find(TAG_A) is None
    assert (await tokens.read(TAG_A)).status is TokenStatus.BLOCKED

    tokens.hear(None)
    assert len(tokens) == 0


async def test_what_changes_while_it_is_read_is_not_held(storage, tokens, monkeypatch):
    """What was read may be from before."""
    read = storage.read

    async def slowly(work):
        found = await read(work)
        tokens.forget(TAG_A.key)
        return found

    monkeypatch.setattr(storage, "read", slowly)
    assert await tokens.read(TAG_A) is not None
    assert tokens.find(TAG_A) is None


async def test_they_are_bounded_and_unknown_ones_are_not_held(storage, tokens):
    """The one that was unused longest goes first."""
    others = [IdToken(f"other{number}", "Central") for number in range(2)]
    for one in others:
        storage.now.tokens.put(Token(id_token=one))
    await tokens.read(TAG_A)
    await tokens.read(others[0])
    tokens.find(TAG_A)
    await tokens.read(others[1])
    assert await tokens.read(IdToken("nobody", "Central")) is None

    assert [tokens.find(one) is not None for one in (TAG_A, *others)] == [True, False, True]
