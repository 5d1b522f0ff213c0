"""A gateway on a network whose name servers come and go: `python -m ... gateway.yaml`.

While the file `no-names` lies beside the configuration, nobody knows the cloud's name; else it is this machine's. The
rest is the product's, on asyncio's own loop: uvloop would ask the system's resolver past what is replaced here.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

NAME = "cloud.lentera.test"
GONE = "no-names"


def main(config: Path) -> None:
    """Run the gateway until it is told to stop."""
    sys.modules["uvloop"] = None  # pyright: ignore[reportArgumentType]
    known = socket.getaddrinfo

    def getaddrinfo(host: Any, *words: Any, **named: Any) -> Any:
        if host != NAME:
            return known(host, *words, **named)
        if (config.parent / GONE).exists():
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return known("127.0.0.1", *words, **named)

    socket.getaddrinfo = getaddrinfo
    from lentera_gateway.app import main as run_gateway

    run_gateway(config)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
