"""Domain values as the JSON of the API, and back."""

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import UNSET, DecodeError, Raw, UnsetType, json

from evhold.domain.access import ApiKey
from evhold.domain.authorization import Token
from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged, Event, OrderDue, ReservationChanged, StationPresence
from evhold.domain.reservation import Reservation, Transition
from evhold.domain.station import Location
from evhold.domain.values import ConnectorId, EvseId, IdToken, StatusInfo, Terms
from evhold.usecases.queries import StationView
from evhold.web.dto import (
    CapabilitiesDto,
    ConnectorDto,
    ConnectorEventDto,
    EvseDto,
    FrameDto,
    IdTokenDto,
    KeyDto,
    LocationDto,
    OrderEventDto,
    ReservationCreate,
    ReservationDto,
    ReservationEventDto,
    StationDto,
    StationEventDto,
    StatusInfoDto,
    TermsDto,
    TokenDto,
    TransitionDto,
)


def stamp(at: datetime) -> str:
    """RFC 3339 UTC with ``Z``; milliseconds only when there are any."""
    utc = at.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond >= 1000 else "seconds").replace("+00:00", "Z")


def maybe_stamp(at: datetime | None) -> str | None:
    """The time as ``stamp`` has it, or None."""
    return None if at is None else stamp(at)


def time_of(at: datetime) -> datetime:
    """UTC, cut to milliseconds: what is stored is what a station is told. Raises OverflowError at the edge of the calendar."""
    utc = at.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def raw(text: str) -> Raw:
    """The JSON as it is, or, where it is none, as a string."""
    try:
        json.decode(text)
    except (DecodeError, RecursionError):
        return Raw(json.encode(text))
    return Raw(text.encode())


def token_dto(token: IdToken) -> IdTokenDto:
    """The token as JSON."""
    return IdTokenDto(id_token=token.id_token, type=token.type)  # type: ignore[arg-type]  # checked when it came in


def _token_dto(token: IdToken | None) -> IdTokenDto | None:
    return None if token is None else token_dto(token)


def id_token(dto: IdTokenDto) -> IdToken:
    """The token as a domain value."""
    return IdToken(dto.id_token, dto.type)


def maybe_id_token(dto: IdTokenDto | None) -> IdToken | None:
    """The token as a domain value, or None."""
    return None if dto is None else id_token(dto)


def _info(info: StatusInfo | None) -> StatusInfoDto | None:
    return None if info is None else StatusInfoDto(reason_code=info.reason_code, additional_info=info.additional_info)


def status_info_dto(info: StatusInfo | None) -> StatusInfoDto | None:
    """The station's words as JSON."""
    return _info(info)


def _terms_dto(terms: Terms) -> TermsDto:
    return TermsDto(
        evse_id=terms.evse_id,
        connector_type=terms.connector_type,
        id_token=token_dto(terms.id_token),
        group_id_token=_token_dto(terms.group_id_token),
        expiry_date_time=stamp(terms.expiry),
    )


def terms_of(body: ReservationCreate) -> Terms:
    """The terms that a POST asks for."""
    return Terms(
        id_token=id_token(body.id_token),
        expiry=time_of(body.expiry_date_time),
        evse_id=None if body.evse_id is None else EvseId(body.evse_id),
        connector_type=body.connector_type,
        group_id_token=maybe_id_token(body.group_id_token),
    )


def reservation_dto(reservation: Reservation) -> ReservationDto:
    """The reservation as JSON."""
    terms = reservation.terms
    return ReservationDto(
        id=reservation.id,
        station_id=reservation.station_id,
        evse_id=terms.evse_id,
        connector_type=terms.connector_type,
        id_token=token_dto(terms.id_token),
        group_id_token=_token_dto(terms.group_id_token),
        expiry_date_time=stamp(terms.expiry),
        status=reservation.state,
        ocpp_status=reservation.ocpp_status,
        status_info=_info(reservation.status_info),
        cause=reservation.cause,
        transaction_id=reservation.transaction_id,
        used_evse_id=reservation.used_evse_id,
        used_by=_token_dto(reservation.used_by),
        proven=reservation.proven,
        token_mismatch=reservation.token_mismatch,
        confirmed=reservation.confirmed,
        replacement=None if reservation.replacement is None else _terms_dto(reservation.replacement),
        cancel_requested_at=maybe_stamp(reservation.cancel_requested_at),
        created_at=stamp(reservation.created_at),
        updated_at=stamp(reservation.updated_at),
        version=reservation.version,
    )


def transition_dto(row: Transition) -> TransitionDto:
    """The history row as JSON."""
    return TransitionDto(
        from_=row.from_state,
        to=row.to_state,
        fact=row.fact,
        cause=row.cause,
        by=row.by,
        frames=[FrameDto(sender=frame.sender, at=stamp(frame.at), frame=raw(frame.text)) for frame in row.frames],
        at=stamp(row.at),
        status_info=_info(row.status_info),
        anomaly=row.anomaly,
    )


def connector_dto(connector: Connector) -> ConnectorDto:
    """The connector as JSON."""
    since = maybe_stamp(connector.since)
    return ConnectorDto(id=connector.connector_id, status=connector.status, type=connector.type, since=since)


def _evses(connectors: Iterable[Connector]) -> list[EvseDto]:
    evses: dict[EvseId, list[ConnectorDto]] = {}
    for connector in sorted(connectors, key=lambda known: (known.evse_id, known.connector_id)):
        listed = evses.setdefault(connector.evse_id, [])
        # An EVSE that is known by its number alone has a connector 0 or none at all.
        if connector.connector_id > ConnectorId(0):
            listed.append(connector_dto(connector))
    return [EvseDto(id=evse_id, connectors=listed) for evse_id, listed in evses.items()]


def location_dto(place: Location | None) -> LocationDto | None:
    """The place as JSON."""
    if place is None:
        return None
    return LocationDto(name=place.name, latitude=place.latitude, longitude=place.longitude)


def station_dto(view: StationView, *, free_only: bool = False, password: str | UnsetType = UNSET) -> StationDto:
    """The station as JSON; ``free_only`` leaves EVSEs out that have no Available connector."""
    station = view.station
    evses = _evses(view.connectors)
    if free_only:
        evses = [evse for evse in evses if any(connector.status == "Available" for connector in evse.connectors)]
    known, place = station.capabilities, station.location
    return StationDto(
        id=station.id,
        online=view.is_online,
        last_seen=maybe_stamp(station.last_seen),
        ocpp_version=station.ocpp_version,
        vendor_name=station.vendor_name,
        model=station.model,
        firmware_version=station.firmware_version,
        serial_number=station.serial_number or station.reported_serial_number,
        registration=station.registration,
        security_profile=station.security_profile,
        restore_after_boot=station.restore_after_boot,
        location=location_dto(place),
        reservations=CapabilitiesDto(
            available=known.available, enabled=known.enabled, non_evse_specific=known.non_evse_specific
        ),
        evses=evses,
        password=password,
    )


def registered_token_dto(token: Token) -> TokenDto:
    """The registered token as JSON."""
    return TokenDto(
        id_token=token.id_token.id_token,
        type=token.id_token.type,
        status=token.status,
        group_id_token=_token_dto(token.group),
        cache_expiry_date_time=maybe_stamp(token.cache_expiry),
        personal_message=token.personal_message,
    )


def key_dto(key: ApiKey, *, secret: str | UnsetType = UNSET) -> KeyDto:
    """The key as JSON, with its secret the one time that it is known."""
    return KeyDto(
        id=key.id,
        name=key.name,
        role=key.role,
        id_tokens=[token_dto(token) for token in key.id_tokens],
        created_at=stamp(key.created_at),
        expires_at=maybe_stamp(key.expires_at),
        revoked_at=maybe_stamp(key.revoked_at),
        last_used_at=maybe_stamp(key.last_used_at),
        key=secret,
    )


def event_dto(event: Event) -> ReservationEventDto | ConnectorEventDto | StationEventDto | OrderEventDto | None:
    """The event's data; None for those that are never told outside."""
    match event:
        case ReservationChanged():
            told = reservation_dto(event.reservation)
            return ReservationEventDto(reservation=told, cause=event.cause, at=stamp(event.at))
        case ConnectorChanged():
            return ConnectorEventDto(
                station_id=event.station_id,
                evse_id=event.evse_id,
                connector_id=event.connector_id,
                status=event.status,
                type=event.type,
                since=stamp(event.since),
                at=stamp(event.at),
            )
        case StationPresence():
            return StationEventDto(station_id=event.station_id, online=event.online, at=stamp(event.at))
        case OrderDue():
            return OrderEventDto(
                station_id=event.station_id,
                reservation_id=event.reservation_id,
                not_before=stamp(event.not_before),
                at=stamp(event.at),
            )
        case _:
            return None
