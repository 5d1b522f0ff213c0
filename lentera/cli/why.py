"""`lentera gateway why`: what became of the newest value of a quantity, asked of the running gateway."""

from __future__ import annotations

import json as plain_json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lentera.cli import output
from lentera.cli.configuration import load_or_exit
from lentera.cli.extras import require
from lentera.language import Words, reader_words

if TYPE_CHECKING:
    from lentera_gateway.config import LoadedConfig

_words = reader_words()
_ANSWER_WITHIN_S = 5.0
_ASK_LATER = (5, 6)
"""Modbus exceptions of a device that has no time now: acknowledge, server device busy."""

HELP = _words("help.gateway.why")
EPILOG = _words("epilog.gateway.why")


def why(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_words("help.gateway.file"))],
    device: Annotated[str, typer.Argument(help=_words("help.gateway.why.device"))],
    quantity: Annotated[str, typer.Argument(help=_words("help.gateway.why.quantity"))],
    json: Annotated[bool, typer.Option("--json", help=_words("help.gateway.why.json"))] = False,
) -> None:
    """Say why a value is there or is not; exit code 1 if the gateway could not say."""
    require("gateway")
    from lentera_gateway.control_client import ControlError, GatewayNotRunningError, ask
    from lentera_gateway.control_path import socket_path

    words = reader_words()
    loaded = load_or_exit(file)
    request = {"do": "why", "device": device, "quantity": quantity}
    try:
        answer = ask(socket_path(loaded.config.journal.memory_dir), request, _ANSWER_WITHIN_S)
    except GatewayNotRunningError as error:
        reason = _last_word(loaded, device) or words("why.no_last_word")
        output.print_error(words("why.not_running", device=device, reason=reason), code=error.code)
        raise typer.Exit(1) from error
    except ControlError as error:
        output.print_error(str(error), code=getattr(error, "problem_code", error.code))
        raise typer.Exit(1) from error
    if json:
        output.print_json(answer)
    else:
        typer.echo(sentence(answer, words))


def sentence(answer: dict[str, Any], words: Words) -> str:
    """Put the gateway's answer into words, with the next thing to do."""
    detail = str(answer["detail"]).strip()
    text = words(
        f"why.{_case(answer)}",
        age=_seconds(answer["age_s"]),
        interval=_seconds(answer["interval_s"]),
        detail=_as_sentence(detail, str(answer.get("device", ""))),
        exception=answer["exception_code"],
        waiting=answer["waiting_batches"],
        read=_number(answer["read_value"]),
        stored=_number(answer["stored_value"]),
        stored_age=_seconds(answer["stored_age_s"]),
        left_out=answer["left_out"],
        skipped=answer["skipped"],
        skipped_age=_seconds(answer["skipped_age_s"]),
        load=_number(answer["load_percent"], ".0f"),
    )
    text = " ".join(text.split())
    if answer["quality"] not in (None, "good"):
        doubt = str(answer["doubt"]).strip().rstrip(".")
        text += " " + words(f"why.quality.{answer['quality']}", doubt=doubt)
    if answer["verdict"] in ("stored", "queued", "deadband", "set_aside", "not_yet"):
        return text
    read_age_s = answer["read_age_s"]
    last = words("why.never_read") if read_age_s is None else words("why.last_read", age=_seconds(read_age_s))
    return f"{text} {last}"


def _as_sentence(detail: str, device: str) -> str:
    """Return a detail with a capital at its beginning, unless an id is there: ids stay as they are."""
    if not detail:
        return ""
    first = detail.split(maxsplit=1)[0]
    begins_with_id = first.strip(":'") == device or first.endswith(":") or not first.isalpha()
    return f"{detail[0] if begins_with_id else detail[0].upper()}{detail[1:].rstrip('.')}."


def _case(answer: dict[str, Any]) -> str:
    """Return which of the sentences of a verdict fits; each has its own next thing to do."""
    verdict = str(answer["verdict"])
    if verdict == "late" and answer["skipped"]:
        return "late_busy"
    if verdict == "refused" and answer["exception_code"] in _ASK_LATER:
        return "refused_busy"
    if verdict == "queued" and not answer["link_up"]:
        return "queued_no_link"
    if verdict == "queued" and not answer["clock_known"]:
        return "queued_no_clock"
    return verdict


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _number(value: float | None, form: str = ".10g") -> str:
    return "-" if value is None else format(value, form)


def _last_word(loaded: LoadedConfig, device: str) -> str:
    """Return what status.json says of a device; empty where there is none."""
    try:
        status = plain_json.loads(loaded.status_file.read_text(encoding="utf-8"))
        return str(status["devices"][device]["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
