"""Who is measured: evhold, and what it is held against in the same session."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.certificates import tls_options
from bench.postgres import running_postgres
from bench.server import Server, evhold_command


@dataclass(frozen=True, slots=True)
class Contender:
    """A server, on what database, and whether stations come by TLS."""

    name: str
    postgresql: bool = False
    tls: bool = False
    options: tuple[str, ...] = ()


EVHOLD: Final = Contender("evhold")
EVHOLD_PG: Final = Contender("evhold, PostgreSQL", postgresql=True)
#: (a) picows and msgspec, nothing kept.
BARE: Final = Contender("(a) bare picows + msgspec")
#: (b) the same, and a grouped commit by hand.
GROUPED: Final = Contender("(b) grouped commit by hand")
GROUPED_PG: Final = Contender("(b) by hand, PostgreSQL", postgresql=True)
#: (c) ocpp, websockets, SQLAlchemy on aiosqlite.
USUAL: Final = Contender("(c) ocpp + SQLAlchemy")
_MODULES: Final = {BARE: "bare", GROUPED: "grouped", GROUPED_PG: "grouped", USUAL: "usual"}


@contextmanager
def serving(contender: Contender, folder: Path, *, database: str | None = None) -> Iterator[Server]:
    """Its server with a fresh database, or evhold's with this one.

    Raises:
        ServerFailed: It did not start, or ended badly.
        NoPostgres: There is none.
    """
    with ExitStack() as stack:
        database_pid = None
        if contender.postgresql:
            database, database_pid = stack.enter_context(running_postgres())
        module = _MODULES.get(contender)
        if module is None:
            command = evhold_command(folder, database=database)
            command += [*contender.options, *(tls_options(folder) if contender.tls else ())]
        else:
            command = [sys.executable, "-m", f"bench.baselines.{module}"]
            command += [] if contender is BARE else [database or str(folder / "bench.db")]
        has_api = module is None or contender is USUAL
        server = Server(command, folder=folder, has_api=has_api, database_pid=database_pid)
        try:
            yield server
        except BaseException:
            server.kill()
            raise
        server.stop()
