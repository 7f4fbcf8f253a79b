"""The lively demo's site: two locations, their stations, the people with their cards. Pure data."""

from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Final, NamedTuple

from evhold.ocpp.v201.datatypes import IdTokenType
from evhold.simulator.options import Misbehaviour, StationOptions

CCS2: Final = "cCCS2"
TYPE2: Final = "cType2"
CHADEMO: Final = "cG105"
#: What the slow station takes for an order, in seconds.
SLOW_S: Final = 6.0
MOST_PEOPLE: Final = 40
PEOPLE_PER_EVSE: Final = 0.75


class SpotId(NamedTuple):
    """An EVSE by its station's id and its own."""

    station_id: str
    evse_id: int


#: No simulated driver goes there: it stays free for whoever tries the demo.
KEPT: Final = SpotId("NG-01", 1)
#: Loses its line now and then.
FLAKY: Final = "NG-06"
#: Answers orders slowly.
SLOW: Final = "QS-02"
#: Is taken out of service now and then.
SERVICED: Final = SpotId("QS-04", 2)


@dataclass(frozen=True, slots=True)
class Place:
    """A location; degrees, WGS 84. Its stations are called PREFIX-01 and so on."""

    prefix: str
    name: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Planned:
    """A station of the site and where it stands; its password comes later."""

    place: Place
    options: StationOptions


@dataclass(frozen=True, slots=True)
class Driver:
    """Somebody with a card, who reserves by the app ``app``; ``group`` is the card's groupIdToken."""

    token: IdTokenType
    app: str
    group: IdTokenType | None = None


NORTHGATE: Final = Place("NG", "Northgate Park & Ride", 55.9714, -3.1713)
QUAYSIDE: Final = Place("QS", "Quayside Garage", 55.9779, -3.1695)
DRIVER_APP: Final = "driver app"
FLEET: Final = IdTokenType(id_token="FLEET-7", type="Central")
CARSHARE: Final = IdTokenType(id_token="CARSHARE-2", type="Central")


def _kestrel(model: str, *connectors: tuple[str, ...], firmware: str) -> StationOptions:
    return StationOptions(vendor="Kestrel", model=model, firmware=firmware, connectors=connectors, remember=20)


def _ambra(model: str, evses: int, *, firmware: str = "1.18.3") -> StationOptions:
    return StationOptions(vendor="Ambra", model=model, firmware=firmware, connectors=((TYPE2,),) * evses, remember=20)


_SLOWLY: Final = Misbehaviour(answer_delay={"ReserveNow": SLOW_S, "CancelReservation": SLOW_S / 2})
_BUILT: Final = (
    (NORTHGATE, _kestrel("HC300", (CCS2,), (CCS2, CHADEMO), firmware="4.2.0")),
    (NORTHGATE, _kestrel("HC300", (CCS2,), (CCS2,), firmware="4.2.0")),
    (NORTHGATE, _kestrel("HC300", (CCS2,), (CCS2,), firmware="4.2.0")),
    (NORTHGATE, _ambra("Duo 22", 2)),
    (NORTHGATE, _ambra("Duo 22", 2)),
    (NORTHGATE, _ambra("Duo 22", 2, firmware="1.17.9")),
    (NORTHGATE, _ambra("Duo 22", 2)),
    (QUAYSIDE, _kestrel("HC150", (CCS2,), (CHADEMO,), firmware="3.9.6")),
    (QUAYSIDE, replace(_kestrel("HC150", (CCS2,), (CCS2,), firmware="3.9.6"), misbehaviour=_SLOWLY)),
    (QUAYSIDE, replace(_ambra("Quad 22", 4), reports="event")),
    (QUAYSIDE, _ambra("Duo 22", 2)),
    (QUAYSIDE, replace(_kestrel("HC150", (CCS2, TYPE2), (CCS2,), firmware="3.9.6"), enabled=False)),
)


def plan(size: int) -> list[Planned]:
    """The first ``size`` stations of the site; beyond the twelve more of the same models stand there, without quirks."""
    numbers = {NORTHGATE: 0, QUAYSIDE: 0}
    planned = []
    for count, (place, built) in enumerate(islice(cycle(_BUILT), size)):
        numbers[place] += 1
        options = replace(built, station_id=f"{place.prefix}-{numbers[place]:02}")
        if count >= len(_BUILT):
            options = replace(options, misbehaviour=Misbehaviour(), enabled=True)
        planned.append(Planned(place, options))
    return planned


def people(planned: list[Planned]) -> list[Driver]:
    """So many drivers that more than half of the EVSEs are held or in use; some drive for a fleet or share a car."""
    evses = sum(len(one.options.layout()) for one in planned)
    count = max(1, min(round(evses * PEOPLE_PER_EVSE), MOST_PEOPLE))
    return [_driver(number) for number in range(1, count + 1)]


def colleague(driver: Driver) -> Driver:
    """Somebody of the same group with another card; without a group the driver."""
    if driver.group is None:
        return driver
    number = 90 if driver.group == FLEET else 91
    return Driver(card(number), driver.app, driver.group)


def everybody(planned: list[Planned]) -> list[Driver]:
    """All whose card is known: the people, and a colleague for each group."""
    members = [Driver(card(0), DRIVER_APP, group) for group in (FLEET, CARSHARE)]
    return [*people(planned), *(colleague(member) for member in members)]


def _driver(number: int) -> Driver:
    if number % 3 == 0:
        return Driver(card(number), "fleet app", FLEET)
    return Driver(card(number), DRIVER_APP, CARSHARE if number % 5 == 0 else None)


def card(number: int) -> IdTokenType:
    """The RFID card of that number: 7 bytes, each card with its own last four digits."""
    return IdTokenType(id_token=f"04{(number + 7) * 0x9E3779B97F4A & 0xFFFFFFFFFFFF:012X}", type="ISO14443")
