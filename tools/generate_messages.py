"""Write `evhold.ocpp.v201.datatypes` and `messages` from the official OCPP 2.0.1 schemas.

    python tools/generate_messages.py            writes both files
    python tools/generate_messages.py --check    compares them with what would be written; status 1 when they differ

The schemas are those in the `ocpp` package. Only names, types and constraints are taken from them.
"""

import json
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

TARGET = Path(__file__).parent.parent / "src" / "evhold" / "ocpp" / "v201"
STRUCT = "Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False"
PLAIN_TYPES = {"boolean": "bool", "integer": "int", "number": "float", "string": "str"}
CONSTRAINTS = {
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "minimum": "ge",
    "maximum": "le",
}
# Keywords that constrain nothing, or whose meaning is built into the classes.
UNDERSTOOD = {
    *CONSTRAINTS,
    *("$schema", "$ref", "comment", "description", "javaType", "default", "definitions"),
    *("type", "properties", "required", "additionalProperties", "items", "additionalItems", "enum", "format"),
}

# Who asks, and the use case in which the message is first met.
USE_CASES = {
    "station": (
        "Authorize C01, BootNotification B01, ClearedChargingLimit K13, FirmwareStatusNotification L01, "
        "Get15118EVCertificate M01, GetCertificateStatus M06, Heartbeat G02, LogStatusNotification N01, "
        "MeterValues J01, NotifyChargingLimit K12, NotifyCustomerInformation N09, NotifyDisplayMessages O03, "
        "NotifyEVChargingNeeds K15, NotifyEVChargingSchedule K15, NotifyEvent N07, NotifyMonitoringReport N02, "
        "NotifyReport B07, PublishFirmwareStatusNotification L03, ReportChargingProfiles K09, "
        "ReservationStatusUpdate H04, SecurityEventNotification A04, SignCertificate A02, StatusNotification G01, "
        "TransactionEvent E01"
    ),
    "csms": (
        "CancelReservation H02, CertificateSigned A02, ChangeAvailability G03, ClearCache C11, "
        "ClearChargingProfile K10, ClearDisplayMessage O05, ClearVariableMonitoring N06, CostUpdated I02, "
        "CustomerInformation N09, DeleteCertificate M04, GetBaseReport B07, GetChargingProfiles K09, "
        "GetCompositeSchedule K08, GetDisplayMessages O03, GetInstalledCertificateIds M03, GetLocalListVersion "
        "D02, GetLog N01, GetMonitoringReport N02, GetReport B08, GetTransactionStatus E14, GetVariables B06, "
        "InstallCertificate M05, PublishFirmware L03, RequestStartTransaction F01, RequestStopTransaction F03, "
        "ReserveNow H01, Reset B11, SendLocalList D01, SetChargingProfile K01, SetDisplayMessage O01, "
        "SetMonitoringBase N03, SetMonitoringLevel N05, SetNetworkProfile B09, SetVariableMonitoring N04, "
        "SetVariables B05, TriggerMessage F06, UnlockConnector F05, UnpublishFirmware L04, UpdateFirmware L01"
    ),
    "either": "DataTransfer P01",
}
DIRECTIONS = {
    "station": "Charging Station to CSMS",
    "csms": "CSMS to Charging Station",
    "either": "either way",
}

CUSTOM_DATA = '''
class CustomDataType(dict[str, object]):
    """Data beyond the specification: a JSON object with its `vendorId`, everything else in it kept as it is."""

    def __init__(self, content: Mapping[str, object]) -> None:
        if not isinstance(content, Mapping):
            raise TypeError("Expected `object`, got another type")
        super().__init__(content)
        if "vendorId" not in self:
            raise ValueError("Object missing required field `vendorId`")
        vendor_id = self["vendorId"]
        if not isinstance(vendor_id, str):
            raise TypeError("Expected `str`, got another type")
        if len(vendor_id) > {limit}:
            raise ValueError("Expected `str` of length <= {limit}")
'''


def load() -> dict[str, Schema]:
    """Return the official schemas by message name, in alphabetical order."""
    folder = files("ocpp") / "v201" / "schemas"
    found = ((path.name.removesuffix(".json"), path.read_text("utf-8-sig")) for path in folder.iterdir())
    return {name: json.loads(text) for name, text in sorted(found)}


def definitions_of(schemas: dict[str, Schema]) -> dict[str, Schema]:
    """Return every definition once, by name; stop when two schemas define one name differently."""
    found: dict[str, Schema] = {}
    for schema in schemas.values():
        for name, definition in schema.get("definitions", {}).items():
            known = found.setdefault(name, definition)
            if _without_prose(known) != _without_prose(definition):
                sys.exit(f"{name} is defined in two ways")
    return found


def _without_prose(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_prose(value) for key, value in node.items() if not _is_prose(key, value)}
    return [_without_prose(item) for item in node] if isinstance(node, list) else node


def _is_prose(key: str, value: object) -> bool:
    return key == "description" and isinstance(value, str)


def attribute(wire_name: str) -> str:
    """Return the Python name of a property: evseId -> evse_id, responderURL -> responder_url."""
    # SoC is one word, for all its capitals.
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", wire_name.replace("SoC", "Soc")).lower()
    return f"{words}_" if keyword.iskeyword(words) else words


def annotation(schema: Schema) -> str:
    """Return the Python type of a schema node, its constraints included."""
    if unknown := set(schema) - UNDERSTOOD:
        sys.exit(f"cannot translate {sorted(unknown)}")
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "type" not in schema:
        return "Raw"
    if schema["type"] == "array":
        plain = f"tuple[{annotation(schema['items'])}, ...]"
    elif schema.get("format") == "date-time":
        plain = "datetime"
    else:
        plain = PLAIN_TYPES[schema["type"]]
    limits = [f"{CONSTRAINTS[key]}={_number(value)}" for key, value in schema.items() if key in CONSTRAINTS]
    return f"Annotated[{plain}, Meta({', '.join(limits)})]" if limits else plain


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def struct(name: str, schema: Schema, docstring: str) -> str:
    """Return the source of one Struct; required fields first, each group in the schema's order."""
    properties: Schema = schema.get("properties", {})
    required = set(schema.get("required", ()))
    ordered = sorted(properties, key=lambda wire: wire not in required)
    names = {wire: attribute(wire) for wire in ordered}
    renamed = {python: wire for wire, python in names.items() if python != wire}
    rename = f", rename={renamed}" if renamed else ""
    lines = [f'class {name}({STRUCT}{rename}):\n    """{docstring}"""\n']
    for wire in ordered:
        kind = annotation(properties[wire])
        lines.append(f"    {names[wire]}: {kind if wire in required else f'{kind} | UnsetType = UNSET'}")
    return "\n".join(lines) + "\n\n"


def in_order(definitions: dict[str, Schema]) -> Iterator[str]:
    """Yield the definitions' names so that each comes after those it refers to."""
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name not in done:
            done.add(name)
            for other in sorted(set(references(definitions[name]))):
                yield from visit(other)
            yield name

    for name in sorted(definitions):
        yield from visit(name)


def references(node: Any) -> Iterator[str]:
    """Yield the names of the definitions that a schema refers to itself."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value.rpartition("/")[2]
            elif key != "definitions":
                yield from references(value)


def datatypes(schemas: dict[str, Schema]) -> str:
    """Return the source of datatypes.py: the enumerations, then the composite types."""
    definitions = definitions_of(schemas)
    enums = {name: node for name, node in definitions.items() if "enum" in node}
    parts = [
        '"""The data types of OCPP 2.0.1. Generated by tools/generate_messages.py: change that, not this."""\n',
        "from collections.abc import Mapping\nfrom datetime import datetime\n"
        "from typing import Annotated, Literal, TypeAlias\n\n"
        "from msgspec import UNSET, Meta, Struct, UnsetType\n",
        *(f"{name}: TypeAlias = Literal{enums[name]['enum']}" for name in sorted(enums)),
    ]
    composites = [name for name in in_order(definitions) if name not in enums and name != "CustomDataType"]
    limit = definitions["CustomDataType"]["properties"]["vendorId"]["maxLength"]
    parts.append(CUSTOM_DATA.replace("{limit}", str(limit)))
    parts += [struct(name, definitions[name], _composite_words(name)) for name in composites]
    return "\n".join(parts)


def _composite_words(name: str) -> str:
    return f"OCPP's {name}."


def messages(schemas: dict[str, Schema]) -> str:
    """Return the source of messages.py: a request and a response of every action, and the table ACTIONS."""
    actions = [name.removesuffix("Request") for name in schemas if name.endswith("Request")]
    words = _words()
    if set(actions) != set(words):
        sys.exit(f"USE_CASES and the schemas differ: {sorted(set(actions) ^ set(words))}")
    used = sorted({name for schema in schemas.values() for name in references(schema)})
    parts = [
        '"""The messages of OCPP 2.0.1. Generated by tools/generate_messages.py: change that, not this."""\n',
        "from datetime import datetime\nfrom typing import Annotated, Final\n\n"
        "from msgspec import UNSET, Meta, Raw, Struct, UnsetType\n\n"
        "from evhold.ocpp.rpc.payload import decode, encode\n"
        f"from evhold.ocpp.v201.datatypes import {', '.join(used)}\n\n"
        '__all__ = ["ACTIONS", "decode", "encode"]\n',
    ]
    for action in actions:
        parts.append(struct(f"{action}Request", schemas[f"{action}Request"], f"{action}, {words[action]}."))
        parts.append(struct(f"{action}Response", schemas[f"{action}Response"], f"The answer to {action}."))
    rows = "".join(f'"{action}": ({action}Request, {action}Response),\n' for action in actions)
    parts.append(f"ACTIONS: Final[dict[str, tuple[type[Struct], type[Struct]]]] = {{\n{rows}}}\n")
    return "\n".join(parts)


def _words() -> dict[str, str]:
    pairs = {side: (item.split(" ") for item in text.split(", ")) for side, text in USE_CASES.items()}
    return {action: f"{DIRECTIONS[side]} ({case})" for side, items in pairs.items() for action, case in items}


def formatted(source: str, *, name: str) -> str:
    """Return the source as ruff sorts and formats it."""
    for command in (["check", "--fix", "--quiet", "--select", "I,F401"], ["format"]):
        run = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(TARGET / name), "-"]
        source = subprocess.run(run, input=source, capture_output=True, text=True, check=True).stdout
    return source


def main() -> int:
    """Write the two files, or with --check compare them; return the exit status."""
    schemas = load()
    wanted = {"datatypes.py": datatypes(schemas), "messages.py": messages(schemas)}
    differing = []
    for name, source in wanted.items():
        path, text = TARGET / name, formatted(source, name=name)
        if not path.exists() or path.read_text("utf-8") != text:
            differing.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, "utf-8")
    if differing:
        print(", ".join(differing), "differ" if "--check" in sys.argv else "written")
    return int(bool(differing) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
