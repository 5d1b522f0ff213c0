"""What each room may load of other people's libraries is what its extra declares, and the locks hold exactly that.

A library that only some other extra brings works on a developer's machine and is missing on a board.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.house import ROOMS, ROOT, imported_names, place, room_files

EXTRA_OF_ROOM = {
    "lentera_model": None,
    "lentera_drivers": "gateway",
    "lentera_gateway": "gateway",
    "lentera_cloud": "cloud",
    "lentera_sim": "sim",
}
"""The extra that installs what a room needs; None: nothing beyond what everything needs."""

EXTRAS_OF_LOCK = {
    "gateway": ("gateway",),
    "cloud": ("cloud",),
    "sim": ("sim",),
    "demo": ("gateway", "cloud", "sim"),
    "dev": ("gateway", "cloud", "sim"),
}

# Imported under their own name though another library brings them, as its documented interface.
COMES_WITH = {
    "starlette": "fastapi",
    "anyio": "fastapi",
    "cryptography": "pyjwt",
    "pydantic-core": "pydantic",
    "urllib3": "influxdb-client",
}


@cache
def project() -> dict:
    """Return pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def declared(*extras: str) -> list[Requirement]:
    """Return the requirements of the project itself and of some extras."""
    table = project()["project"]
    lines = [*table["dependencies"], *(line for extra in extras for line in table["optional-dependencies"][extra])]
    return [Requirement(line) for line in lines]


def names(requirements: list[Requirement]) -> set[str]:
    """Return the normalized names of requirements."""
    return {canonicalize_name(requirement.name) for requirement in requirements}


def pins(lock: str) -> dict[str, str]:
    """Return the version of each library that a lock names."""
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", text, flags=re.MULTILINE))


def foreign_imports(room: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the place of each import of somebody else's module and the distributions that could bring it."""
    known = packages_distributions()
    for path in room_files(room):
        for node, name in imported_names(path):
            top = name.split(".")[0]
            if top in ROOMS or top in sys.stdlib_module_names or top == "compression":
                continue
            # Several distributions share the name "backports".
            brought_by = [name.replace(".", "-")] if top == "backports" else known.get(top, [top])
            yield f"{place(path, node)} imports {name}", {canonicalize_name(one) for one in brought_by}


@pytest.mark.parametrize("room", EXTRA_OF_ROOM)
def test_a_room_imports_only_what_its_extra_declares(room: str) -> None:
    extra = EXTRA_OF_ROOM[room]
    may = names(declared(*([extra] if extra else [])))
    undeclared = [
        f"{where}, which {' or '.join(sorted(brought_by))} brings; the extra {extra!r} does not declare it"
        for where, brought_by in foreign_imports(room)
        if not any(one in may or COMES_WITH.get(one) in may for one in brought_by)
    ]
    assert not undeclared, "\n".join(undeclared)


@pytest.mark.parametrize("lock", EXTRAS_OF_LOCK)
def test_a_lock_holds_what_the_project_declares(lock: str) -> None:
    requirements = declared(*EXTRAS_OF_LOCK[lock])
    requirements += [Requirement(line) for line in project()["build-system"]["requires"]]
    if lock == "dev":
        requirements += [Requirement(line) for line in project()["dependency-groups"]["dev"]]
    locked = pins(lock)
    wrong = [
        f"{requirement} is declared, the lock has {locked.get(canonicalize_name(requirement.name))}"
        for requirement in requirements
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert not wrong, "run `make lock`:\n" + "\n".join(wrong)


@pytest.mark.parametrize("lock", [lock for lock in EXTRAS_OF_LOCK if lock != "dev"])
def test_a_library_has_one_version_in_all_locks(lock: str) -> None:
    developers = pins("dev")
    other = {
        name: (version, developers.get(name)) for name, version in pins(lock).items() if developers.get(name) != version
    }
    assert not other, f"run `make lock`; (version in {lock}.lock, in dev.lock): {other}"


def test_a_board_gets_nothing_of_the_cloud_and_the_cloud_nothing_of_the_board() -> None:
    everywhere = names(declared())
    board_only = names(declared("gateway")) - names(declared("cloud")) - everywhere
    cloud_only = names(declared("cloud")) - names(declared("gateway")) - everywhere
    assert board_only
    assert cloud_only
    assert not board_only & set(pins("cloud"))
    assert not cloud_only & set(pins("gateway"))


def test_every_library_of_a_lock_is_checked_by_hash() -> None:
    for lock in EXTRAS_OF_LOCK:
        text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert len(entries) == len(pins(lock))
        assert all("--hash=sha256:" in entry for entry in entries), lock
