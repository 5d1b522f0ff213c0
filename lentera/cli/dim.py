"""`lentera dim LAMP LEVEL`: dim one lamp and say what the result rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import output
from lentera.cli.extras import require_client
from lentera.language import Words, reader_words

if TYPE_CHECKING:
    from lentera.answers import Command, ExecutionAnswer

EPILOG = """Examples:

\b
  lentera dim lamp-003 40
  lentera dim lamp-003 0 --ttl 60
  lentera dim lamp-003 100 --json

Exit code 0 only if the lamp proved its level by readback or measured power; an echo of the command is no proof."""


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("dim", help=reader_words()("help.dim"), epilog=EPILOG)(dim)


def dim(
    lamp: Annotated[str, typer.Argument(metavar="LAMP", help="The lamp's id, as `lentera devices` shows it.")],
    level: Annotated[float, typer.Argument(metavar="LEVEL", help="Percent of full output, 0 to 100.", min=0, max=100)],
    ttl: Annotated[float, typer.Option(help="Seconds after which the command is pointless.", min=1)] = 300,
    timeout: Annotated[float, typer.Option(help="Seconds a try may take.", min=1)] = 20,
    retries: Annotated[int, typer.Option(help="More tries after the first.", min=0)] = 1,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the proof.", min=0)] = 60,
    json: Annotated[bool, typer.Option("--json", help="Print the command as JSON.")] = False,
) -> None:
    """Dim one lamp; exit with 1 if it failed or could not be proved."""
    require_client()
    from lentera.client import Client

    words = reader_words()
    progress = _Progress(words)
    output.note(words("dim.start", lamp=lamp, level=level))
    with Client() as client:
        command = client.send_level(lamp, level, ttl_s=ttl, timeout_s=timeout, retries=retries)
        command = client.wait(command, on_change=progress, timeout_s=wait)
    if json:
        output.print_json(command)
    done, text = outcome(command, lamp, level, wait, words)
    if not done:
        output.print_error(text)
        raise typer.Exit(1)
    if not json:
        typer.echo(text)


class _Progress:
    """Prints each state that the execution passes, once."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._last = ""

    def __call__(self, command: Command) -> None:
        for execution in command.executions:
            if execution.state != self._last:
                self._last = execution.state
                output.note(f"  {self._words.either(f'state.{execution.state}', execution.state)}")


def outcome(command: Command, lamp: str, level: float, waited_s: float, words: Words) -> tuple[bool, str]:
    """Whether the lamp proved its level, and the sentence that says so or why not."""
    if not command.final:
        return False, words("dim.waiting", seconds=waited_s, command=command.command_id)
    execution = command.executions[0] if command.executions else None
    if command.status == "succeeded" and execution is not None and execution.confirmed_by != "echo":
        how = words.either(f"confirmed.{execution.confirmed_by}", str(execution.confirmed_by))
        return True, words("dim.done", lamp=lamp, level=level, how=how)
    state = execution.state if execution else command.status
    return False, words(
        "dim.failed", lamp=lamp, state=words.either(f"state.{state}", state), reason=_reason(execution, words)
    )


def _reason(execution: ExecutionAnswer | None, words: Words) -> str:
    if execution is None or execution.reason is None:
        return words("reason.none")
    text = words.either(f"reason.{execution.reason.code}", execution.reason.code)
    return f"{text} [{execution.reason.text}]" if execution.reason.text else text
