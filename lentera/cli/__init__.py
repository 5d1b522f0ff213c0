"""The command `lentera`: every command of every room, each imported only when it runs."""

from lentera.cli.app import main

__all__ = ["main"]
