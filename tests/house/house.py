"""Where things are in the repository: what the tests about the house itself share."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ROOMS = {
    "lentera": ROOT / "lentera",
    "lentera_model": ROOT / "model" / "lentera_model",
    "lentera_drivers": ROOT / "drivers" / "lentera_drivers",
    "lentera_gateway": ROOT / "gateway" / "lentera_gateway",
    "lentera_cloud": ROOT / "cloud" / "lentera_cloud",
    "lentera_sim": ROOT / "firmware-sim" / "lentera_sim",
}
"""The import name of each room and its folder."""

BESIDE_THE_ROOMS = (ROOT / "tests", ROOT / "bench", ROOT / ".ci")


def room_files(room: str) -> list[Path]:
    """Return every Python file of a room, sorted."""
    return sorted(ROOMS[room].rglob("*.py"))


def all_files() -> Iterator[Path]:
    """Yield every Python file of ours, the rooms' and those beside them."""
    for room in ROOMS:
        yield from room_files(room)
    for folder in BESIDE_THE_ROOMS:
        yield from sorted(folder.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def place(path: Path, node: ast.AST | None = None) -> str:
    """Return ``file:line`` as an editor takes it."""
    line = getattr(node, "lineno", 1)
    return f"{path.relative_to(ROOT)}:{line}"


LOADED_BY_NAME = {"files", "import_module"}
"""importlib's functions that load a package by a name in a string."""


def imported_names(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Yield each absolute import of a file: the node and the dotted name, ``module.x`` for ``from module import x``.

    What importlib loads by a constant string counts too.
    """
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Call) and (name := _loaded_by_name(node)):
            yield node, name


def _loaded_by_name(call: ast.Call) -> str | None:
    """Return the package that a call of importlib loads, None for any other call."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
    first = call.args[0] if call.args else None
    if called not in LOADED_BY_NAME or not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return None
    return first.value if not first.value.startswith(".") else None


def tracked_files() -> list[Path]:
    """Return what git tracks; skips the test in a folder that is no clone."""
    if not (ROOT / ".git").exists():
        pytest.skip("this folder is no git clone, so nothing says which files are the project's")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = (ROOT / name for name in listed.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]
