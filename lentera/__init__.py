"""The front door of Lentera: the `lentera` command line, the API client (`from lentera import Client`) and the demo.

It may import every room; no room imports it. Everything heavy is imported only when it is used, so that
`import lentera` and `lentera --help` stay fast and work on a board where only the extra `gateway` is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lentera.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "__version__"]

__version__ = "0.1.0"

_LAZY = {"Client": "lentera.client", "AsyncClient": "lentera.client"}


def __getattr__(name: str) -> Any:
    """Import `Client` and `AsyncClient` at first use (they need httpx, which a board does not have)."""
    if name not in _LAZY:
        raise AttributeError(f"module 'lentera' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
