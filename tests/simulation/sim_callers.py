"""Drivers and operators at the API: they reserve, replace and cancel as the web layer does, and remember what they were told."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sim_loop import World
from sim_node import Csms
from sim_site import Site
from sim_station import SimStation

from evhold import bindings
from evhold.domain.errors import DomainError
from evhold.domain.reservation import Reservation, State
from evhold.domain.values import By, EvseId, IdToken, Terms
from evhold.usecases.h01_reserve import Placed, ReplaceOrder, ReserveOrder, TermsPatch
from evhold.usecases.h02_cancel import CancelOrder
from evhold.usecases.ports import StorageAway
from evhold.usecases.stores import IdempotentRequest
from evhold.web.calls import ReservationCalls

TOKENS: Final = ("AA01", "AA02", "BB01", "CC01")
KEY_ID: Final = 1
GROUP: Final = IdToken("FLEET", "Central")


@dataclass(slots=True)
class Heard:
    """What the world outside was told.

    Args:
        ids: Reservations that were committed.
        answered: Those of them whose caller got an answer.
        active: Those whose caller was told that it has it (201).
        keys: Idempotency-Keys, each as often as it made a reservation.
        failures: Requests that ended in an error that is none of the outward contract's.
        wrong_ends: Events that told of an end while the station still held it, each with its excuse.
    """

    ids: list[int] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    active: list[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    wrong_ends: list[tuple[Reservation, str, str | None]] = field(default_factory=list)


class Callers:
    """Everybody who calls the API, at whatever node."""

    def __init__(self, world: World, *, site: Site, rng: random.Random) -> None:
        self.world, self.site, self.rng = world, site, rng
        self.heard = Heard()
        self._bound: dict[int, tuple[int, ReservationCalls]] = {}

    def reserve(self, station: SimStation) -> tuple[Terms, float]:
        """A POST is on its way; return its terms, and for how many seconds it is."""
        rng = self.rng
        kind = rng.choices(("evse", "type", "any"), (6, 1, 3))[0]
        lasting = rng.choice((rng.uniform(5, 90), rng.uniform(100, 900), rng.uniform(1500, 4000)))
        token = rng.choice(TOKENS)
        terms = Terms(
            id_token=IdToken(token, "ISO14443"),
            expiry=self._whole(lasting),
            evse_id=EvseId(rng.randint(1, len(station.options.layout()))) if kind == "evse" else None,
            connector_type="cCCS2" if kind == "type" else None,
            group_id_token=GROUP if token.startswith("AA") and rng.random() < 0.5 else None,
        )
        repeated = rng.random() < 0.2
        request = (
            IdempotentRequest(api_key_id=KEY_ID, key=f"{rng.getrandbits(64):x}", body_hash=b"") if repeated else None
        )
        order = ReserveOrder(
            station_id=station.id, terms=terms, by=By.DRIVER, force=rng.random() < 0.5, request=request
        )
        what = f"reserve {station.id} {terms.evse_id} for {token} until {terms.expiry:%H:%M:%S}"
        self._call(what, self._reserving(order))
        if repeated:
            later = self.world.time + rng.choice((0.0, 0.05, 40.0)) * rng.random()
            self.world.at(later, lambda: self._call(f"again: {what}", self._reserving(order)))
        return terms, lasting

    def _reserving(self, order: ReserveOrder) -> Callable[[ReservationCalls], Awaitable[None]]:
        async def work(calls: ReservationCalls) -> None:
            placed = await calls.place(order)
            if not isinstance(placed, Placed):
                return
            self.heard.ids.append(placed.reservation.id)
            if order.request is not None:
                self.heard.keys.append(order.request.key)
            known = await self._order(calls.ask(placed), name=f"reserve {placed.reservation.id}")
            self.heard.answered.append(known.id)
            # As the API answers a POST: 201.
            if known.was_active or known.accepted_kept or known.state in (State.ACTIVE, State.USED):
                self.heard.active.append(known.id)
            self.world.note(f"API: {known.id} is {known.state}")
            if order.request is not None:
                await calls.remember(order.request, status=200, body=b"{}")

        return work

    def replace(self) -> None:
        """A PATCH of one of the latest reservations is on its way."""
        if not self.heard.ids:
            return
        rng, wanted = self.rng, self._some_id()
        expiry = self._whole(rng.choice((rng.uniform(5, 60), rng.uniform(60, 1200), rng.uniform(1500, 4000))))
        changes = rng.choice(
            (
                TermsPatch(expiry=expiry),
                TermsPatch(evse_id=EvseId(rng.randint(1, 2)), expiry=expiry),
                TermsPatch(id_token=IdToken(rng.choice(TOKENS), "ISO14443"), group_id_token=None),
            )
        )
        order = ReplaceOrder(reservation_id=wanted, changes=changes, by=By.DRIVER)

        async def work(calls: ReservationCalls) -> None:
            proposed = await calls.propose(order)
            await self._order(calls.ask_replacement(proposed), name=f"replace {wanted}")

        self._call(f"replace {wanted} by {changes}", work)

    def cancel(self) -> None:
        """A DELETE of one of the latest reservations is on its way."""
        if not self.heard.ids:
            return
        wanted = self._some_id()

        async def work(calls: ReservationCalls) -> None:
            wished = await calls.wish(CancelOrder(reservation_id=wanted, by=By.DRIVER))
            if wished.ask is not None:
                await self._order(calls.ask_cancel(wished), name=f"cancel {wanted}")

        self._call(f"cancel {wanted}", work)

    def keep(self) -> None:
        """One of the latest reservations is to be kept after all."""
        if self.heard.ids:
            order = CancelOrder(reservation_id=self._some_id(), by=By.DRIVER)
            self._call(f"keep {order.reservation_id}", lambda calls: calls.keep(order))

    def hasten(self) -> None:
        """What waits to be sent for one of the latest reservations is to be sent now."""
        if self.heard.ids:
            order = CancelOrder(reservation_id=self._some_id(), by=By.OPERATOR)
            self._call(f"ask {order.reservation_id} now", lambda calls: calls.hasten(order))

    async def _order(self, work: object, *, name: str) -> Reservation:
        node = next(one for one in self.site.nodes if one.runs_on is asyncio.get_running_loop())
        assert node.app is not None
        done: Reservation = await node.app.orders.start(work, name=name)  # type: ignore[arg-type]  # a coroutine of either kind
        return done

    def _calls_of(self, node: Csms) -> ReservationCalls:
        assert node.app is not None
        bound = self._bound.get(node.number)
        if bound is None or bound[0] != node.lives:
            bound = self._bound[node.number] = node.lives, bindings.reservation_calls(node.app.parts)
        return bound[1]

    def _call(self, what: str, work: Callable[[ReservationCalls], Awaitable[object]]) -> None:
        node = self.site.one()
        if not node.is_up:
            return
        self.world.note(f"API of {node}: {what}")
        calls = self._calls_of(node)

        async def guarded() -> None:
            try:
                await work(calls)
            except (DomainError, StorageAway) as error:
                self.world.note(f"API: {what}: {error!r}")
            except Exception as error:  # noqa: BLE001  # whatever else it is, it would be a 500
                self.heard.failures.append(f"{what}: {error!r}")

        node.spawn(guarded())

    def _whole(self, lasting: float) -> datetime:
        return (self.world.now + timedelta(seconds=lasting)).replace(microsecond=0) + timedelta(seconds=1)

    def _some_id(self) -> int:
        return self.rng.choice(self.heard.ids[-4:])
