"""The version after this one, made of this one: with a pre and a post revision more, and code that writes by them."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import evhold
from csms import environment_of

PRE = '''
"""Which way a reservation was written."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade():
    op.add_column("reservations", sa.Column("way", sa.Text(), server_default="old", nullable=False))
'''
#: From then on, what the version before writes is refused.
POST = '''
"""Nobody writes a reservation without its way."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {before}


def upgrade():
    with op.batch_alter_table("reservations") as table:
        table.alter_column("way", existing_type=sa.Text(), server_default=None)
'''
COLUMN = '    Column("way", Text, nullable=False),\n'
ROW, NEXT_ROW = "    return row | {\n", '    return row | {\n        "way": "next",\n'
TABLE = 'reservations: Final = Table(\n    "reservations",\n    metadata,\n'


def make_next(folder: Path) -> Path:
    """The folder of a package that is one version ahead of ours."""
    # Not before it is needed: this version may be the one that lacks it.
    from evhold.adapters.sql.schema import NONE
    from evhold.adapters.sql.schema import POST as OUR_POST
    from evhold.adapters.sql.schema import PRE as OUR_PRE

    sql = folder / "evhold" / "adapters" / "sql"
    shutil.copytree(Path(evhold.__file__).parent, folder / "evhold", ignore=shutil.ignore_patterns("__pycache__"))
    _replace(sql / "tables.py", TABLE, TABLE + COLUMN)
    _replace(sql / "reservation_rows.py", ROW, NEXT_ROW)
    for history, template in ((OUR_PRE, PRE), (OUR_POST, POST)):
        revision = f"{int(history.head) + 1:04}"
        shown = "NONE" if history.head == NONE else f'"{history.head}"'
        old = f'History(name="{history.name}", table="{history.table}", head={shown})'
        _replace(sql / "schema.py", old, old.replace(f"head={shown}", f'head="{revision}"'))
        before = "None" if history.head == NONE else history.head if history is OUR_PRE else f'"{history.head}"'
        made = template.format(revision=revision, before=before)
        (sql / "migrations" / history.name / f"{revision}_next.py").write_text(made)
    return folder


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path.name} has no {old}"
    path.write_text(text.replace(old, new))


async def run_command(*command: str, source: Path | None, folder: Path) -> tuple[int, str]:
    """`evhold ...` of this version, or of another: its exit code, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "evhold", *command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment_of(source),
        cwd=folder,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()
