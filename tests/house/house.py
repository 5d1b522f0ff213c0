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


def imported_names(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Yield each absolute import of a file: the node and the dotted name, ``module.x`` for ``from module import x``."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node, f"{node.module}.{alias.name}"


def tracked_files() -> list[Path]:
    """Return what git tracks; skips the test in a folder that is no clone."""
    if not (ROOT / ".git").exists():
        pytest.skip("this folder is no git clone, so nothing says which files are the project's")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = (ROOT / name for name in listed.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]
