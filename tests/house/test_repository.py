"""What the repository holds as a whole: no registry's address, and commands that explain themselves."""

import os
import re
import subprocess
from pathlib import Path

from tests.house.house import ROOT, tracked_files

# Written in two halves, so that this file does not hold what it forbids.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "proxy" + ".golang.org",
    "sum" + ".golang.org",
    "crates" + ".io",
    "maven" + ".org",
    "maven.apache" + ".org",
    "deb.debian" + ".org",
    "docker" + ".io",
    "repos.influxdata" + ".com",
    "dl.influxdata" + ".com",
    "sh.rustup" + ".rs",
]


def addresses(text: str) -> list[str]:
    """Return the registries' and download hosts' names in a text."""
    return re.findall("|".join(re.escape(host) for host in REGISTRIES), text)


def test_no_tracked_file_names_a_registry() -> None:
    found: list[str] = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {host}" for host in addresses(text)]
    assert not found, "the machine's own settings say where packages come from:\n" + "\n".join(found)


def test_an_address_would_be_seen() -> None:
    assert addresses("--index-url https://pypi" + ".org/simple") == ["pypi" + ".org"]


def run_make(*arguments: str) -> str:
    """Return what make prints in the repository."""
    # Called from `make check` this make would take the outer one's flags.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


def test_make_alone_explains_every_target() -> None:
    listed = dict(re.findall(r"^  (\S+) +(\S.*)$", run_make(), flags=re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert phony is not None
    assert set(listed) == set(phony[1].split())


def test_every_script_can_be_run() -> None:
    scripts = [path for path in tracked_files() if path.suffix != ".py" and path.read_bytes().startswith(b"#!")]
    not_executable = [str(path.relative_to(ROOT)) for path in scripts if not os.access(path, os.X_OK)]
    assert not not_executable, not_executable
    assert ROOT / "requirements" / "install" in map(Path, scripts)


def test_shell_scripts_parse() -> None:
    scripts = [path for path in tracked_files() if re.match(rb"#!/bin/(ba)?sh|#!/usr/bin/env bash", path.read_bytes())]
    for script in scripts:
        shell = "bash" if b"bash" in script.read_bytes().splitlines()[0] else "sh"
        checked = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, f"{script}: {checked.stderr}"
