"""A database that has been in use for long: ended reservations and their history, written straight into the file."""

import sqlite3
from pathlib import Path
from typing import Final

_NUMBERS: Final = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
_STATION: Final = "INSERT INTO stations (id, folded_id, registration, restore_after_boot, clock_offset, epoch) VALUES"
_DAY_US: Final = 86_400_000_000
_FILL: Final = f"""
{_NUMBERS} INSERT INTO reservations (reservation_id, station_id, evse_id, id_token, id_token_type, id_token_folded,
    expiry_date_time, status, created_at, updated_at, version, confirmed, held_until, more)
SELECT n + ?, 'OLD' || (n % 1000), 1 + n % 2, 'OLD' || n, 'ISO14443', 'old' || n,
    ? + n, 'Expired', ? + n - {_DAY_US}, ? + n, 3, 1, ? + n, '{{}}' FROM numbers
"""
_HISTORY: Final = f"""
{_NUMBERS} INSERT INTO history (reservation_id, from_state, to_state, fact, row_number, caused_by, at, frames, anomaly)
SELECT 1 + n % ?, 'Pending', 'Active', 'Accepted', 2, 'station', ? + n, '[]', 0 FROM numbers
"""
#: Some time in 2024, in microseconds.
_ONCE: Final = 1_710_000_000_000_000


def fill(path: Path, *, reservations: int, history: int) -> None:
    """So many more rows are there; the file has the newest schema and is nobody else's at the moment."""
    driver = sqlite3.connect(path, isolation_level=None)
    driver.execute("PRAGMA synchronous = OFF")
    driver.execute("BEGIN IMMEDIATE")
    for number in range(1000):
        name = f"OLD{number}"
        driver.execute(f"{_STATION} (?, ?, 'Accepted', 1, 0, 1) ON CONFLICT DO NOTHING", (name, name.casefold()))
    # Their ids begin at 1; those that the server gives begin at random, below a billion.
    filled = driver.execute("SELECT count(*) FROM reservations WHERE id_token LIKE 'OLD%'").fetchone()[0]
    wanted = max(0, reservations - filled)
    if wanted:
        driver.execute(_FILL, (wanted, filled, _ONCE, _ONCE, _ONCE, _ONCE))
    if history:
        driver.execute(_HISTORY, (history, max(1, wanted), _ONCE))
    driver.execute("COMMIT")
    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    driver.close()
