"""What is not to be kept: the traces of a token, made nameless; and what ended long ago, deleted. Ids are never given again.

Texts of JSON (frames of OCPP, events, answers) are searched for the token as a whole value, as it was written or masked.
"""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Connection, Select, Table, and_, bindparam, delete, func, literal, or_, select, update

from evhold.adapters.sql.tables import (
    asks,
    audit,
    claims,
    deliveries,
    history,
    idempotency,
    keys,
    outbox,
    reservations,
    secrets,
    stations,
    tokens,
    transactions,
    webhooks,
)
from evhold.domain.reservation import LIVE
from evhold.domain.values import IdToken, ReservationId
from evhold.domain.webhooks import DRIVERS
from evhold.usecases.traces import SESSION, Kind

#: Rows of one transaction: whoever writes meanwhile does not wait long.
AT_ONCE: Final = 200
_LIVE: Final = tuple(one.value for one in LIVE)
_SHOWN: Final = 4

_r, _t = reservations.c, transactions.c
#: A removed station's row stays for what refers to it, an ended key's for the audit.
_KEPT: Final[dict[Kind, Select[Any]]] = {
    Kind.STATIONS: select(literal(1)).select_from(stations).where(stations.c.removed_at.is_(None)),
    Kind.TOKENS: select(literal(1)).select_from(tokens),
    Kind.KEYS: select(literal(1))
    .select_from(keys)
    .where(keys.c.revoked_at.is_(None), or_(keys.c.expires_at.is_(None), keys.c.expires_at > bindparam("at"))),
    Kind.WEBHOOKS: select(literal(1)).select_from(webhooks),
}


class RetentionStore:
    """stores.Retention."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # The traces of a token

    def live_of(self, id_token: IdToken) -> list[ReservationId]:
        """Its reservations that have not ended, as its own or its group's."""
        found = self._connection.scalars(
            select(_r.reservation_id).where(_is_reserved_by(id_token), _r.status.in_(_LIVE)).order_by(_r.reservation_id)
        )
        return [ReservationId(one) for one in found]

    def forget_reservations(self, id_token: IdToken, pseudonym: str) -> int:
        """Some of its reservations bear the pseudonym, with all that is kept of them; how many: 0, none is left."""
        ids = list(self._connection.scalars(select(_r.reservation_id).where(_is_reserved_by(id_token)).limit(AT_ONCE)))
        if not ids:
            return 0
        pattern = _pattern(id_token, masked=True)
        for table, column, number in (
            (asks, asks.c.terms, asks.c.reservation_id),
            (history, history.c.frames, history.c.reservation_id),
            (history, history.c.status_info, history.c.reservation_id),
            (outbox, outbox.c.body, outbox.c.reservation_id),
        ):
            self._rewrite(table, column, pattern, pseudonym, where=number.in_(ids))
        for row in self._connection.execute(
            select(outbox.c.seq, outbox.c.body).where(outbox.c.reservation_id.in_(ids))
        ).all():
            self._connection.execute(
                update(outbox).where(outbox.c.seq == row.seq).values(body=_without_addresses(row.body))
            )
        # Answers that were kept for repeats, and messages to the driver, are worth nothing without the driver.
        self._connection.execute(delete(idempotency).where(idempotency.c.reservation_id.in_(ids)))
        self._rewrite_rows(ids, id_token, pattern, pseudonym)
        return len(ids)

    def forget_elsewhere(self, id_token: IdToken, pseudonym: str) -> int:
        """Its transactions, and whatever names it among events, messages, keys and webhooks; how many transactions."""
        named = and_(func.lower(_t.id_token) == id_token.id_token.lower(), _t.id_token_type == id_token.type)
        done = self._connection.execute(update(transactions).where(named).values(id_token=pseudonym))
        pattern = _pattern(id_token, masked=False)
        like = f"%{_escaped(id_token.id_token)}%"
        for table, column in (
            (outbox, outbox.c.body),
            (deliveries, deliveries.c.body),
            (keys, keys.c.id_tokens),
        ):
            self._rewrite(table, column, pattern, pseudonym, where=column.ilike(like, escape="/"))
        # The audit has it masked, down to the last four characters.
        masked = id_token.masked
        for row in self._connection.execute(
            select(audit.c.seq, audit.c.detail).where(audit.c.detail.like(f"{_escaped(masked)}%", escape="/"))
        ).all():
            detail = pseudonym + row.detail[len(masked) :]
            self._connection.execute(update(audit).where(audit.c.seq == row.seq).values(detail=detail))
        of_webhook = and_(
            func.lower(webhooks.c.id_token) == id_token.id_token.lower(), webhooks.c.id_token_type == id_token.type
        )
        self._connection.execute(update(webhooks).where(of_webhook).values(id_token=pseudonym))
        return int(done.rowcount)

    def _rewrite_rows(self, ids: list[int], id_token: IdToken, pattern: re.Pattern[str], pseudonym: str) -> None:
        folded = id_token.id_token.casefold()
        found = self._connection.execute(
            select(_r.id, _r.reservation_id, _r.id_token_folded, _r.id_token_type, _r.more).where(
                _r.reservation_id.in_(ids)
            )
        ).all()
        for row in found:
            values: dict[str, Any] = {"more": _without_addresses(pattern.sub(pseudonym, row.more))}
            if (row.id_token_folded, row.id_token_type) == (folded, id_token.type):
                values |= {"id_token": pseudonym, "id_token_folded": pseudonym.casefold()}
            self._connection.execute(update(reservations).where(_r.id == row.id).values(values))
        grouped = and_(
            _r.reservation_id.in_(ids),
            func.lower(_r.group_id_token) == id_token.id_token.lower(),
            _r.group_id_token_type == id_token.type,
        )
        self._connection.execute(update(reservations).where(grouped).values(group_id_token=pseudonym))
        # A message to a driver's addresses that is through, or was given up.
        for row in found:
            self._connection.execute(
                delete(deliveries).where(
                    deliveries.c.webhook_id == DRIVERS,
                    deliveries.c.subject.like(f"reservations/{row.reservation_id}#%"),
                    deliveries.c.state != "pending",
                )
            )

    def _rewrite(
        self, table: Table, column: Column[Any], pattern: re.Pattern[str], pseudonym: str, *, where: Any
    ) -> None:
        key = next(iter(table.primary_key.columns))
        for row in self._connection.execute(select(key, column).where(where, column.is_not(None))).all():
            if (text := pattern.sub(pseudonym, row[1])) != row[1]:
                self._connection.execute(update(table).where(key == row[0]).values({column: text}))

    # What is kept

    def count(self, kind: Kind, *, most: int, at: datetime) -> int:
        """How many there are, counted no further than ``most``; keys that are valid then."""
        some = _KEPT[kind].limit(most).subquery()
        given = {"at": at} if kind is Kind.KEYS else {}
        return int(self._connection.scalar(select(func.count()).select_from(some), given) or 0)

    # What ended long ago

    def prune_reservations(self, *, before: datetime) -> int:
        """Some that ended before, that nobody waits for and that hold no EVSE, are gone with their history; how many."""
        settled = (
            _r.updated_at < before,
            _r.status.not_in(_LIVE),
            _r.sweep_at.is_(None),
            _r.due.is_(None),
            _r.ask_message_id.is_(None),
            ~select(claims.c.reservation_id).where(claims.c.reservation_id == _r.reservation_id).exists(),
        )
        ids = list(
            self._connection.scalars(select(_r.reservation_id).where(*settled).order_by(_r.updated_at).limit(AT_ONCE))
        )
        for number in (asks.c.reservation_id, history.c.reservation_id, _r.reservation_id):
            self._remove(number, ids)
        return len(ids)

    def prune_transactions(self, station_id: str, *, before: datetime) -> int:
        """Some of a station's that ended and of which nothing came since; how many. Station by station, as its index is."""
        found = self._connection.scalars(
            select(_t.transaction_id)
            .where(_t.station_id == station_id, _t.stored_at < before, _t.ended_at.is_not(None))
            .limit(AT_ONCE)
        )
        ids = list(found)
        if ids:
            self._connection.execute(
                delete(transactions).where(_t.station_id == station_id, _t.transaction_id.in_(ids))
            )
        return len(ids)

    def prune_sessions(self, *, before: datetime) -> int:
        """The ends of sessions whose own time is over are forgotten; how many."""
        is_session = secrets.c.name.startswith(SESSION, autoescape=True)
        over = select(secrets.c.name).where(is_session, secrets.c.value < before.isoformat()).limit(AT_ONCE)
        return int(self._connection.execute(delete(secrets).where(secrets.c.name.in_(over))).rowcount)

    def prune_keys(self, *, before: datetime) -> int:
        """Some keys that were revoked or had expired before are gone; how many."""
        over = select(keys.c.id).where(or_(keys.c.revoked_at < before, keys.c.expires_at < before)).limit(AT_ONCE)
        return int(self._connection.execute(delete(keys).where(keys.c.id.in_(over))).rowcount)

    def all_stations(self) -> list[str]:
        """Their ids, removed ones too."""
        return list(self._connection.scalars(select(stations.c.id)))

    def _remove(self, column: Column[Any], ids: Iterable[int]) -> None:
        if listed := list(ids):
            self._connection.execute(delete(column.table).where(column.in_(listed)))


def _is_reserved_by(id_token: IdToken) -> Any:
    folded = id_token.id_token.casefold()
    return or_(
        and_(_r.id_token_folded == folded, _r.id_token_type == id_token.type),
        and_(func.lower(_r.group_id_token) == folded, _r.group_id_token_type == id_token.type),
    )


def _pattern(id_token: IdToken, *, masked: bool) -> re.Pattern[str]:
    """The token as a whole JSON string, in JSON or in JSON within it; never a name in an object."""
    text = id_token.id_token
    forms = [text, id_token.key]
    if masked:
        # As frames are kept: down to the last four characters.
        hidden = len(text) - _SHOWN
        forms.append("*" * hidden + text[-_SHOWN:] if hidden > 0 else "*" * _SHOWN)
    listed = "|".join(re.escape(json.dumps(one)[1:-1]) for one in forms)
    return re.compile(rf'(?<=")(?:{listed})(?=\\?"(?!\s*:))', re.IGNORECASE)


def _escaped(text: str) -> str:
    return text.replace("/", "//").replace("%", "/%").replace("_", "/_")


def _without_addresses(text: str) -> str:
    return json.dumps(_stripped(json.loads(text)), ensure_ascii=False, separators=(",", ":"))


def _stripped(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _stripped(one) for name, one in node.items() if name != "notify"}
    return [_stripped(one) for one in node] if isinstance(node, list) else node
