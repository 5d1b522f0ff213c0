"""Setting up from nothing: requirements/install answers a machine that lacks something with the remedy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.house import ROOT


@pytest.fixture
def bare_clone(tmp_path: Path) -> Path:
    """A folder with nothing but requirements/."""
    shutil.copytree(ROOT / "requirements", tmp_path / "clone" / "requirements")
    return tmp_path / "clone"


def stand_in(folder: Path, name: str, script: str) -> str:
    """Write a program of that name and return its path."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def install(clone: Path, lock: str, python: str) -> subprocess.CompletedProcess[str]:
    """Run requirements/install in a clone with some Python."""
    command = [str(clone / "requirements" / "install"), lock]
    environment = {**os.environ, "PYTHON": python}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_debians_python_without_venv_is_answered_with_the_package(bare_clone: Path, tmp_path: Path) -> None:
    # Debian's python3 without python3-venv: everything works, but ensurepip cannot be imported.
    python = stand_in(tmp_path, "python3", 'case "$*" in *ensurepip*) exit 1;; *) exec python3 "$@";; esac')
    result = install(bare_clone, "demo", python)
    assert result.returncode == 1
    assert "apt-get install python3-venv" in result.stderr
    assert not (bare_clone / ".venv").exists()


def test_an_old_python_is_named(bare_clone: Path, tmp_path: Path) -> None:
    python = stand_in(tmp_path, "python3.9", '[ "$1" = -V ] && echo Python 3.9.2 || exit 1')
    result = install(bare_clone, "demo", python)
    assert result.returncode == 1
    assert "Python 3.9.2 is too old, 3.11 is the oldest that works" in result.stderr


def test_no_python_at_all_is_answered_with_the_package(bare_clone: Path) -> None:
    result = install(bare_clone, "demo", "python-that-is-not-here")
    assert result.returncode == 1
    assert "apt-get install python3" in result.stderr


def test_an_unknown_lock_is_answered_with_the_known_ones(bare_clone: Path) -> None:
    result = install(bare_clone, "production", "python3")
    assert result.returncode == 1
    assert "say demo, dev, gateway, cloud or sim" in result.stderr


def test_a_library_that_is_not_what_the_lock_says_is_refused(bare_clone: Path) -> None:
    forged = bare_clone / "forged_lamp-1.0-py3-none-any.whl"
    forged.write_bytes(b"not what was locked")
    lock = f"forged-lamp @ {forged.as_uri()} --hash=sha256:{'0' * 64}\n# forged-lamp==1.0\n"
    (bare_clone / "requirements" / "demo.lock").write_text(lock)
    # The environment of this run stands in for a new one, whose making takes seconds; nothing gets as far as into it.
    (bare_clone / ".venv" / "bin").mkdir(parents=True)
    stand_in(bare_clone / ".venv" / "bin", "python", f'exec "{sys.executable}" "$@"')
    result = install(bare_clone, "demo", "python3")
    assert result.returncode == 1
    assert "DO NOT MATCH THE HASHES" in result.stderr
    assert "the libraries did not come through" in result.stderr
    assert not (bare_clone / ".venv" / ".lentera-demo").exists()
