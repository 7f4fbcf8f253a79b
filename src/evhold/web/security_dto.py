"""What is told of security, and a station's new password."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from evhold.web.dto import Limit, Stamp, _In, _Out


class SecurityEventDto(_Out, frozen=True, kw_only=True):
    """One event, or ``count`` alike. ``stationId`` null: TLS failed before a name was told. ``toldAt`` is the station's clock."""

    number: int
    station_id: str | None
    type: str
    origin: Literal["station", "csms"]
    at: Stamp
    told_at: Stamp | None
    tech_info: str | None
    remote: str | None
    count: int


class SecurityQuery(Struct, rename="camel", kw_only=True, frozen=True):
    """A page of events, newest first."""

    limit: Limit = 100
    cursor: str | None = None


class PasswordPost(_In, frozen=True, kw_only=True):
    """A new password for the station; left out, one is made."""

    password: (
        Annotated[str, Meta(pattern=r"^[A-Za-z0-9*_=:+|@.-]{16,40}\Z", examples=["a-password-of-16-to-40"])] | UnsetType
    ) = UNSET


class PasswordDto(_Out, frozen=True, kw_only=True):
    """Whether the station has it. Unless ``Accepted``, it and the old one are valid until it connects by the new one or restarts."""

    station_id: str
    status: Literal["Accepted", "RebootRequired", "Unconfirmed"]
    password: str | UnsetType = UNSET
