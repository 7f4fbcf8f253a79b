"""What the CSMS signs, and the secret that it signs with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from usecase_fakes import CountedIds

from evhold.adapters.clock import SystemClock
from evhold.adapters.sql.storage import SqlStorage, open_storage
from evhold.usecases.signing import Signer, stored_signer


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A database that is there already."""
    path = tmp_path / "evhold.db"
    await open_storage(f"sqlite:///{path}", clock=SystemClock()).close()
    return path


async def signed(storage: SqlStorage, ids: CountedIds) -> bytes:
    """The signature of a text, by the database's signer."""
    signer = await stored_signer(storage=storage, ids=ids)
    return signer.sign(b"text", purpose="test")


async def test_the_secret_outlives_the_process(file: Path) -> None:
    """What was signed before a restart is known after it; the secret is made once."""
    ids, found = CountedIds(), []
    for _ in range(2):
        storage = open_storage(f"sqlite:///{file}", clock=SystemClock())
        found.append(await signed(storage, ids))
        await storage.close()
    assert found[0] == found[1]
    assert ids.made == 1


async def test_nodes_that_start_together_agree(file: Path) -> None:
    """Whichever stores its secret first."""
    storages = [open_storage(f"sqlite:///{file}", clock=SystemClock()) for _ in range(4)]
    ids = CountedIds()
    found = await asyncio.gather(*(signed(storage, ids) for storage in storages))
    for storage in storages:
        await storage.close()
    assert len(set(found)) == 1


def test_a_signature_is_for_one_text_one_purpose_and_one_secret() -> None:
    """Another of any of them makes another one."""
    signer = Signer("secret")
    signatures = {
        signer.sign(b"text", purpose="a"),
        signer.sign(b"text", purpose="b"),
        signer.sign(b"other", purpose="a"),
        signer.sign(b"atext", purpose=""),
        Signer("other").sign(b"text", purpose="a"),
    }
    assert len(signatures) == 5
    assert {len(one) for one in signatures} == {32}
    assert Signer("secret").sign(b"text", purpose="a") in signatures
