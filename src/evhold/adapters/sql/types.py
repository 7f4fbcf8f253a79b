"""Column types that are alike in every database: texts in one order, whole numbers, aware times and durations, exact to the microsecond."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy
from sqlalchemy import BigInteger, DateTime, Integer, Interval
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
POSTGRESQL: Final = "postgresql"

#: Sorted by code points, as SQLite does, whatever the database's collation is.
Text: Final = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), POSTGRESQL)
#: 64 bits. In SQLite every integer has them, and only INTEGER makes a key that counts up.
WideInteger: Final = BigInteger().with_variant(Integer(), "sqlite")


class NaiveTime(ValueError):
    """A time without a zone was to be stored."""


def aware(value: datetime) -> datetime:
    """The very time.

    Raises:
        NaiveTime: It has no zone.
    """
    if value.tzinfo is None:
        raise NaiveTime(f"{value!r} has no zone")
    return value


def microseconds(value: datetime) -> int:
    """The microseconds since 1970. Raises NaiveTime."""
    return (aware(value) - EPOCH) // MICROSECOND


def _aware_or_none(value: datetime | None) -> datetime | None:
    return None if value is None else aware(value)


def _microseconds_or_none(value: datetime | None) -> int | None:
    return None if value is None else microseconds(value)


def _utc_or_none(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


def _time_or_none(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + timedelta(microseconds=value)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC. SQLite drops zones, so there it is an integer of microseconds, which sorts and adds; elsewhere a timestamptz."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type in this database."""
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == POSTGRESQL else BigInteger())

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """What raises NaiveTime. Rows have many times: one call for each, instead of SQLAlchemy's chain of three."""
        return _aware_or_none if dialect.name == POSTGRESQL else _microseconds_or_none

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """In UTC, whatever the session's zone."""
        return _utc_or_none if dialect.name == POSTGRESQL else _time_or_none


class Duration(TypeDecorator[timedelta]):
    """A timedelta. In SQLite an integer of microseconds, elsewhere an interval."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type in this database."""
        return dialect.type_descriptor(Interval() if dialect.name == POSTGRESQL else BigInteger())

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> Any:
        """Exact."""
        return value if value is None or dialect.name == POSTGRESQL else value // MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> timedelta | None:
        """Exact."""
        return value if value is None or dialect.name == POSTGRESQL else timedelta(microseconds=value)
