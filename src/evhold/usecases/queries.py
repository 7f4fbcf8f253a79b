"""The read side, for the API and the page. ``visible_to`` narrows a driver's look to the tokens of its key; None sees all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evhold.domain.access import ApiKey
from evhold.domain.authorization import Token
from evhold.domain.connector import Connector
from evhold.domain.errors import ReservationUnknown, TokenUnknown
from evhold.domain.reservation import Reservation, State, Transition
from evhold.domain.station import Presence, Station
from evhold.domain.values import IdToken
from evhold.usecases.ports import StationCommands, Storage
from evhold.usecases.stores import ReservationFilter, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class StationView:
    """A station, its connectors by EVSE and id, and whether it can be asked."""

    station: Station
    connectors: tuple[Connector, ...]
    presence: Presence

    @property
    def is_online(self) -> bool:
        """Connected, and its boot was accepted."""
        return self.presence.online and self.presence.registered


# --- stations


async def stations_page(
    *, storage: Storage, stations: StationCommands, limit: int | None = None, after: str | None = None
) -> list[StationView]:
    """The stations after this id, in the order of their ids."""

    def work(tx: Tx) -> list[tuple[Station, list[Connector]]]:
        page = tx.stations.page(limit=limit, after=after)
        # Few are asked for one by one; the whole list costs one statement.
        connectors = tx.connectors.of_all() if limit is None else {one.id: tx.connectors.of(one.id) for one in page}
        return [(one, connectors.get(one.id, [])) for one in page]

    return [_view(station, connectors, stations) for station, connectors in await storage.read(work)]


async def station(station_id: str, *, storage: Storage, stations: StationCommands) -> StationView:
    """The station of this id, found without case.

    Raises:
        StationUnknown: It is not provisioned.
    """

    def work(tx: Tx) -> tuple[Station, list[Connector]]:
        found = tx.stations.get(station_id)
        return found, tx.connectors.of(found.id)

    return _view(*await storage.read(work), stations)


def _view(station: Station, connectors: list[Connector], stations: StationCommands) -> StationView:
    return StationView(station=station, connectors=tuple(connectors), presence=stations.presence(station.id))


# --- reservations


async def reservations_page(
    wanted: ReservationFilter, *, storage: Storage, visible_to: Sequence[IdToken] | None = None
) -> tuple[list[Reservation], int | None]:
    """The reservations that fit, newest first, and the cursor of the next page."""
    if visible_to is not None:
        tokens = tuple(one for one in visible_to if not wanted.id_tokens or one in wanted.id_tokens)
        if not tokens:
            return [], None
        wanted = replace(wanted, id_tokens=tokens)
    return await storage.read(lambda tx: tx.reservations.page(wanted))


async def reservation(
    reservation_id: int, *, storage: Storage, visible_to: Sequence[IdToken] | None = None
) -> Reservation:
    """The reservation of this id.

    Raises:
        ReservationUnknown: There is none, or it is another driver's.
    """
    return await storage.read(lambda tx: _visible(tx, reservation_id, visible_to))


async def history(
    reservation_id: int, *, storage: Storage, visible_to: Sequence[IdToken] | None = None
) -> list[Transition]:
    """All that happened to it, oldest first.

    Raises:
        ReservationUnknown: There is none, or it is another driver's.
    """

    def work(tx: Tx) -> list[Transition]:
        return tx.reservations.history(_visible(tx, reservation_id, visible_to).id)

    return await storage.read(work)


def _visible(tx: Tx, reservation_id: int, visible_to: Sequence[IdToken] | None) -> Reservation:
    found = tx.reservations.get(reservation_id)
    if visible_to is not None and found.terms.id_token not in visible_to:
        raise ReservationUnknown(reservation_id)
    return found


async def reservation_counts(*, storage: Storage) -> dict[State, int]:
    """How many reservations are in each state; states without any may be left out."""
    return await storage.read(lambda tx: tx.reservations.count_by_state())


# --- tokens and keys


async def tokens_page(*, storage: Storage, limit: int | None = None, after: str | None = None) -> list[Token]:
    """The tokens after this key (``IdToken.key``), in the order of their keys."""
    return await storage.read(lambda tx: tx.tokens.page(limit=limit, after=after))


async def token(id_token: IdToken, *, storage: Storage) -> Token:
    """What is stored of the token.

    Raises:
        TokenUnknown: It is not registered.
    """
    found = await storage.read(lambda tx: tx.tokens.find(id_token))
    if found is None:
        raise TokenUnknown(id_token)
    return found


async def keys(*, storage: Storage) -> list[ApiKey]:
    """All API keys, revoked ones too."""
    return await storage.read(lambda tx: tx.keys.all())
