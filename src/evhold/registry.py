"""What the terminal and the demo provision: straight into the database, seen by a running server."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from evhold.bindings import key_calls, token_calls
from evhold.domain.access import Actor
from evhold.domain.station import Station
from evhold.usecases import provision
from evhold.usecases.kept import Kept
from evhold.usecases.keyring import KeyRing
from evhold.usecases.known_tokens import KnownTokens
from evhold.usecases.ports import Clock, Ids, Storage
from evhold.usecases.traces import Kind
from evhold.web import calls as web


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryCalls:
    """What the terminal provisions."""

    put_station: Callable[[provision.PutStation], Awaitable[provision.StationPut]]
    remove_station: Callable[[str], Awaitable[None]]
    stations: Callable[[], Awaitable[list[Station]]]
    tokens: web.TokenCalls
    keys: web.KeyCalls
    now: Callable[[], datetime]


def registry_calls(storage: Storage, *, who: Actor, clock: Clock, ids: Ids, kept: Kept) -> RegistryCalls:
    """The provisioning calls; ``who`` is named in the audit."""

    async def put_station(order: provision.PutStation) -> provision.StationPut:
        place = await kept.place(Kind.STATIONS)
        return await provision.put_station(order, who=who, storage=storage, clock=clock, ids=ids, place=place)

    known, ring = KnownTokens(storage=storage, clock=clock), KeyRing(storage=storage, clock=clock)
    return RegistryCalls(
        put_station=put_station,
        remove_station=partial(provision.remove_station, who=who, storage=storage, clock=clock),
        stations=lambda: storage.read(lambda tx: tx.stations.page()),
        tokens=token_calls(storage, clock=clock, ids=ids, known=known, kept=kept),
        keys=key_calls(storage, ring=ring, clock=clock, ids=ids, kept=kept),
        now=clock.now,
    )
