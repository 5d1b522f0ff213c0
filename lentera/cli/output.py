"""How commands print: JSON for programs, tables that line up for people, errors in one paragraph."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import msgspec

_errors_as_json = False


def print_json(value: Any) -> None:
    """Print one JSON value, indented, on stdout; API answers keep their field names, times are RFC 3339."""
    plain = msgspec.to_builtins(value) if isinstance(value, msgspec.Struct | list) else value
    sys.stdout.write(json.dumps(plain, indent=2, ensure_ascii=False) + "\n")


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> None:
    """Print columns that line up; the columns in `right` are flush right. Piped, it is never folded or cut."""
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for index, header in enumerate(headers):
        table.add_column(Text(header), justify="right" if index in right else "left", no_wrap=True, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    widest = sum(max(map(cell_len, column)) + 3 for column in zip(headers, *rows, strict=True))
    console = Console(width=None if sys.stdout.isatty() else max(80, widest), highlight=False)
    console.print(table)


def print_pairs(pairs: Mapping[str, str]) -> None:
    """Print `label  value` lines, the values under one another."""
    width = max((len(label) for label in pairs), default=0)
    for label, value in pairs.items():
        sys.stdout.write(f"{label:<{width}}  {value}\n")


def note(text: str) -> None:
    """A line for people on stderr; stdout stays what programs read."""
    sys.stderr.write(text + "\n")


def errors_as_json(wanted: bool) -> None:
    """Whether print_error() prints JSON from now on: it does for a command that was given --json."""
    global _errors_as_json  # noqa: PLW0603 - one process runs one command
    _errors_as_json = wanted


def print_error(text: str, code: str = "failed") -> None:
    """An error in one paragraph on stderr, folded at the terminal's width; with --json one line of JSON instead."""
    if _errors_as_json:
        sys.stderr.write(json.dumps({"error": code, "text": text}, ensure_ascii=False) + "\n")
        return
    if not sys.stderr.isatty() or "\n" in text:
        sys.stderr.write(f"lentera: {text}\n")
        return
    sys.stderr.write(_folded(f"lentera: {text}", sys.stderr) + "\n")


def print_paragraphs(texts: Sequence[str]) -> None:
    """Print one paragraph after another, folded at the terminal's width; piped, each is one line."""
    for text in texts:
        sys.stdout.write((_folded(text, sys.stdout) if sys.stdout.isatty() else text) + "\n")


def _folded(text: str, stream: TextIO) -> str:
    return textwrap.fill(text, width=max(40, min(100, _columns(stream))), subsequent_indent="  ")


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return 80


def number(value: float | None, digits: int = 1) -> str:
    """A number with `digits` decimals, `-` for none."""
    return "-" if value is None else f"{value:,.{digits}f}".replace(",", " ")
