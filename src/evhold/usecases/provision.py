"""Stations, tokens and keys are provisioned. Each change is told to the caches (RegistryChanged) once it is committed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final, TypeVar

from evhold.domain.access import Actor, ApiKey, Role
from evhold.domain.authorization import Token, TokenStatus
from evhold.domain.credentials import LONGEST_PASSWORD, SHORTEST_PASSWORD, hash_key, hash_password, is_station_id
from evhold.domain.errors import InvalidOrder, KeyUnknown, SecurityProfileLowered, StationUnknown
from evhold.domain.events import RegistryChanged
from evhold.domain.station import Credentials, Location, Registration, Station
from evhold.domain.values import IdToken, StationId
from evhold.usecases.ports import Clock, Ids, Storage
from evhold.usecases.stores import Tx

T = TypeVar("T")

KEY_PREFIX: Final = "evh_"
TOKEN_TYPES: Final = frozenset(
    {"Central", "eMAID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress", "NoAuthorization"}
)
LONGEST_TOKEN: Final = 36
LONGEST_MESSAGE: Final = 512
LONGEST_NAME: Final = 100
#: Profiles whose handshake knows no password: none at all, and a client's certificate.
PROFILES_WITHOUT_PASSWORD: Final = frozenset({0, 3})
HIGHEST_PROFILE: Final = 3


class Keep(Enum):
    """Marks what an order leaves as it is."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


#: Takes a place for one more that is to be kept; raises LimitReached.
Place = Callable[[], None]


def no_limit() -> None:
    """There is always room."""


def _kept(given: T | Keep, stored: T) -> T:
    return stored if isinstance(given, Keep) else given


def _changed(tx: Tx, *, at: datetime, kind: str, key: str) -> None:
    tx.outbox.add(RegistryChanged(at=at, kind=kind, key=key))


# --- stations


@dataclass(frozen=True, slots=True, kw_only=True)
class PutStation:
    """A Charging Station as it should be; what is KEEP stays, or has its default where the station is new."""

    station_id: str
    password: str | Keep = KEEP
    security_profile: int | Keep | None = KEEP
    serial_number: str | Keep | None = KEEP
    registration: Registration | Keep = KEEP
    restore_after_boot: bool | Keep = KEEP
    location: Location | Keep | None = KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class StationPut:
    """The stored station; ``password`` is one that was made just now, shown this once."""

    station: Station
    is_new: bool
    password: str | None = None


async def put_station(
    order: PutStation, *, who: Actor, storage: Storage, clock: Clock, ids: Ids, place: Place = no_limit
) -> StationPut:
    """The station may connect, and is as ordered.

    A new station gets a password when none is given, unless its security profile knows none; one that was there keeps
    what it has.

    Raises:
        InvalidOrder: ``stationId``, ``password`` or ``securityProfile`` can't be.
        SecurityProfileLowered: The station's profile only goes up.
        LimitReached: It would be one more than there may be.

    Requirements: A00.FR.005
    """
    _check_station(order)
    made, salt = ids.secret(), ids.secret().encode()[:64]

    def work(tx: Tx) -> StationPut:
        at = clock.now()
        known = tx.stations.find(order.station_id)
        station = _station(order, known or Station(id=StationId(order.station_id), created_at=at))
        # A00.FR.005: lowering is none of OCPP's ways, and none of ours.
        if known is not None and (station.security_profile or 0) < (known.security_profile or 0):
            raise SecurityProfileLowered(known.security_profile or 0)
        needs_password = known is None and station.security_profile not in PROFILES_WITHOUT_PASSWORD
        password = made if isinstance(order.password, Keep) and needs_password else None
        given = password if isinstance(order.password, Keep) else order.password
        if known is None:
            place()
        tx.stations.put(station, credentials=_credentials(station, given, salt=salt) if given else None)
        tx.audit.add(at=at, who=who, what="put station", station_id=station.id, detail="password" if given else "")
        _changed(tx, at=at, kind="station", key=station.id)
        return StationPut(station=station, is_new=known is None, password=password)

    return await storage.transact(work)


async def remove_station(station_id: str, *, who: Actor, storage: Storage, clock: Clock) -> None:
    """The station is known no more; its reservations and their history stay.

    Raises:
        StationUnknown: It is not provisioned.
    """

    def work(tx: Tx) -> None:
        known = tx.stations.find(station_id)
        if known is None:
            raise StationUnknown(station_id)
        at = clock.now()
        tx.stations.remove(known.id)
        tx.audit.add(at=at, who=who, what="remove station", station_id=known.id, detail="")
        _changed(tx, at=at, kind="station", key=known.id)

    await storage.transact(work)


def _check_station(order: PutStation) -> None:
    if not is_station_id(order.station_id):
        raise InvalidOrder("stationId", "1 to 48 letters, digits, spaces or any of * - _ = + | @ .")
    if isinstance(order.password, str) and not SHORTEST_PASSWORD <= len(order.password) <= LONGEST_PASSWORD:
        raise InvalidOrder("password", f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    if isinstance(order.security_profile, int) and not 0 <= order.security_profile <= HIGHEST_PROFILE:
        raise InvalidOrder("securityProfile", f"0 to {HIGHEST_PROFILE}")


def _station(order: PutStation, known: Station) -> Station:
    return replace(
        known,
        security_profile=_kept(order.security_profile, known.security_profile),
        serial_number=_kept(order.serial_number, known.serial_number),
        registration=_kept(order.registration, known.registration),
        restore_after_boot=_kept(order.restore_after_boot, known.restore_after_boot),
        location=_kept(order.location, known.location),
    )


def _credentials(station: Station, password: str, *, salt: bytes) -> Credentials:
    return Credentials(
        station_id=station.id,
        password_salt=salt,
        password_hash=hash_password(salt, password),
        security_profile=station.security_profile,
    )


# --- tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOrder:
    """An IdToken as it should be; what is KEEP stays, or has its default where the token is new."""

    id_token: IdToken
    status: TokenStatus | Keep = KEEP
    group: IdToken | Keep | None = KEEP
    cache_expiry: datetime | Keep | None = KEEP
    personal_message: str | Keep | None = KEEP
    notify: tuple[str, ...] | Keep = KEEP


async def put_token(
    order: TokenOrder, *, who: Actor, storage: Storage, clock: Clock, place: Place = no_limit
) -> tuple[Token, bool]:
    """The token is stored as ordered; return it, and whether it is new.

    Raises:
        InvalidOrder: The token, its group or its message can't be. A token is not its own group.
        LimitReached: It would be one more than there may be.
    """
    _check_token(order)

    def work(tx: Tx) -> tuple[Token, bool]:
        known = tx.tokens.find(order.id_token) or Token(id_token=order.id_token)
        token = replace(
            known,
            status=_kept(order.status, known.status),
            group=_kept(order.group, known.group),
            cache_expiry=_kept(order.cache_expiry, known.cache_expiry),
            personal_message=_kept(order.personal_message, known.personal_message),
            notify=_kept(order.notify, known.notify),
        )
        is_new, at = tx.tokens.put(token), clock.now()
        if is_new:
            place()
        detail = f"{token.id_token.masked} {token.status}"
        tx.audit.add(at=at, who=who, what="put token", station_id=None, detail=detail)
        _changed(tx, at=at, kind="token", key=token.id_token.key)
        return token, is_new

    return await storage.transact(work)


async def remove_token(id_token: IdToken, *, who: Actor, storage: Storage, clock: Clock) -> None:
    """The token is registered no more.

    Raises:
        TokenUnknown: It was not.
    """

    def work(tx: Tx) -> None:
        tx.tokens.remove(id_token)
        at = clock.now()
        tx.audit.add(at=at, who=who, what="remove token", station_id=None, detail=id_token.masked)
        _changed(tx, at=at, kind="token", key=id_token.key)

    await storage.transact(work)


def _check_token(order: TokenOrder) -> None:
    _check_id_token("idToken", order.id_token)
    if isinstance(order.group, IdToken):
        _check_id_token("groupIdToken", order.group)
        if order.group == order.id_token:
            raise InvalidOrder("groupIdToken", "a token is not its own group")
    if isinstance(order.personal_message, str) and len(order.personal_message) > LONGEST_MESSAGE:
        raise InvalidOrder("personalMessage", f"at most {LONGEST_MESSAGE} characters")


def _check_id_token(field: str, id_token: IdToken) -> None:
    if not 1 <= len(id_token.id_token) <= LONGEST_TOKEN:
        raise InvalidOrder(field, f"1 to {LONGEST_TOKEN} characters")
    if id_token.type not in TOKEN_TYPES:
        raise InvalidOrder(field, f"its type is one of {', '.join(sorted(TOKEN_TYPES))}")


# --- keys


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOrder:
    """A new API key. A driver's names its tokens; no other does."""

    name: str
    role: Role
    id_tokens: tuple[IdToken, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyMade:
    """The stored key and its secret, shown this once."""

    key: ApiKey
    secret: str


async def create_key(
    order: KeyOrder,
    *,
    who: Actor,
    storage: Storage,
    clock: Clock,
    ids: Ids,
    secret: str | None = None,
    place: Place = no_limit,
) -> KeyMade:
    """The key is valid from now on; ``secret`` None: one is made.

    Raises:
        InvalidOrder: ``name``, ``idTokens`` or ``expiresAt`` can't be.
        LimitReached: It would be one more than there may be.
    """
    made = _new_key(order, secret=secret if secret is not None else KEY_PREFIX + ids.secret(), at=clock.now())

    def work(tx: Tx) -> ApiKey:
        place()
        return _insert_key(tx, made.key, who=who)

    return KeyMade(await storage.transact(work), made.secret)


def _new_key(order: KeyOrder, *, secret: str, at: datetime) -> KeyMade:
    _check_key(order, at=at)
    key = ApiKey(
        id=0,
        name=order.name,
        role=order.role,
        key_hash=hash_key(secret),
        id_tokens=order.id_tokens,
        created_at=at,
        expires_at=order.expires_at,
    )
    return KeyMade(key, secret)


def _insert_key(tx: Tx, new: ApiKey, *, who: Actor) -> ApiKey:
    key = tx.keys.insert(new)
    tx.audit.add(at=key.created_at, who=who, what="create key", station_id=None, detail=f"{key.id} {key.role}")
    _changed(tx, at=key.created_at, kind="key", key=str(key.id))
    return key


async def ensure_admin(given: str | None, *, storage: Storage, clock: Clock, ids: Ids) -> KeyMade | None:
    """The given admin key is valid, or, without one, some admin key is; return the one that was made for it.

    Args:
        given: The secret that the operator chose; None where none was.
        storage: A read, and a transaction where a key is made.
        clock: Says which keys are valid now.
        ids: Make the secret.
    """
    at = clock.now()
    wanted = None if given is None else hash_key(given)

    def is_there(tx: Tx) -> bool:
        valid = [one for one in tx.keys.all() if one.is_valid(at) and one.role is Role.ADMIN]
        return any(wanted is None or one.key_hash == wanted for one in valid)

    # A start needs no transaction that writes, where nothing is missing.
    if await storage.read(is_there):
        return None
    order = KeyOrder(name="admin", role=Role.ADMIN)
    made = _new_key(order, secret=given if given is not None else KEY_PREFIX + ids.secret(), at=at)
    # Of nodes that start together one makes it: the others are run again, and find it.
    key = await storage.transact(lambda tx: None if is_there(tx) else _insert_key(tx, made.key, who=Actor("start")))
    return None if key is None else KeyMade(key, made.secret)


async def revoke_key(key_id: int, *, who: Actor, storage: Storage, clock: Clock) -> ApiKey:
    """The key is valid no more; a revoked one stays as it is.

    Raises:
        KeyUnknown: There is none.
    """

    def work(tx: Tx) -> ApiKey:
        known = tx.keys.get(key_id)
        if known is None:
            raise KeyUnknown(key_id)
        if known.revoked_at is not None:
            return known
        at = clock.now()
        revoked = replace(known, revoked_at=at)
        tx.keys.save(revoked)
        tx.audit.add(at=at, who=who, what="revoke key", station_id=None, detail=str(key_id))
        _changed(tx, at=at, kind="key", key=str(key_id))
        return revoked

    return await storage.transact(work)


def _check_key(order: KeyOrder, *, at: datetime) -> None:
    if len(order.name) > LONGEST_NAME:
        raise InvalidOrder("name", f"at most {LONGEST_NAME} characters")
    if (order.role is Role.DRIVER) != bool(order.id_tokens):
        raise InvalidOrder("idTokens", "a driver's key names its tokens, and no other key does")
    for id_token in order.id_tokens:
        _check_id_token("idTokens", id_token)
    if order.expires_at is not None and order.expires_at <= at:
        raise InvalidOrder("expiresAt", "it has passed")
