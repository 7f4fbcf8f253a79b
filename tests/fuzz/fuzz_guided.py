"""The target under atheris: inputs that reach new code are kept and changed further."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import atheris
import structlog

sys.path.insert(0, str(Path(__file__).resolve().parent))

with atheris.instrument_imports(include=["evhold.ocpp", "evhold.gateway"]):
    from fuzz_target import wire


def main() -> None:
    """Never comes back."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    loop = asyncio.new_event_loop()
    target = wire()
    atheris.Setup(sys.argv, lambda data: loop.run_until_complete(target.throw(data)))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
