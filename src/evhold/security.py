"""What guards the stations' door: the certificates of the settings, and what is noted of who stood there."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from evhold.config import ConfigError
from evhold.domain.access import Actor
from evhold.domain.security import Incident, Origin, SecurityEvent
from evhold.domain.values import StationId
from evhold.domain.variables import Variable
from evhold.gateway.tls import Certificates, TlsFiles, TlsUnusable
from evhold.settings import Settings
from evhold.usecases import a01_password, a04_security_events, audit, retention
from evhold.usecases.ports import CallFailed, Clock, Ids, NeverSent, NoAnswer, StationCommands, Storage, Variables

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold")

#: How many kinds of incidents wait to be stored; more of one kind are a number, more kinds are counted in the log.
MOST_WAITING: Final = 256
STORE_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Gated:
    """Variables that are set once the gate knows of what was stored: the station may use it at once."""

    variables: Variables
    refresh: Callable[[Collection[str]], Awaitable[None]]

    async def get(
        self, station_id: StationId, wanted: Sequence[Variable]
    ) -> list[Variable] | CallFailed | NoAnswer | NeverSent:
        """As theirs."""
        return await self.variables.get(station_id, wanted)

    async def set(
        self, station_id: StationId, wanted: Sequence[Variable]
    ) -> list[Variable] | CallFailed | NoAnswer | NeverSent:
        """As theirs."""
        await self.refresh([station_id])
        return await self.variables.set(station_id, wanted)


ChangePassword = Callable[..., Awaitable[a01_password.Changed | a01_password.NotTaken | CallFailed | NeverSent]]


def password_change(
    *,
    storage: Storage,
    enduring: Storage,
    variables: Variables,
    stations: StationCommands,
    clock: Clock,
    ids: Ids,
    refresh: Callable[[Collection[str]], Awaitable[None]],
) -> ChangePassword:
    """A01, bound; ``refresh`` makes the gate know what is stored."""

    async def change(
        station_id: str, password: str | None, *, who: Actor
    ) -> a01_password.Changed | a01_password.NotTaken | CallFailed | NeverSent:
        gated = Gated(variables, refresh)
        try:
            return await a01_password.change(
                a01_password.Order(station_id=station_id, password=password, who=who),
                storage=storage,
                enduring=enduring,
                variables=gated,
                stations=stations,
                clock=clock,
                ids=ids,
            )
        finally:
            await refresh([station_id])

    return change


def certificates(settings: Settings) -> Certificates | None:
    """Those of the settings; None: stations connect by plain sockets.

    Raises:
        ConfigError: They can't be used.
    """
    if not settings.tls_cert:
        return None
    files = TlsFiles(
        certificates=tuple(Path(one) for one in settings.tls_cert),
        keys=tuple(Path(one) for one in settings.tls_key),
        client_ca=None if settings.tls_client_ca is None else Path(settings.tls_client_ca),
    )
    try:
        return Certificates(files)
    except TlsUnusable as error:
        raise ConfigError(error.option, error.reason) from error


async def prune_trails(settings: Settings, *, storage: Storage, clock: Clock) -> None:
    """Who did what, what was noted of security, and which sessions ended, is gone where nobody needs it any more."""
    audited = clock.now() - timedelta(days=settings.keep_audit)
    await audit.prune(before=audited, storage=storage)
    await retention.prune_keys(before=audited, storage=storage)
    events_before = clock.now() - timedelta(days=settings.keep_security_events)
    await a04_security_events.prune(before=events_before, storage=storage)
    await retention.prune_sessions(storage=storage, clock=clock)


class IncidentLog:
    """Incidents on their way to the database: never waited for, alike ones together, so that nobody fills a disk.

    Args:
        storage: One transaction a second at most.
        clock: Ours.
    """

    def __init__(self, *, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._waiting: Counter[Incident] = Counter()
        self._since: dict[Incident, datetime] = {}
        self._dropped = 0
        self._some = asyncio.Event()

    def note(self, incident: Incident) -> None:
        """It is stored soon."""
        if incident not in self._waiting and len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            return
        self._waiting[incident] += 1
        self._since.setdefault(incident, self._clock.now())
        self._some.set()

    async def run(self) -> None:
        """For ever: they are stored, once a second at most."""
        while True:
            await self._some.wait()
            await self.store(self._storage)
            await asyncio.sleep(STORE_EVERY_S)

    async def store(self, storage: Storage) -> None:
        """What waits is stored."""
        waiting, self._waiting = self._waiting, Counter()
        since, self._since = self._since, {}
        dropped, self._dropped = self._dropped, 0
        self._some.clear()
        if dropped:
            log.warning("incidents.dropped", incidents=dropped)
        events = [_event(one, count=count, at=since[one]) for one, count in waiting.items()]
        await a04_security_events.keep(events, storage=storage)


def _event(incident: Incident, *, count: int, at: datetime) -> SecurityEvent:
    return SecurityEvent(
        station_id=incident.station_id,
        type=incident.type.value,
        origin=Origin.CSMS,
        at=at,
        tech_info=incident.detail,
        remote=incident.remote,
        count=count,
    )
