"""G01: a connector reports its status, by StatusNotification or NotifyEvent.

No status ever changes a reservation (row 57).
"""

from collections.abc import Awaitable
from datetime import datetime, timedelta
from functools import partial

from evhold.domain.connector import Connector, is_news
from evhold.domain.events import ConnectorChanged
from evhold.domain.values import ConnectorId, EvseId
from evhold.usecases import station_clock
from evhold.usecases.ports import Connected, Recorder, Storage, Stored


def report(
    status: str,
    *,
    evse_id: int,
    connector_id: int,
    stamp: datetime,
    connected: Connected,
    recorder: Recorder,
    storage: Storage,
    at: datetime,
) -> Awaitable[None] | None:
    """The status is stored and told, if it is news; None: nothing to store, answer at once.

    Reports of EVSE 0 or connector 0 are about the whole station: accepted, not stored. Await each before the next report
    of the same connector.

    Args:
        status: As in ConnectorStatusEnumType.
        evse_id: The EVSE, 0 for the station.
        connector_id: Within its EVSE, 0 for the EVSE.
        stamp: The station's time of the change.
        connected: Remembers the status, once it is stored.
        recorder: Stores it with those of other stations.
        storage: Takes the station's clock offset, when it moved.
        at: When it was heard, by our clock.

    Requirements: G01.FR.06, G01.FR.09, G03.FR.09
    """
    offset = station_clock.learn(connected, stamp - at)
    news = _news(status, evse_id=evse_id, connector_id=connector_id, stamp=stamp, connected=connected)
    if news is None:
        return station_clock.store(connected, offset, storage=storage) if offset is not None else None
    stored = _store(news, connected, recorder=recorder, at=at)
    return stored if offset is None else _store_clock(stored, connected, offset, storage=storage)


def _news(status: str, *, evse_id: int, connector_id: int, stamp: datetime, connected: Connected) -> Connector | None:
    if evse_id <= 0 or connector_id <= 0:
        return None
    key = evse_id, connector_id
    known = connected.statuses.get(key)
    told = Connector(
        station_id=connected.station_id,
        evse_id=EvseId(evse_id),
        connector_id=ConnectorId(connector_id),
        status=status,
        type=known.type if known is not None else None,
        since=stamp,
    )
    if is_news(known, status=status, stamp=stamp, first_since_connect=key not in connected.reported):
        return told
    connected.reported.add(key)
    if known is not None and known.status == status and known.since is not None and stamp > known.since:
        # What is stamped before this can't be news any more.
        connected.statuses[key] = told
    return None


def _store(connector: Connector, connected: Connected, *, recorder: Recorder, at: datetime) -> Stored:
    told = ConnectorChanged(
        at=at,
        station_id=connector.station_id,
        evse_id=connector.evse_id,
        connector_id=connector.connector_id,
        status=connector.status or "",
        since=connector.since or at,
        type=connector.type,
    )

    stored = recorder.connector(connector, told)
    # Before whoever waits for it is answered.
    stored.add_done_callback(partial(_remember, connected, connector))
    return stored


def _remember(connected: Connected, connector: Connector, done: Stored) -> None:
    if done.exception() is None:
        key = connector.evse_id, connector.connector_id
        connected.statuses[key] = connector
        connected.reported.add(key)


async def _store_clock(stored: Stored, connected: Connected, offset: timedelta, *, storage: Storage) -> None:
    await stored
    await station_clock.store(connected, offset, storage=storage)
