"""docs/cli.md, made from the commands themselves: `LENTERA_LANG=en python -m lentera.cli.reference > docs/cli.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

HEAD = """# Every command

Made from the commands' own `--help` by `LENTERA_LANG=en python -m lentera.cli.reference`; a test keeps it true.

Every command ends with exit code 0 (done), 1 (failed; one paragraph on stderr says why and what to do) or 2 (wrong
usage). `--json` prints one JSON value on stdout and nothing else there; if the command fails, the last line on stderr
is JSON too, `{"error": CODE, "text": ...}`, with the same exit code. CODE is `usage`, the API's problem code
(`unknown_device`), a command's reason or state (`device_offline`, `unproved`, `expired`) or the kind of error
(`unreachable`, `no_cloud`). `lentera dim` ends with 1 also when nothing proved that the lamp obeyed (`unproved`).

What operators and technicians use (`devices`, `dim`, `series`, `gateway`, `profile`) speaks Indonesian with
`LENTERA_LANG=id`, its help and its errors included. English remain: the help of `demo`, `cloud` and `sim`, the frame
that the parser draws (`Usage`, `Options`), the single faults that `gateway check`, `gateway key` and `profile check`
find, and what programs log. The settings are listed at the end.
"""

SETTINGS = """
## Settings of the command line

| variable | meaning |
|---|---|
| `LENTERA_URL` | the cloud to talk to, such as `https://lentera.example.org`; goes together with `LENTERA_TOKEN` |
| `LENTERA_TOKEN` | the API token, `lnt_...`; without both, the running demo is used |
| `LENTERA_LANG` | `id` or `en`; without it `LC_ALL`, `LC_MESSAGES` or `LANG` decide |
| `LENTERA_SESSION_FILE` | the demo's address and token for a second shell; else in `$XDG_RUNTIME_DIR` or `~/.cache` |

The cloud's settings are on [the API page](api.md#settings-of-the-cloud).
"""

WIDTH = 100


def commands() -> Iterator[tuple[str, str]]:
    """Every command's full name and the text of its --help, groups before what they hold."""
    from lentera.cli.app import app

    yield from _walk(typer.main.get_command(app), "lentera", None)


def _walk(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:
    context = command.context_class(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH
    )
    context.help_option_names = ["-h", "--help"]
    path = context.command_path
    yield path, command.get_help(context)
    for child_name, child in getattr(command, "commands", {}).items():
        yield from _walk(child, child_name, context)


def reference() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, text in commands():
        parts.append(f"\n## {name}\n\n```text\n{text.rstrip()}\n```\n")
    return "".join(parts) + SETTINGS


if __name__ == "__main__":
    sys.stdout.write(reference())
