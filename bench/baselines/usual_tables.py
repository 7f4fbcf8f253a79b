"""Baseline (c)'s tables: SQLAlchemy's object mapping, as its tutorial has it."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """All tables."""


class Station(Base):
    """A charging station."""

    __tablename__ = "stations"
    id: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    vendor: Mapped[str]
    booted_at: Mapped[datetime]


class Connector(Base):
    """A connector, and its last status."""

    __tablename__ = "connectors"
    station_id: Mapped[str] = mapped_column(primary_key=True)
    evse_id: Mapped[int] = mapped_column(primary_key=True)
    connector_id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]
    since: Mapped[str]


class Happened(Base):
    """An event that somebody will be told of."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    station_id: Mapped[str] = mapped_column(ForeignKey("stations.id"))
    at: Mapped[datetime]
    body: Mapped[str]


class Transaction(Base):
    """A charging transaction."""

    __tablename__ = "transactions"
    station_id: Mapped[str] = mapped_column(primary_key=True)
    transaction_id: Mapped[str] = mapped_column(primary_key=True)
    evse_id: Mapped[int | None]
    state: Mapped[str | None]
    seq_no: Mapped[int]
    energy_wh: Mapped[float | None]
    updated_at: Mapped[datetime]


class Token(Base):
    """A token that may charge."""

    __tablename__ = "tokens"
    id_token: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]


class Reservation(Base):
    """A reservation."""

    __tablename__ = "reservations"
    id: Mapped[int] = mapped_column(primary_key=True)
    station_id: Mapped[str] = mapped_column(ForeignKey("stations.id"), index=True)
    evse_id: Mapped[int]
    id_token: Mapped[str] = mapped_column(index=True)
    expiry_date_time: Mapped[str]
    status: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime]


async def open_sessions(path: str) -> tuple[AsyncEngine, async_sessionmaker[AsyncSession]]:
    """Sessions on a fresh file; one connection, since a second writer would only wait for the first."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=1, max_overflow=0)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        await connection.exec_driver_sql("PRAGMA synchronous = FULL")
        await connection.run_sync(Base.metadata.create_all)
    return engine, async_sessionmaker(engine, expire_on_commit=False)
