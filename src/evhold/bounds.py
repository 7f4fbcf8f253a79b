"""The bounds of the stations' listener, as the settings have them."""

from dataclasses import replace

from evhold.config import Settings
from evhold.gateway.doors import DoorSettings
from evhold.gateway.server import ServerSettings
from evhold.gateway.websocket import SocketSettings


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
