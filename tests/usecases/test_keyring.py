"""API keys in memory: found at once, forgotten when they change, their uses written down later."""

from dataclasses import replace

import pytest
from usecase_fakes import CLI, START, TAG_A, CountedReads, seconds

from evhold.domain.access import Role
from evhold.domain.events import RegistryChanged
from evhold.usecases import provision
from evhold.usecases.keyring import KeyRing
from evhold.usecases.ports import StorageAway
from evhold.usecases.provision import KeyOrder


async def make_key(storage, clock, ids, **given):
    """Make a key."""
    order = KeyOrder(**{"name": "app", "role": Role.OPERATOR, **given})
    return await provision.create_key(order, who=CLI, storage=storage, clock=clock, ids=ids)


@pytest.fixture
def ring(storage, clock):
    """An empty ring."""
    return KeyRing(storage=storage, clock=clock)


async def test_a_key_is_read_once_in_a_minute(storage, clock, ids):
    """By its secret and by its id; after sixty seconds it is read again."""
    made, counted = await make_key(storage, clock, ids), CountedReads(storage)
    ring = KeyRing(storage=counted, clock=clock)
    for _ in range(5):
        assert await ring.by_secret(made.secret) == made.key
        assert await ring.by_id(made.key.id) == made.key
    assert counted.reads == 1
    clock.move(59)
    await ring.by_secret(made.secret)
    assert counted.reads == 1
    clock.move(1)
    await ring.by_secret(made.secret)
    assert counted.reads == 2


async def test_what_is_no_key_opens_nothing(storage, clock, ids, ring):
    """No secret but its own, and no id that is not there."""
    made = await make_key(storage, clock, ids)
    await ring.by_secret(made.secret)
    for guess in ("", "evh_guess", made.secret[:-1], made.secret + "x", made.secret.upper()):
        assert await ring.by_secret(guess) is None
    assert await ring.by_id(99) is None
    assert len(ring) == 1


async def test_an_expired_key_opens_nothing(storage, clock, ids, ring):
    """From the moment of its expiry, though it is held."""
    made = await make_key(storage, clock, ids, expires_at=START + seconds(10))
    assert await ring.by_secret(made.secret) == made.key
    clock.move(10)
    assert await ring.by_secret(made.secret) is None
    assert await ring.by_id(made.key.id) is None


@pytest.mark.parametrize("told", [True, False])
async def test_a_revoked_key_opens_nothing_once_it_was_told_of(storage, clock, ids, ring, told):
    """By its own event, or by a gap in which it may have been."""
    made = await make_key(storage, clock, ids)
    await ring.by_secret(made.secret)
    await provision.revoke_key(made.key.id, who=CLI, storage=storage, clock=clock)
    ring.hear(RegistryChanged(at=START, kind="token", key="x"))
    assert await ring.by_secret(made.secret) is not None
    ring.hear(RegistryChanged(at=START, kind="key", key=str(made.key.id)) if told else None)
    assert await ring.by_secret(made.secret) is None
    assert await ring.by_id(made.key.id) is None


async def test_a_key_that_changed_while_it_was_read_is_not_held(storage, clock, ids):
    """Or a key that was revoked in that moment would be good for another minute."""
    made = await make_key(storage, clock, ids)
    read = storage.read

    async def revoke_after(work):
        key = await read(work)
        storage.read = read
        await provision.revoke_key(made.key.id, who=CLI, storage=storage, clock=clock)
        ring.forget(made.key.id)
        return key

    storage.read = revoke_after
    ring = KeyRing(storage=storage, clock=clock)
    await ring.by_secret(made.secret)
    assert len(ring) == 0
    assert await ring.by_secret(made.secret) is None


async def test_the_ring_holds_so_many_keys(storage, clock, ids):
    """The longest unused goes first, and is read again."""
    ring = KeyRing(storage=storage, clock=clock, most=2)
    made = [await make_key(storage, clock, ids, name=str(number)) for number in range(3)]
    for one in (made[0], made[1], made[0], made[2], made[1]):
        assert await ring.by_secret(one.secret) == one.key
        assert len(ring) <= 2


async def test_uses_are_written_down_later(storage, clock, ids, ring):
    """No answer waits for it, and who looks sees them all the same."""
    made = await make_key(storage, clock, ids)
    unused = await make_key(storage, clock, ids, name="never used")
    writes = storage.writes
    clock.move(5)
    await ring.by_secret(made.secret)
    clock.move(1)
    await ring.by_id(made.key.id)
    assert storage.writes == writes
    at = START + seconds(6)
    seen = ring.with_uses([made.key, unused.key])
    assert [one.last_used_at for one in seen] == [at, None]
    await ring.store_uses()
    await ring.store_uses()
    assert storage.writes == writes + 1
    assert storage.now.keys.all() == [replace(made.key, last_used_at=at), unused.key]


async def test_a_use_does_not_bring_a_revoked_key_back(storage, clock, ids, ring):
    """Whatever was read before."""
    made = await make_key(storage, clock, ids)
    await ring.by_secret(made.secret)
    await provision.revoke_key(made.key.id, who=CLI, storage=storage, clock=clock)
    await ring.store_uses()
    (stored,) = storage.now.keys.all()
    assert (stored.revoked_at, stored.last_used_at) == (START, START)


async def test_uses_are_kept_while_the_database_is_away(storage, clock, ids, ring):
    """And written down when it is back, the newest of each key."""
    made = await make_key(storage, clock, ids, role=Role.DRIVER, id_tokens=(TAG_A,))
    await ring.by_secret(made.secret)
    transact = storage.transact

    async def away(work):
        raise StorageAway("gone")

    storage.transact = away
    with pytest.raises(StorageAway):
        await ring.store_uses()
    clock.move(2)
    await ring.by_secret(made.secret)
    storage.transact = transact
    await ring.store_uses()
    assert storage.now.keys.all()[0].last_used_at == START + seconds(2)


async def test_a_token_that_was_forgotten_stood_in_any_key(storage, clock, ids, ring):
    """The event names no key: all are read again."""
    made = await make_key(storage, clock, ids, role=Role.DRIVER, id_tokens=(TAG_A,))
    assert await ring.by_id(made.key.id) == made.key
    ring.hear(RegistryChanged(at=START, kind="key", key="forgotten-0815"))
    assert len(ring) == 0
