"""The generator: what is committed is what it writes."""

import subprocess
import sys
from pathlib import Path

GENERATOR = Path(__file__).parents[3] / "tools" / "generate_messages.py"


def test_the_committed_files_are_what_the_generator_writes() -> None:
    """Datatypes and messages were made by the generator, and changed by nobody since."""
    run = subprocess.run([sys.executable, str(GENERATOR), "--check"], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")
