"""The schema by migrations, and the schema by the tables: the same."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from evhold.adapters.sql.migrate import migrate
from evhold.adapters.sql.schema import NONE, POST, PRE, SCRIPTS, History
from evhold.adapters.sql.tables import metadata


def schema_of(path: Path) -> dict[str, list[str]]:
    """Every table and index with the parts of its SQL; their order, and whitespace, aside."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {
        name: sorted(" ".join(sql.split()).removesuffix(" )").split(", "))
        for name, sql in rows
        if not name.startswith("alembic_version")
    }


def test_migrations_make_the_tables(tmp_path: Path) -> None:
    """Statement by statement, partial indexes and AUTOINCREMENT too."""
    migrate(f"sqlite:///{tmp_path / 'migrated.db'}")
    engine = create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    metadata.create_all(engine)
    engine.dispose()
    assert schema_of(tmp_path / "migrated.db") == schema_of(tmp_path / "made.db")


def test_alembic_finds_nothing_to_add(tmp_path: Path) -> None:
    """Types and nullability as well."""
    url = f"sqlite:///{tmp_path / 'migrated.db'}"
    migrate(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize("history", [PRE, POST])
def test_the_known_version_is_the_newest_script(history: History) -> None:
    """Else a start would migrate every time, or never; and numbers that grow say what is newer."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("version_locations", str(history.folder))
    config.set_main_option("path_separator", "newline")
    ids = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    assert ids == sorted(ids, reverse=True)
    assert all(len(one) == len(NONE) and one.isdigit() for one in ids)
    assert next(iter(ids), NONE) == history.head


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    """The second start finds it done."""
    url = f"sqlite:///{tmp_path / 'evhold.db'}"
    migrate(url)
    before = schema_of(tmp_path / "evhold.db")
    migrate(url)
    assert schema_of(tmp_path / "evhold.db") == before


@pytest.mark.process
def test_a_start_without_migration_does_not_load_alembic(tmp_path: Path) -> None:
    """Importing it takes longer than all the rest."""
    url = f"sqlite:///{tmp_path / 'evhold.db'}"
    migrate(url)
    code = f"import sys; from evhold.adapters.sql.migrate import migrate; migrate({url!r}); print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.process
def test_two_processes_may_start_together(tmp_path: Path) -> None:
    """One of them migrates, the other waits and finds it done."""
    code = f"from evhold.adapters.sql.migrate import migrate; migrate('sqlite:///{tmp_path / 'evhold.db'}')"
    both = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(one.communicate()[1], one.returncode) for one in both] == [("", 0), ("", 0)]
