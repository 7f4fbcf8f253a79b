"""The soak of many stations runs at a small size, so that the big one can be trusted to run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.process
def test_a_small_soak_finds_no_fault_of_ours() -> None:
    """Twenty stations with churn, faults and bad peers for five seconds: all connect, all is answered, nothing of ours fails."""
    command = [sys.executable, "-m", "bench.soak", "--stations", "20", "--minutes", "0.084"]
    done = subprocess.run(
        [*command, "--interval", "5", "--every", "0.5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "soak: 20 stations after" in done.stdout
    assert '"connected": 20' in done.stdout or '"connected": 19' in done.stdout
    assert "no fault of ours" in done.stdout
