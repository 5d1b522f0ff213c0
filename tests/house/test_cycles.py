"""No module imports, by whatever way round, a module that imports it."""

import graphlib

import grimp

from tests.house.house import ROOMS


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle in the order of the imports, an empty list where there is none."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_cycles_between_modules() -> None:
    graph = grimp.build_graph(*ROOMS, cache_dir=None)
    imports = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    found = circle(imports)
    assert not found, " <- ".join(found)
    assert sum(map(len, imports.values())) > len(ROOMS), "the graph is empty: the rooms were not found"


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not circle({"a": {"b", "c"}, "b": {"c"}})
