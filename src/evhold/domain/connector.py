"""A connector's status, ordered by the station's own timestamps (design: status order)."""

from dataclasses import dataclass
from datetime import datetime

from evhold.domain.values import ConnectorId, EvseId, StationId


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """One connector. ``since`` is the station's stamp of its status; ``status`` and ``since`` are None until first reported."""

    station_id: StationId
    evse_id: EvseId
    connector_id: ConnectorId
    status: str | None = None
    type: str | None = None
    since: datetime | None = None


def is_news(known: Connector | None, *, status: str, stamp: datetime, first_since_connect: bool) -> bool:
    """Whether a report changes what is stored.

    By the station's timestamp; equal stamps: the later arrival counts. The first report of a connector after a boot or a
    reconnect always counts, as the station's clock may have been set back. The same status again is no news, but where
    only its stamp shows that the clock was set back: what comes next would look old.
    """
    if known is None or known.since is None:
        return True
    if status == known.status:
        return first_since_connect and stamp < known.since
    return first_since_connect or stamp >= known.since
