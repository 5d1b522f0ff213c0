"""A module as a child that cannot outlive its bench: `python -m bench.leashed PARENT_PID MODULE ARGUMENTS...`."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence

from lentera.demo.leash import put_on_leash


def leashed(module: str, arguments: Sequence[str]) -> list[str]:
    """The command that runs a module on a leash that this process holds; give it a pipe as its standard input."""
    return [sys.executable, "-m", "bench.leashed", str(os.getpid()), module, *arguments]


def main() -> None:
    """Tie this process to its parent, then be the module."""
    _, parent, *sys.argv = sys.argv
    put_on_leash(int(parent))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
