"""The pages for users are true: every command, route and setting is named, and nothing is named that does not exist."""

import re
from pathlib import Path

import pytest

from lentera.cli.reference import commands, reference

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages are made in English."""
    monkeypatch.setenv("LENTERA_LANG", "en")


def test_the_command_page_is_what_the_commands_say() -> None:
    import subprocess
    import sys

    made = subprocess.run(
        [sys.executable, "-m", "lentera.cli.reference"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert (DOCS / "cli.md").read_text() == made, "run: LENTERA_LANG=en python -m lentera.cli.reference > docs/cli.md"


def test_every_command_is_on_the_command_page() -> None:
    titles = set(re.findall(r"^## (lentera.*)$", reference(), re.MULTILINE))
    assert titles == {name for name, _ in commands()}


def test_every_command_in_a_page_exists() -> None:
    known = {name for name, _ in commands()}
    options = {name: set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", text)) for name, text in commands()}
    for page in PAGES:
        for line in re.findall(r"(?:^|`|\$ |/)(lentera [a-z][^`\n|]*)", page.read_text(), re.MULTILINE):
            words = line.split()
            name = next((" ".join(words[:n]) for n in (3, 2) if " ".join(words[:n]) in known), None)
            assert name is not None, f"{page}: no such command: {line}"
            for option in re.findall(r"(?<=\s)(--[a-z][a-z-]*)", line):
                assert option in options[name], f"{page}: {name} has no {option}"


def routes(folder: Path) -> set[str]:
    """`METHOD /path` of every route that the API documents, and the link's websocket."""
    from lentera_cloud.app import create_app
    from lentera_cloud.settings import Settings

    paths = create_app(Settings.model_validate({"secret_file": folder / "secret"})).openapi()["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def test_every_route_is_on_the_api_page_and_no_other(tmp_path: Path) -> None:
    text = (DOCS / "api.md").read_text()
    named = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /v1[^`\s?]*)", text))
    assert named == routes(tmp_path)
    assert "WS /v1/link" in text


def test_every_setting_is_named_on_the_pages() -> None:
    from lentera_cloud.settings import Settings

    text = "\n".join(page.read_text() for page in PAGES)
    used = {f"LENTERA_{name.upper()}" for name in Settings.model_fields}
    for room in ("lentera", "model", "drivers", "gateway", "cloud", "firmware-sim"):
        for source in (ROOT / room).rglob("*.py"):
            used |= set(re.findall(r"[\"'](LENTERA_[A-Z0-9_]*[A-Z0-9])[\"'=]", source.read_text()))
    missing = sorted(name for name in used if name not in text)
    assert not missing, f"no page names {missing}"


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page}: {target} is not there"


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS)
        if name.parts[0] != "decisions" and page.name != "README.md":
            assert str(name) in index, f"docs/README.md does not lead to {name}"
    assert "decisions" in index


def test_operators_and_technicians_are_served_in_both_languages() -> None:
    for name in ("operator.md", "technician.md"):
        text = (DOCS / name).read_text()
        indonesian, english = text.split("\n## English\n")
        assert "## Bahasa Indonesia" in indonesian
        assert len(re.findall(r"^### ", indonesian, re.MULTILINE)) == len(re.findall(r"^### ", english, re.MULTILINE))
        assert re.findall(r"^    lentera .*", indonesian, re.MULTILINE) == re.findall(
            r"^    lentera .*", english, re.MULTILINE
        )


def test_every_fault_of_the_simulator_is_on_its_page_with_its_usual_value() -> None:
    from lentera_sim.faults.catalogue import catalogue

    page = (DOCS / "simulator.md").read_text()
    rows = set(re.findall(r"^\| `([a-z_]+)` \| ([^|]*)\|", page.split("## What can go wrong")[1], re.MULTILINE))
    kinds = [kind for kinds in catalogue().values() for kind in kinds]
    assert {name for name, _ in rows} == {kind.name for kind in kinds}
    for kind in kinds:
        if kind.usual:
            assert any(name == kind.name and f"{kind.usual:g}" in value for name, value in rows), kind.name
