"""Write requirements.txt and requirements-dev.txt: every version pinned, every file of each release by hash.

The locks serve CPython 3.11 to 3.13 on Linux and macOS (markers say what only some of them need), and name no index:
where packages come from is pip's configuration.

Usage: python tools/lock.py [--upgrade]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = ROOT / "requirements.txt"
DEVELOPMENT = ROOT / "requirements-dev.txt"
RESOLVER = "uv==0.13.9"
OLDEST_PYTHON = "3.11"
HEADER = "# Made by `make lock` from pyproject.toml. Do not edit.\n"


def resolver() -> Path:
    """Return the path of the resolver, installed in a virtual environment of its own."""
    home = ROOT / ".venv.lock"
    binary = home / "bin" / "uv"
    if not binary.exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "--quiet", RESOLVER], check=True)
    return binary


def environment() -> dict[str, str]:
    """Return the environment with pip's certificate file handed on to the resolver."""
    certificate = os.environ.get("PIP_CERT")
    return {**os.environ, **({"SSL_CERT_FILE": certificate} if certificate else {})}


def compile_lock(target: Path, *arguments: str, extra: str = "") -> None:
    """Resolve into `target`; what it already pins is kept unless `--upgrade` was given."""
    command = [str(resolver()), "pip", "compile", "--quiet", "--universal", "--python-version", OLDEST_PYTHON]
    command += ["--generate-hashes", "--no-header", "--no-emit-index-url", "--no-emit-find-links"]
    # pip looks for `name[extra]` apart from `name`: pinned without it, a newer release makes the lock uninstallable.
    command += ["--no-strip-extras"]
    command += [*sys.argv[1:], *arguments, "--output-file", target.name]
    subprocess.run(command, cwd=ROOT, check=True, input=extra, text=True, env=environment(), stdout=subprocess.DEVNULL)
    text = target.read_text(encoding="utf-8")
    target.write_text(HEADER + text.removeprefix(HEADER), encoding="utf-8")


def main() -> None:
    """Write both locks; the build backend is locked with the runtime, for the project is built without isolation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    compile_lock(RUNTIME, "pyproject.toml", "-", extra="\n".join(project["build-system"]["requires"]) + "\n")
    compile_lock(DEVELOPMENT, "--group", "dev", "--constraint", RUNTIME.name)


if __name__ == "__main__":
    main()
