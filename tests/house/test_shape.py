"""The shape of the code: short files, short functions, a docstring that says what each module is for."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.house import ROOMS, all_files, imported_names, place, room_files, tree

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
MIN_ROOM_DOCSTRING_LINES = 3
# A migration is a list of tables, read from top to bottom once.
LISTS_OF_TABLES = "migrations/versions"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    """Yield every function of a file, methods and nested ones too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, Function):
            yield node


def code_lines(function: Function) -> int:
    """Return how many lines a function takes from its def to its end, its docstring left out."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None and first.end_lineno is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in all_files()}
    too_long = [f"{place(path)} has {lines} lines" for path, lines in lengths.items() if lines > MAX_FILE_LINES]
    assert not too_long, f"at most {MAX_FILE_LINES} lines a file:\n" + "\n".join(too_long)


def test_functions_are_short() -> None:
    too_long = [
        f"{place(path, function)} {function.name} has {code_lines(function)} lines"
        for path in all_files()
        if LISTS_OF_TABLES not in path.as_posix()
        for function in functions(path)
        if code_lines(function) > MAX_FUNCTION_LINES
    ]
    assert not too_long, f"at most {MAX_FUNCTION_LINES} lines a function, docstring aside:\n" + "\n".join(too_long)


def test_every_module_says_what_it_is_for() -> None:
    silent = [place(path) for path in all_files() if not ast.get_docstring(tree(path))]
    assert not silent, "no module docstring:\n" + "\n".join(silent)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for_and_what_it_may_touch(room: str) -> None:
    docstring = ast.get_docstring(tree(ROOMS[room] / "__init__.py")) or ""
    lines = [line for line in docstring.splitlines() if line.strip()]
    assert len(lines) >= MIN_ROOM_DOCSTRING_LINES, f"{place(ROOMS[room] / '__init__.py')}: three lines, please"


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "lentera"])
def test_entering_a_room_loads_nothing(room: str) -> None:
    """Python runs a package's __init__ before any module in it; what that loads, every importer pays for."""
    front_door = ROOMS[room] / "__init__.py"
    loaded = [f"{place(front_door, node)} imports {name}" for node, name in imported_names(front_door)]
    assert not loaded, "\n".join(loaded)


def test_nothing_is_imported_by_a_relative_name() -> None:
    """A relative import hides from whom it takes; the arrows are easier to read with the room's name in each line."""
    relative = [
        place(path, node)
        for room in ROOMS
        for path in room_files(room)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative, "relative imports:\n" + "\n".join(relative)
