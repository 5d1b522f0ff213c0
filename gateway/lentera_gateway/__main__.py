"""Run a gateway without the command line: `python -m lentera_gateway gateway.yaml`.

A board runs this: structlog imports rich where it finds it, for tracebacks that a JSON log never shows, and that alone
is 7 MB of resident memory; so it is told that there is none.
"""

from __future__ import annotations

import sys
from pathlib import Path


def start() -> None:
    """Read the one argument and run; a mistake of the user's ends with its message and exit status 1."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m lentera_gateway FILE.yaml")
    sys.modules.setdefault("rich", None)  # pyright: ignore[reportArgumentType]
    from lentera_gateway.app import main
    from lentera_model.errors import LenteraError

    try:
        main(Path(sys.argv[1]))
    except LenteraError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    start()
