"""`lentera dim LAMP LEVEL`: dim one lamp and say what the result rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import output
from lentera.cli.extras import require_client
from lentera.language import Words, reader_words
from lentera.words_errors import reason_in_indonesian

if TYPE_CHECKING:
    from lentera.answers import Command, ExecutionAnswer

_words = reader_words()


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("dim", help=_words("help.dim"), epilog=_words("epilog.dim"))(dim)


def dim(
    lamp: Annotated[str, typer.Argument(metavar="LAMP", help=_words("help.dim.lamp"))],
    level: Annotated[float, typer.Argument(metavar="LEVEL", help=_words("help.dim.level"), min=0, max=100)],
    ttl: Annotated[float, typer.Option(help=_words("help.dim.ttl"), min=1)] = 300,
    timeout: Annotated[float, typer.Option(help=_words("help.dim.timeout"), min=1)] = 20,
    retries: Annotated[int, typer.Option(help=_words("help.dim.retries"), min=0)] = 1,
    wait: Annotated[float, typer.Option(help=_words("help.dim.wait"), min=0)] = 60,
    json: Annotated[bool, typer.Option("--json", help=_words("help.dim.json"))] = False,
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
        output.print_error(text, code=failure_code(command))
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


def failure_code(command: Command) -> str:
    """The stable word for why the lamp is not proved to be at its level: a reason's code, else the state."""
    if not command.final:
        return "still_running"
    execution = command.executions[0] if command.executions else None
    if execution is not None and execution.reason is not None:
        return execution.reason.code
    return "unproved" if command.status == "succeeded" else command.status


def outcome(command: Command, lamp: str, level: float, waited_s: float, words: Words) -> tuple[bool, str]:
    """Whether the lamp proved its level, and the sentence that says so or why not."""
    if not command.final:
        return False, words("dim.waiting", seconds=waited_s, command=command.command_id)
    execution = command.executions[0] if command.executions else None
    if command.status == "succeeded" and execution is not None and execution.confirmed_by != "echo":
        how = words.either(f"confirmed.{execution.confirmed_by}", str(execution.confirmed_by))
        return True, words("dim.done", lamp=lamp, level=level, how=how)
    if execution is not None and (execution.state == "unproved" or command.status == "succeeded"):
        return False, words(
            "dim.unproved", lamp=lamp, level=level, reason=_reason(execution, words), measured=_heard(execution, words)
        )
    state = execution.state if execution else command.status
    return False, words(
        "dim.failed", lamp=lamp, state=words.either(f"state.{state}", state), reason=_reason(execution, words)
    )


def _reason(execution: ExecutionAnswer | None, words: Words) -> str:
    if execution is None or execution.reason is None:
        return words("reason.none")
    text = words.either(f"reason.{execution.reason.code}", execution.reason.code)
    said = execution.reason.text
    if said and words.language == "id":
        said = reason_in_indonesian(said)
    return f"{text} [{said}]" if said else text


def _heard(execution: ExecutionAnswer, words: Words) -> str:
    """The values that the gateway heard from the lamp last, with their units."""
    if not execution.result:
        return words("dim.measured_nothing")
    values = ", ".join(f"{name} {value:g} {_unit(name)}".rstrip() for name, value in sorted(execution.result.items()))
    return words("dim.measured", values=values)


def _unit(name: str) -> str:
    """The unit of a quantity, nothing for one that only a newer cloud knows."""
    from lentera_model.quantities import UnknownQuantityError, quantity

    try:
        return quantity(name).unit
    except UnknownQuantityError:
        return ""
