"""Baseline (c): a CSMS made the usual way: the `ocpp` package, websockets, SQLAlchemy on aiosqlite, a commit a message.

`python -m bench.baselines.usual FILE`: prints its two addresses, and serves until it is told to stop. It does what is
measured, and nothing of what makes a reservation true when a station is silent, offline, late or mistaken.
"""

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime
from typing import Any, Final

import uvicorn
from litestar import Litestar, Response, delete, get, post
from ocpp.routing import on  # type: ignore[import-untyped]  # the package has no types
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_stations
from websockets.typing import Subprotocol

from bench.baselines.usual_tables import Connector, Happened, Reservation, Station, Token, Transaction, open_sessions
from ocpp.v201 import ChargePoint, call, call_result  # type: ignore[import-untyped]

Sessions = async_sessionmaker[AsyncSession]
STATIONS: Final[dict[str, "UsualStation"]] = {}


class UsualStation(ChargePoint):  # type: ignore[misc]
    """A station's connection."""

    def __init__(self, station_id: str, connection: ServerConnection, sessions: Sessions) -> None:
        super().__init__(station_id, connection)
        self.sessions = sessions

    @on("BootNotification")  # type: ignore[untyped-decorator]
    async def booted(self, charging_station: dict[str, Any], reason: str, **more: Any) -> Any:
        """Stored."""
        async with self.sessions.begin() as session:
            model, vendor = charging_station["model"], charging_station["vendor_name"]
            await session.merge(Station(id=self.id, model=model, vendor=vendor, booted_at=datetime.now(UTC)))
        return call_result.BootNotification(current_time=_now(), interval=300, status="Accepted")

    @on("Heartbeat")  # type: ignore[untyped-decorator]
    async def beat(self) -> Any:
        """Answered."""
        return call_result.Heartbeat(current_time=_now())

    @on("StatusNotification")  # type: ignore[untyped-decorator]
    async def changed(self, timestamp: str, connector_status: str, evse_id: int, connector_id: int, **more: Any) -> Any:
        """Connector and event, in a commit."""
        async with self.sessions.begin() as session:
            known = await session.get(Connector, (self.id, evse_id, connector_id))
            if known is None:
                known = Connector(station_id=self.id, evse_id=evse_id, connector_id=connector_id)
                session.add(known)
            known.status, known.since = connector_status, timestamp
            told = {"evseId": evse_id, "connectorId": connector_id, "status": connector_status, "since": timestamp}
            now = datetime.now(UTC)
            session.add(Happened(name="connector.status", station_id=self.id, at=now, body=json.dumps(told)))
        return call_result.StatusNotification()

    @on("TransactionEvent")  # type: ignore[untyped-decorator]
    async def transacted(self, transaction_info: dict[str, Any], seq_no: int, **more: Any) -> Any:
        """The transaction, in a commit."""
        name = transaction_info["transaction_id"]
        async with self.sessions.begin() as session:
            known = await session.get(Transaction, (self.id, name))
            if known is None:
                known = Transaction(station_id=self.id, transaction_id=name)
                session.add(known)
            known.state, known.seq_no = transaction_info.get("charging_state"), seq_no
            known.evse_id = (more.get("evse") or {}).get("id")
            known.energy_wh = _energy(more.get("meter_value") or [])
            known.updated_at = datetime.now(UTC)
        return call_result.TransactionEvent()

    @on("Authorize")  # type: ignore[untyped-decorator]
    async def authorized(self, id_token: dict[str, Any], **more: Any) -> Any:
        """As stored."""
        async with self.sessions() as session:
            known = await session.get(Token, id_token["id_token"])
        return call_result.Authorize(id_token_info={"status": "Invalid" if known is None else known.status})


def _energy(meters: list[dict[str, Any]]) -> float | None:
    values = [one for meter in meters for one in meter["sampled_value"]]
    found = [one["value"] for one in values if one.get("measurand") == "Energy.Active.Import.Register"]
    return found[-1] if found else None


def _now() -> str:
    return datetime.now(UTC).isoformat()


def api(sessions: Sessions) -> Litestar:
    """The REST side."""

    @get("/readyz")
    async def ready() -> str:
        return "ready"

    @post("/api/v1/reservations")
    async def reserve(data: dict[str, Any]) -> Response[dict[str, Any]]:
        station = STATIONS.get(data["stationId"])
        if station is None:
            return Response({"detail": "offline"}, status_code=503)
        token, expiry = data["idToken"], data["expiryDateTime"]
        async with sessions.begin() as session:
            made = Reservation(station_id=station.id, evse_id=data["evseId"], id_token=token["idToken"])
            made.expiry_date_time, made.status, made.created_at = expiry, "Pending", datetime.now(UTC)
            session.add(made)
        asked = {"id_token": token["idToken"], "type": token["type"]}
        answer = await station.call(
            call.ReserveNow(id=made.id, expiry_date_time=expiry, id_token=asked, evse_id=data["evseId"])
        )
        async with sessions.begin() as session:
            session.add(made)
            made.status = "Active" if answer.status == "Accepted" else "Refused"
            session.add(_event("reservation.accepted", made))
        return Response({"id": made.id, "stationId": made.station_id, "status": made.status}, status_code=201)

    @delete("/api/v1/reservations/{number:int}", status_code=200)
    async def cancel(number: int) -> Response[dict[str, Any]]:
        async with sessions.begin() as session:
            made = await session.get_one(Reservation, number)
            made.status = "Canceling"
        answer = await STATIONS[made.station_id].call(call.CancelReservation(reservation_id=number))
        async with sessions.begin() as session:
            session.add(made)
            made.status = "Canceled" if answer.status == "Accepted" else "Active"
            session.add(_event("reservation.canceled", made))
        return Response({"id": made.id, "stationId": made.station_id, "status": made.status})

    return Litestar([ready, reserve, cancel], logging_config=None, openapi_config=None)


def _event(name: str, made: Reservation) -> Happened:
    told = {"id": made.id, "evseId": made.evse_id, "status": made.status}
    return Happened(name=name, station_id=made.station_id, at=datetime.now(UTC), body=json.dumps(told))


async def main(path: str) -> None:
    """Serve until SIGTERM."""
    engine, sessions = await open_sessions(path)
    async with sessions.begin() as session:
        session.add(Token(id_token="BENCH-TOKEN", status="Accepted"))

    async def connected(connection: ServerConnection) -> None:
        assert connection.request is not None
        station = UsualStation(connection.request.path.rpartition("/")[2], connection, sessions)
        STATIONS[station.id] = station
        await station.start()

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = uvicorn.Server(uvicorn.Config(api(sessions), port=0, log_config=None, access_log=False, lifespan="off"))
    serving = asyncio.create_task(server._serve())
    async with serve_stations(
        connected, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp2.0.1")], ping_interval=None
    ) as stations:
        while not server.started:
            await asyncio.sleep(0.01)
        print(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)
        print(f"ws://127.0.0.1:{next(iter(stations.sockets)).getsockname()[1]}", flush=True)
        await stop.wait()
        server.should_exit = True
        await serving
    await engine.dispose()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1]))
