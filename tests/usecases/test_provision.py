"""Stations, tokens and keys are provisioned; caches hear of it."""

import pytest
from usecase_fakes import CLI, GROUP, START, TAG_A, TAG_B

from evhold.domain.access import Role
from evhold.domain.authorization import Token, TokenStatus
from evhold.domain.credentials import hash_key, hash_password
from evhold.domain.errors import InvalidOrder, KeyUnknown, SecurityProfileLowered, StationUnknown, TokenUnknown
from evhold.domain.events import RegistryChanged
from evhold.domain.station import Location, Registration
from evhold.domain.values import IdToken
from evhold.usecases import provision
from evhold.usecases.provision import KeyOrder, PutStation, TokenOrder

PASSWORD = "a-password-of-a-machine"


def changed(kind, key):
    """What the caches are told."""
    return RegistryChanged(at=START, kind=kind, key=key)


async def put(storage, clock, ids, **given):
    """Put a station."""
    return await provision.put_station(PutStation(**given), who=CLI, storage=storage, clock=clock, ids=ids)


async def test_a_new_station_gets_a_password_that_is_shown_once(storage, clock, ids):
    """Only its salted hash is stored."""
    result = await put(storage, clock, ids, station_id="CS2")

    stored = storage.tables.credentials["cs2"]
    assert result.is_new
    assert result.station.created_at == START
    assert stored.password_hash == hash_password(stored.password_salt, result.password)
    assert storage.told == [changed("station", "CS2")]
    assert storage.tables.audit == [("cli", "put station", "CS2", "password")]


@pytest.mark.req("A00.FR.005")
@pytest.mark.parametrize("lower", [None, 0, 1])
async def test_a_security_profile_is_not_lowered(storage, clock, ids, lower):
    """It only goes up; a station that is removed and provisioned again begins anew."""
    await put(storage, clock, ids, station_id="CS1", security_profile=2)
    await put(storage, clock, ids, station_id="CS1", security_profile=2)

    with pytest.raises(SecurityProfileLowered, match="is 2, and only goes up"):
        await put(storage, clock, ids, station_id="CS1", security_profile=lower)
    await put(storage, clock, ids, station_id="CS1", security_profile=3)
    assert storage.now.stations.get("CS1").security_profile == 3


async def test_a_given_password_is_stored_and_not_shown(storage, clock, ids):
    """For a new station as for a known one."""
    result = await put(storage, clock, ids, station_id="cs1", password=PASSWORD)

    stored = storage.tables.credentials["cs1"]
    assert (result.is_new, result.password, result.station.id) == (False, None, "CS1")
    assert stored.password_hash == hash_password(stored.password_salt, PASSWORD)


async def test_a_known_station_gets_no_password_unasked(storage, clock, ids):
    """Nor does a new one whose profile knows none."""
    known = await put(storage, clock, ids, station_id="CS1")
    open_one = await put(storage, clock, ids, station_id="CS2", security_profile=0)

    assert known.password is open_one.password is None
    assert storage.tables.credentials == {}


async def test_what_is_left_out_stays(storage, clock, ids):
    """What is given counts, None too."""
    place = Location(name="Depot", latitude=50.1, longitude=8.6)
    await put(
        storage,
        clock,
        ids,
        station_id="CS1",
        serial_number="S1",
        registration=Registration.PENDING,
        restore_after_boot=False,
        location=place,
        security_profile=2,
    )

    station = (await put(storage, clock, ids, station_id="CS1", serial_number=None)).station

    assert (station.serial_number, station.registration, station.restore_after_boot) == (None, "Pending", False)
    assert (station.location, station.security_profile, station.boot_status) == (place, 2, "Accepted")


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("stationId", {"station_id": "a:b"}),
        ("password", {"station_id": "CS1", "password": "short"}),
        ("password", {"station_id": "CS1", "password": "x" * 65}),
        ("securityProfile", {"station_id": "CS1", "security_profile": 4}),
    ],
)
async def test_a_station_that_can_not_be_is_refused(storage, clock, ids, field, given):
    """The field is named, and nothing is stored."""
    with pytest.raises(InvalidOrder) as refused:
        await put(storage, clock, ids, **given)
    assert refused.value.field == field
    assert storage.writes == 0


async def test_a_removed_station_is_known_no_more(storage, clock):
    """Found without case; a second time it is unknown."""
    await provision.remove_station("cs1", who=CLI, storage=storage, clock=clock)

    assert storage.told == [changed("station", "CS1")]
    with pytest.raises(StationUnknown):
        await provision.remove_station("CS1", who=CLI, storage=storage, clock=clock)


async def put_token(storage, clock, **given):
    """Put TAG_A."""
    return await provision.put_token(TokenOrder(**{"id_token": TAG_A, **given}), who=CLI, storage=storage, clock=clock)


async def test_a_token_is_stored_and_what_is_left_out_stays(storage, clock):
    """A new one is Accepted without a group."""
    assert await put_token(storage, clock) == (Token(id_token=TAG_A), True)
    await put_token(storage, clock, group=GROUP, personal_message="Hello", cache_expiry=START)

    token, is_new = await put_token(storage, clock, status=TokenStatus.BLOCKED, personal_message=None)

    assert token == Token(id_token=TAG_A, status=TokenStatus.BLOCKED, group=GROUP, cache_expiry=START)
    assert (storage.now.tokens.find(TAG_A), is_new) == (token, False)
    assert storage.told == [changed("token", TAG_A.key)] * 3


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("idToken", {"id_token": IdToken("x" * 37, "Central")}),
        ("idToken", {"id_token": IdToken("", "Central")}),
        ("idToken", {"id_token": IdToken("x", "Passport")}),
        ("groupIdToken", {"group": IdToken("x" * 37, "Central")}),
        ("groupIdToken", {"group": IdToken("tag_a", "ISO14443")}),
        ("personalMessage", {"personal_message": "x" * 513}),
    ],
)
async def test_a_token_that_can_not_be_is_refused(storage, clock, field, given):
    """Too long, of an unknown type, or its own group."""
    with pytest.raises(InvalidOrder) as refused:
        await put_token(storage, clock, **given)
    assert refused.value.field == field


async def test_a_removed_token_is_registered_no_more(storage, clock):
    """A second time it is unknown."""
    await put_token(storage, clock)
    await provision.remove_token(TAG_A, who=CLI, storage=storage, clock=clock)

    assert storage.now.tokens.find(TAG_A) is None
    with pytest.raises(TokenUnknown):
        await provision.remove_token(TAG_A, who=CLI, storage=storage, clock=clock)


async def make_key(storage, clock, ids, **given):
    """Make a key."""
    order = KeyOrder(**{"name": "app", "role": Role.OPERATOR, **given})
    return await provision.create_key(order, who=CLI, storage=storage, clock=clock, ids=ids)


async def test_a_key_is_shown_once(storage, clock, ids):
    """Stored is its hash."""
    made = await make_key(storage, clock, ids)
    assert made.secret.startswith("evh_")
    assert (made.key.key_hash, made.key.last_used_at) == (hash_key(made.secret), None)
    assert storage.now.keys.all() == [made.key]


async def test_a_revoked_key_stays_revoked(storage, clock, ids):
    """The first time counts; an unknown one raises."""
    made = await make_key(storage, clock, ids)
    revoked = await provision.revoke_key(made.key.id, who=CLI, storage=storage, clock=clock)
    clock.move(10)

    assert revoked.revoked_at == START
    assert await provision.revoke_key(made.key.id, who=CLI, storage=storage, clock=clock) == revoked
    with pytest.raises(KeyUnknown):
        await provision.revoke_key(99, who=CLI, storage=storage, clock=clock)


async def test_a_driver_s_key_names_its_tokens(storage, clock, ids):
    """And no other key does."""
    made = await make_key(storage, clock, ids, role=Role.DRIVER, id_tokens=(TAG_A, TAG_B))
    assert made.key.id_tokens == (TAG_A, TAG_B)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("name", {"name": "x" * 101}),
        ("idTokens", {"role": Role.DRIVER}),
        ("idTokens", {"id_tokens": (TAG_A,)}),
        ("idTokens", {"role": Role.DRIVER, "id_tokens": (IdToken("x", "Passport"),)}),
        ("expiresAt", {"expires_at": START}),
    ],
)
async def test_a_key_that_can_not_be_is_refused(storage, clock, ids, field, given):
    """The field is named, and nothing is stored."""
    with pytest.raises(InvalidOrder) as refused:
        await make_key(storage, clock, ids, **given)
    assert refused.value.field == field
    assert storage.writes == 0


async def test_there_is_an_admin_key_after_the_first_start(storage, clock, ids):
    """Made once, unless another one is given."""
    made = await provision.ensure_admin(None, storage=storage, clock=clock, ids=ids)
    assert made.key.role is Role.ADMIN
    assert await provision.ensure_admin(None, storage=storage, clock=clock, ids=ids) is None

    given = await provision.ensure_admin("my own", storage=storage, clock=clock, ids=ids)
    assert given.secret == "my own"
    assert await provision.ensure_admin("my own", storage=storage, clock=clock, ids=ids) is None
    assert len(storage.now.keys.all()) == 2


async def test_an_operator_s_key_is_no_admin_key(storage, clock, ids):
    """Nor is a revoked one."""
    await make_key(storage, clock, ids)
    made = await provision.ensure_admin(None, storage=storage, clock=clock, ids=ids)
    await provision.revoke_key(made.key.id, who=CLI, storage=storage, clock=clock)

    assert await provision.ensure_admin(None, storage=storage, clock=clock, ids=ids) is not None
