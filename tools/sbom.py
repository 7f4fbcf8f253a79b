"""Write sbom.json: what the service is made of, by the locks, as CycloneDX 1.6.

Names, versions, hashes and package URLs stand in requirements.txt already; nothing is asked of a network, and the same
locks make the same file. Usage: python tools/sbom.py [--check] [FILE]
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.txt"
DEFAULT = ROOT / "sbom.json"
PIN = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z0-9,._-]+\])?==([^ ;\\]+)([^\\]*)\\?$")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def components(lock: str) -> list[dict[str, Any]]:
    """One of each pin; the hashes are those of all files of the release."""
    found: list[dict[str, Any]] = []
    for line in lock.splitlines():
        if pin := PIN.match(line):
            name, version = pin[1], pin[2]
            purl = f"pkg:pypi/{name.replace('_', '-')}@{version}"
            one = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "hashes": []}
            if marker := pin[3].strip().removeprefix(";").strip():
                one["properties"] = [{"name": "evhold:marker", "value": marker}]
            found.append(one)
        elif digest := HASH.search(line):
            found[-1]["hashes"].append({"alg": "SHA-256", "content": digest[1]})
    return found


def bill(lock: str) -> dict[str, Any]:
    """The whole document; its serial number follows from what is in it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ours = f"pkg:pypi/{project['name']}@{project['version']}"
    listed = components(lock)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, ours + lock)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": project["name"],
                "version": project["version"],
                "purl": ours,
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": listed,
        "dependencies": [{"ref": ours, "dependsOn": [one["bom-ref"] for one in listed]}],
    }


def main() -> int:
    """Write the file, or with --check only see that one can be made that names every pin; return the exit code."""
    lock = LOCK.read_text(encoding="utf-8")
    made = bill(lock)
    names = re.findall(r"^[a-z0-9._-]+(?:\[[^\]]*\])?==", lock, re.MULTILINE)
    if len(made["components"]) != len(names) or not all(one["hashes"] for one in made["components"]):
        print("sbom: the lock has pins that are not understood", file=sys.stderr)
        return 1
    if "--check" not in sys.argv:
        target = Path(next((one for one in sys.argv[1:] if not one.startswith("-")), DEFAULT))
        target.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        print(f"sbom: {len(names)} components in {target.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
