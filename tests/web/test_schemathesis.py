"""The API of a real process, held against its own description by schemathesis."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from csms import ADMIN_KEY, OPEN, QUICK, Csms

HERE = Path(__file__).parent
# The stream never ends.
LEFT_OUT = ("followEvents",)
#: The judge tries wrong keys by the hundred, and would be told to wait.
OPTIONS = (*QUICK, *OPEN, "--failed-logins", "1000000")


@pytest.mark.process
async def test_the_api_is_what_its_description_says(tmp_path: Path) -> None:
    """Statuses, headers, types and bodies of a thousand requests, good and bad, are those of /openapi.json; none is 500."""
    server = await Csms(tmp_path, options=OPTIONS).start()
    try:
        options = [word for name in LEFT_OUT for word in ("--exclude-operation-id", name)]
        judge = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
            *("run", f"{server.api}/openapi.json", "-H", f"Authorization: Bearer {ADMIN_KEY}", *options),
            *("--checks", "all"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "3", "--seed", "1", "--no-color"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        )
        told, _ = await asyncio.wait_for(judge.communicate(), 120)
        assert judge.returncode == 0, told.decode(errors="replace")
    finally:
        await server.close()
    assert not any("web.fault" in line for line in server.output)
