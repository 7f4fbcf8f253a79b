"""Pages that are made of the code: written, or held against what is there."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def settle(page: Path, text: str) -> int:
    """Write the page; with --check only say that it is stale. Returns the exit code."""
    if "--check" not in sys.argv[1:]:
        page.write_text(text, encoding="utf-8")
        return 0
    if page.is_file() and page.read_text(encoding="utf-8") == text:
        return 0
    print(f"{page.relative_to(ROOT)} is stale: run `make docs`", file=sys.stderr)
    return 1
