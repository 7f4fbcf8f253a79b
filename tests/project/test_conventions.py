"""The conventions of CONTRIBUTING.md that a machine can hold."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
GENERATED = {"src/evhold/ocpp/v201/messages.py", "src/evhold/ocpp/v201/datatypes.py"}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "base", "services", "service", "manager"}
LINES = 400
Function = ast.FunctionDef | ast.AsyncFunctionDef


def inside(path: Path) -> str:
    """Return the path as seen from the root of the project."""
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function of a file, nested ones too."""
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def test_no_module_is_longer_than_its_limit() -> None:
    """Modules stay small enough to be read at one go; generated ones are excepted."""
    lengths = {inside(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > LINES and name not in GENERATED} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    """A module is named after what it is about."""
    names = {inside(path): {*path.relative_to(ROOT / "src").parent.parts, path.stem} for path in SOURCES}
    assert [name for name, words in names.items() if words & FORBIDDEN_NAMES] == []


def test_package_files_are_empty() -> None:
    """Nothing happens, and nothing is exported, by importing a package."""
    assert [inside(path) for path in SOURCES if path.name == "__init__.py" and path.read_text(encoding="utf-8")] == []


def test_every_module_and_public_name_has_a_docstring() -> None:
    """What is public says what it is: modules, classes and functions of src."""
    missing = []
    for path in SOURCES:
        if path.name == "__init__.py":
            continue
        tree = parsed(path)
        public = [node for node in tree.body if isinstance(node, Function | ast.ClassDef)]
        nodes: list[ast.Module | Function | ast.ClassDef] = [tree]
        nodes += [node for node in public if not node.name.startswith("_")]
        missing += [
            f"{inside(path)}: {getattr(node, 'name', 'module')}" for node in nodes if not ast.get_docstring(node)
        ]
    assert missing == []


def test_every_test_says_in_one_line_what_is_true() -> None:
    """Each test function has a docstring, and each test file too."""
    missing = []
    for path in TESTS:
        tree = parsed(path)
        missing += [] if ast.get_docstring(tree) else [inside(path)]
        tests = (node for node in functions(tree) if node.name.startswith("test_"))
        missing += [f"{inside(path)}: {node.name}" for node in tests if not ast.get_docstring(node)]
    assert missing == []


def sleeps(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of calls to `sleep` with a number above zero written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "sleep" and node.args[0].value not in (0, 0.0):
                yield node.lineno


def test_no_test_sleeps() -> None:
    """Time is moved or an event is awaited; a number of seconds is a guess."""
    assert [f"{inside(path)}:{line}" for path in TESTS for line in sleeps(parsed(path))] == []


def test_test_files_have_names_of_their_own() -> None:
    """Without packages under tests/, two files of one name would be one module."""
    counts = Counter(path.name for path in TESTS if path.name.startswith("test_"))
    assert [name for name, count in counts.items() if count > 1] == []


def test_no_class_is_called_an_exception() -> None:
    """Errors are named after what went wrong."""
    names = [
        f"{inside(path)}: {node.name}"
        for path in SOURCES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Exception")
    ]
    assert names == []


def test_silenced_types_have_a_reason() -> None:
    """A `type: ignore` names its code and says why behind it."""
    lines = [
        f"{inside(path)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"# type: ignore(?!\[[\w,-]+\]\s+# \S)", line)
    ]
    assert lines == []
