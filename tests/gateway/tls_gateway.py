"""A gateway that is reached by TLS."""

from dataclasses import replace
from pathlib import Path

from gateway_harness import Gateway

from evhold.domain.station import Credentials
from evhold.domain.values import StationId
from evhold.gateway.tls import Certificates
from tls_stage import Folder


def tls_gateway(folder: Path, **more) -> Gateway:
    """A gateway by TLS that takes stations' certificates."""
    made = Folder(folder)
    made.issue()
    return Gateway(certificates=Certificates(made.files), **more)


def provision(gateway: Gateway, station_id: str, **changes) -> None:
    """What is provisioned of the station, over what the harness gave it."""
    known = gateway.credentials.get(station_id.casefold(), Credentials(station_id=StationId(station_id)))
    gateway.credentials[station_id.casefold()] = replace(known, **changes)
