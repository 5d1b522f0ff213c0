"""Run a gateway without the command line: `python -m lentera_gateway gateway.yaml` (a board needs no typer for it)."""

from __future__ import annotations

import sys
from pathlib import Path

from lentera_gateway.app import main
from lentera_model.errors import LenteraError

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m lentera_gateway FILE.yaml")
    try:
        main(Path(sys.argv[1]))
    except LenteraError as error:
        sys.exit(str(error))
