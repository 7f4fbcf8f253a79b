"""Bugs, planted one at a time, that the simulation must find. Each is one that somebody could really write."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from sqlalchemy import bindparam, delete, select

from evhold.adapters.sql import nodes as sql_nodes
from evhold.adapters.sql import reservations as sql_reservations
from evhold.adapters.sql import tables
from evhold.domain import transitions
from evhold.domain.facts import CancelRejected, Refused, Silent
from evhold.domain.reservation import Reservation, State
from evhold.domain.values import By, Heard, ReservationId
from evhold.ocpp.v201 import reservation as block
from evhold.usecases import h01_reserve, nodes
from evhold.usecases.h01_reserve import Placed, ReserveOrder
from evhold.usecases.ports import NoAnswer, StationCommands, Storage
from evhold.usecases.settle import heard_answer, settle


class _Undo(Exception):
    def __init__(self, placed: Placed) -> None:
        self.placed = placed


_true_place = h01_reserve.place


async def _place_later(order: ReserveOrder, *, storage: Storage, **ports: Any) -> Any:
    class Undoing:
        read = storage.read

        async def transact(self, work: Callable[[Any], Any]) -> Any:
            def undone(tx: Any) -> None:
                raise _Undo(work(tx))

            try:
                return await storage.transact(undone)
            except _Undo as undo:
                new_id = await storage.transact(lambda tx: tx.reservations.next_id())
                return Placed(replace(undo.placed.reservation, id=new_id))

    return await _true_place(order, storage=Undoing(), **ports)


async def _ask_first(placed: Placed, *, storage: Storage, stations: StationCommands, clock: Any) -> Reservation:
    asked = placed.reservation
    assert asked.ask is not None
    answer, frames = await stations.reserve_now(asked.station_id, asked.id, asked.ask)

    def work(tx: Any) -> Reservation:
        tx.reservations.insert(transitions.created(asked, Heard(at=asked.created_at, by=By.DRIVER)))
        return settle(tx, asked.id, answer, heard_answer(answer, frames, at=clock.now())).reservation

    return await storage.transact(work)


def commit_after_ask() -> AbstractContextManager[Any]:
    """The row is committed only once the station has answered: a crash in between leaves a hold that nobody knows."""
    return patch.multiple(h01_reserve, place=_place_later, ask=_ask_first)


def timeout_read_as_no() -> AbstractContextManager[Any]:
    """A ReserveNow that is not answered in time counts as Rejected."""
    true = block.reserve_fact

    def reserve_fact(ask: Any, answer: Any) -> Any:
        if isinstance(answer, NoAnswer) and answer.reason == "timeout":
            return Refused(ask=ask, status="Rejected")
        return true(ask, answer)

    return patch.object(block, "reserve_fact", reserve_fact)


def cancel_rejected_ignored() -> AbstractContextManager[Any]:
    """CancelReservation answered Rejected is taken for no answer, and repeated."""
    true = block.cancel_fact

    def cancel_fact(ask: Any, answer: Any, **more: Any) -> Any:
        fact = true(ask, answer, **more)
        return Silent(ask=ask, reason="ignored") if isinstance(fact, CancelRejected) else fact

    return patch.object(block, "cancel_fact", cancel_fact)


def late_used_dropped() -> AbstractContextManager[Any]:
    """A use that is told after the end changes nothing any more."""
    kept = tuple(row for row in transitions.TRANSITIONS if row.number not in (36, 38, 41))
    return patch.object(transitions, "TRANSITIONS", kept)


def id_reused() -> AbstractContextManager[Any]:
    """The id of a reservation that ended is given again, as if ids were row numbers of a table that is tidied up."""
    true = sql_reservations.ReservationStore.next_id

    def next_id(self: Any) -> ReservationId:
        column = tables.reservations.c
        ended = select(column.reservation_id).where(column.status.in_([State.REFUSED, State.FAILED, State.CANCELED]))
        found = self._connection.scalar(ended.limit(1))
        if found is None:
            return true(self)
        for table in (tables.history, tables.asks, tables.reservations):
            self._connection.execute(delete(table).where(table.c.reservation_id == found))
        self._known.pop(found, None)
        return ReservationId(found)

    return patch.object(sql_reservations.ReservationStore, "next_id", next_id)


def fencing_forgotten() -> AbstractContextManager[Any]:
    """What a connection says is stored though a newer one, at another node, has the station."""
    return patch.object(sql_nodes.NodeStore, "holds", lambda self, connections: set(connections))


def orphans_left_open() -> AbstractContextManager[Any]:
    """What a node that is gone had asked is settled by nobody."""

    async def recover(**ports: Any) -> int:
        return 0

    return patch.object(nodes.late, "recover", recover)


def any_end_disowns() -> AbstractContextManager[Any]:
    """The end of any connection of a station is taken for the end of the one that counts."""
    every = delete(tables.owners).where(tables.owners.c.station_id == bindparam("station"))
    return patch.object(sql_nodes, "_DISOWN", every)


def lease_for_ever() -> AbstractContextManager[Any]:
    """A node never doubts its lease: it serves stations that another node may have taken up."""
    return patch.object(sql_nodes.NodeStore, "bury", lambda self, node: False)


#: Of one node, and of several.
PLANTS: Final[dict[str, Callable[[], AbstractContextManager[Any]]]] = {
    plant.__name__: plant
    for plant in (commit_after_ask, timeout_read_as_no, cancel_rejected_ignored, late_used_dropped, id_reused)
}
CLUSTER_PLANTS: Final[dict[str, Callable[[], AbstractContextManager[Any]]]] = {
    plant.__name__: plant for plant in (fencing_forgotten, orphans_left_open, any_end_disowns, lease_for_ever)
}
