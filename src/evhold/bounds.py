"""What the settings make of a node: its rules, where its listeners stand, and the bounds of the stations' one."""

from dataclasses import dataclass, replace
from datetime import timedelta

from evhold.gateway.doors import DoorSettings
from evhold.gateway.server import ServerSettings
from evhold.gateway.websocket import SocketSettings
from evhold.settings import Address, Settings
from evhold.usecases.ports import Rules


@dataclass(slots=True)
class Listening:
    """Where a started node can be reached."""

    api: Address
    stations: Address
    #: The secret of an admin key that was made just now; shown once.
    made_key: str | None = None


def rules_of(settings: Settings) -> Rules:
    """The rules that these settings make."""
    return Rules(
        call_timeout=timedelta(seconds=settings.call_timeout),
        expiry_grace=timedelta(seconds=settings.expiry_grace),
        expiring_before=timedelta(seconds=settings.expiring_before),
        restore_delay=timedelta(seconds=settings.restore_delay),
        accept_unknown_tokens=settings.unknown_tokens == "accept",
    )


def server_settings(settings: Settings) -> ServerSettings:
    """The bounds of the stations' listener that these settings make."""
    bounds = ServerSettings()
    return replace(
        bounds,
        max_stations=settings.max_stations,
        accepts_per_second=settings.accepts_per_second,
        doors=DoorSettings(
            connections_per_address=settings.connections_per_address,
            handshakes_at_once=settings.handshakes_at_once,
            handshake_timeout_s=settings.handshake_timeout,
        ),
        socket=SocketSettings(
            max_message=settings.max_message * 1024,
            max_buffered=settings.max_unread * 1024,
            frames_per_tick=round(settings.messages_per_second * bounds.tick_s),
        ),
    )
