"""The model is pure: it imports three libraries of others, waits for nothing, opens nothing and asks no clock.

The contract "model-is-pure" of import-linter names what it must not import; here the other libraries are named that it
may, so that one nobody thought of is caught too.
"""

import ast
import sys

from tests.house.house import imported_names, place, room_files, tree

THIRD_PARTIES = ("annotated_types", "backports.zstd", "msgspec", "pydantic", "pydantic_core", "typing_extensions")
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}
DOORS = {"open", "input", "print", "exec", "eval", "__import__"}
# A path is a value of the configuration; what it leads to is for others to open.
PATH_DOORS = {
    "exists",
    "is_dir",
    "is_file",
    "iterdir",
    "mkdir",
    "read_bytes",
    "read_text",
    "stat",
    "unlink",
    "write_bytes",
    "write_text",
}


def is_allowed(name: str) -> bool:
    """Say whether the model may import the module ``name``."""
    top = name.split(".")[0]
    if top in ("lentera_model", "compression") or top in sys.stdlib_module_names:
        return True
    return any(name == library or name.startswith(library + ".") for library in THIRD_PARTIES)


def test_the_model_imports_pydantic_msgspec_and_zstd_alone() -> None:
    others = [
        f"{place(path, node)} imports {name}"
        for path in room_files("lentera_model")
        for node, name in imported_names(path)
        if not is_allowed(name)
    ]
    assert not others, "\n".join(others)


def offence(node: ast.AST) -> str | None:
    """Return what is impure about one node, None where nothing is."""
    if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
        return "waits"
    if not isinstance(node, ast.Call):
        return None
    called = node.func
    if isinstance(called, ast.Name) and called.id in DOORS:
        return f"calls {called.id}()"
    if isinstance(called, ast.Attribute) and called.attr in PATH_DOORS:
        return f"calls .{called.attr}()"
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        pair = (called.value.id, called.attr)
        return f"asks the clock by {'.'.join(pair)}()" if pair in CLOCKS else None
    return None


def test_the_model_waits_for_nothing_and_asks_no_clock() -> None:
    offences = [
        f"{place(path, node)} {what}"
        for path in room_files("lentera_model")
        for node in ast.walk(tree(path))
        if (what := offence(node))
    ]
    assert not offences, "\n".join(offences)


def test_the_check_sees_what_it_should() -> None:
    impure = "async def f(): await g()\nopen('x')\npath.read_text()\ndatetime.now(UTC)\ntime.time()"
    found = [what for node in ast.walk(ast.parse(impure)) if (what := offence(node))]
    assert sorted(found) == [
        "asks the clock by datetime.now()",
        "asks the clock by time.time()",
        "calls .read_text()",
        "calls open()",
        "waits",
        "waits",
    ]
    assert not is_allowed("numpy")
    assert not is_allowed("backports.tarfile")
