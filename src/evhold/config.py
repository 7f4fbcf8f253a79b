"""Settings: one table of options makes the flags, the environment variables and the keys of evhold.toml.

The command line wins over the environment, which wins over the file. An unknown key or a bad value is a ConfigError of one
line that names it.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from evhold.options import OPTIONS, PREFIX
from evhold.settings import Settings

DEFAULT_FILE: Final = Path("evhold.toml")
#: Variables of ours that are no settings, and those that an orchestrator sets for a service called evhold.
_OTHERS: Final = re.compile(r"EVHOLD_(CONFIG|URL|KEY|SOAK|SERVICE_.*|PORT|PORT_.*)")
_BY_FIELD: Final = {option.field: option for option in OPTIONS}


@dataclass(eq=False)
class ConfigError(Exception):
    """A setting can't be used; ``where`` names it."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


def load(given: Mapping[str, object], *, environment: Mapping[str, str], file: Path | None) -> Settings:
    """The settings in force; whether they go together is for the one that uses them.

    Args:
        given: Values of the command line by option field; None where it says nothing.
        environment: All of it; variables that do not begin with ``EVHOLD_`` are passed over.
        file: Read if given; else ``evhold.toml`` of the current directory, if it is there.

    Raises:
        ConfigError: One line that names the culprit.
    """
    values: dict[str, object] = {}
    for where, found in (*_of_file(file), *_of_environment(environment)):
        values[found[0]] = _parsed(where, *found)
    for field, value in given.items():
        if value is not None:
            values[field] = _parsed(f"--{_BY_FIELD[field].name}", field, value)
    return msgspec.convert({**values, "given": frozenset(values)}, Settings)


def _parsed(where: str, field: str, value: object) -> object:
    try:
        return _BY_FIELD[field].parse(value)
    except ValueError as error:
        raise ConfigError(where, str(error)) from None


def _of_file(file: Path | None) -> list[tuple[str, tuple[str, object]]]:
    path = file or DEFAULT_FILE
    if file is None and not path.is_file():
        return []
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), error.strerror or "can't be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), str(error).splitlines()[0]) from None
    listed = []
    for key, value in content.items():
        field = key.replace("-", "_")
        if field not in _BY_FIELD:
            raise ConfigError(f"{path}: {key}", "there is no such setting")
        listed.append((f"{path}: {key}", (field, value)))
    return listed


def _of_environment(environment: Mapping[str, str]) -> list[tuple[str, tuple[str, object]]]:
    listed: list[tuple[str, tuple[str, object]]] = []
    for name in sorted(environment):
        if not name.startswith(PREFIX) or _OTHERS.fullmatch(name):
            continue
        field = name.removeprefix(PREFIX).lower()
        if field not in _BY_FIELD or name != _BY_FIELD[field].variable:
            raise ConfigError(name, "there is no such setting")
        listed.append((name, (field, environment[name])))
    return listed
