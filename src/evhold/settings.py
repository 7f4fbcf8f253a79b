"""What a server is started with: values only; config.py reads them, options.py says how each is written."""

import ipaddress
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

from evhold.usecases.traces import Kind


class Address(msgspec.Struct, frozen=True):
    """Where a listener stands; port 0 is a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


@contextmanager
def named(option: str, address: Address) -> Iterator[None]:
    """An OSError says which option asked for an address that can't be had."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else error.strerror
        raise OSError(f"{option} {address}: {reason}") from error


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a server is started with. Durations are seconds; ``given`` names the options that somebody set."""

    api: Address = Address("127.0.0.1", 8080)
    stations: Address = Address("127.0.0.1", 9000)
    database: str = "sqlite:///evhold.db"
    nats: str | None = None
    admin_key: str | None = None
    unknown_stations: Literal["reject", "accept"] = "reject"
    unknown_tokens: Literal["reject", "accept"] = "reject"
    call_timeout: float = 30.0
    expiry_grace: float = 30.0
    expiring_before: float = 300.0
    restore_delay: float = 60.0
    max_stations: int = 20_000
    accepts_per_second: float = 500.0
    connections_per_address: int = 5_000
    handshakes_at_once: int = 1_000
    handshake_timeout: float = 10.0
    messages_per_second: float = 200.0
    max_message: int = 512
    max_unread: int = 1024
    station_queue: int = 16
    stations_kept: int = 2_000_000
    tokens_kept: int = 20_000_000
    keys_kept: int = 100_000
    webhooks_kept: int = 100
    keep_history: int = 0
    drain: float = 5.0
    frame_log: int = 64
    keep_audit: int = 365
    keep_security_events: int = 90
    rate_limit: int = 2_000
    failed_logins: int = 20
    request_timeout: float = 20.0
    trusted_proxy: tuple[str, ...] = ()
    cors_origin: tuple[str, ...] = ()
    webhook_allow: tuple[str, ...] = ()
    insecure: bool = False
    tls_cert: tuple[str, ...] = ()
    tls_key: tuple[str, ...] = ()
    tls_client_ca: str | None = None
    oidc_issuer: str | None = None
    oidc_audience: tuple[str, ...] = ()
    oidc_roles_claim: str = "roles"
    oidc_role: tuple[tuple[str, str], ...] = ()
    oidc_tokens_claim: str = "evhold_tokens"
    given: frozenset[str] = frozenset()

    @property
    def most_kept(self) -> dict[Kind, int]:
        """How many of each kind there may be."""
        return {
            Kind.STATIONS: self.stations_kept,
            Kind.TOKENS: self.tokens_kept,
            Kind.KEYS: self.keys_kept,
            Kind.WEBHOOKS: self.webhooks_kept,
        }

    @property
    def shown_database(self) -> str:
        """The database's URL for everybody's eyes."""
        return re.sub(r"(?<=://)([^/@]*?):[^/]*@", r"\1:***@", self.database)
