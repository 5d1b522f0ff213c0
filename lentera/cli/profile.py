"""`lentera profile`: device models, and the way a new one is checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from lentera.cli import output
from lentera.cli.extras import missing_modules, require
from lentera.language import Words, reader_words

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lentera.profile_hints import Hint
    from lentera.profile_trial import Trial
    from lentera_drivers.profiles import MeterProfile, ProfileError, SensorProfile

_words = reader_words()

app = typer.Typer(name="profile", help=_words("help.profile"), no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help=_words("help.profile.json"))]


@app.callback()
def profile() -> None:
    """Group the commands about device models."""


@app.command("list", help=_words("help.profile.list"), epilog=_words("epilog.profile.list"))
def list_command(
    word: Annotated[str | None, typer.Argument(metavar="WORD", help=_words("help.profile.list.word"))] = None,
    json: Json = False,
) -> None:
    """Print one line a device model."""
    require("gateway")
    from lentera_drivers.profiles import list_profiles, load_profile

    words = reader_words()
    rows = [_line_of(load_profile(name)) for name in list_profiles()]
    if word is not None:
        rows = [row for row in rows if word.casefold() in " ".join(map(str, row.values())).casefold()]
    if json:
        output.print_json(rows)
    elif rows:
        titles = [words(f"column.{name}") for name in rows[0]]
        output.print_table(titles, [[_cell(value) for value in row.values()] for row in rows], right=frozenset({4, 6}))
    else:
        output.note(words("profile.none", word=word))


@app.command("show", help=_words("help.profile.show"), epilog=_words("epilog.profile.show"))
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help=_words("help.profile.show.id"))], json: Json = False
) -> None:
    """Print a device model."""
    require("gateway")
    from lentera_drivers.profiles import MeterProfile, load_profile

    found = load_profile(name)
    words = reader_words()
    if json:
        output.print_json(found.model_dump(mode="json", exclude_none=True))
        return
    line = _line_of(found)
    output.print_pairs({words(f"column.{key}"): _cell(value) for key, value in line.items()})
    if isinstance(found, MeterProfile):
        _print_meter(found, words)
    _print_background(found, words)


@app.command("check", help=_words("help.profile.check"), epilog=_words("epilog.profile.check"))
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_words("help.profile.check.file"))], json: Json = False
) -> None:
    """Check a profile's file and try it."""
    require("gateway")
    from lentera.profile_hints import Hint, hints_for
    from lentera_drivers.profiles import LampProfile, MeterProfile, ProfileError, load_profile

    words = reader_words()
    try:
        found = load_profile(file)
    except ProfileError as error:
        _refuse(file, error, words, as_json=json)
    trial, skipped, hints = None, "", list[Hint]()
    if isinstance(found, LampProfile):
        skipped = words("profile.skipped.kind")
    elif missing := missing_modules("sim"):
        skipped = words("profile.skipped.extra", modules=", ".join(missing))
    else:
        trial = _try(found)
    if isinstance(found, MeterProfile):
        hints = hints_for(found, file)
        if trial is not None and trial.narrow:
            hints.append(Hint("profile.hint.narrow", {"names": ", ".join(trial.narrow)}))
    kind = str(found.kind)
    if json:
        _print_check_json(file, found.id, kind, trial, skipped, [words(hint.key, **hint.values) for hint in hints])
    else:
        _print_check(file, kind, trial, skipped, hints, words)
    if trial is not None and not trial.passed:
        _tell_failure(file, trial, words)


def _try(found: MeterProfile | SensorProfile) -> Trial:
    import asyncio

    from lentera.profile_trial import try_profile
    from lentera.sensor_trial import try_sensor
    from lentera_drivers.profiles import MeterProfile

    return asyncio.run(try_profile(found) if isinstance(found, MeterProfile) else try_sensor(found))


def _refuse(file: Path, error: ProfileError, words: Words, *, as_json: bool) -> NoReturn:
    """Print every fault of a file and exit with 1."""
    if as_json:
        faults = [
            {"file": one.file, "line": one.line, "key": one.key, "what": one.what, "remedy": one.remedy}
            for one in error.problems
        ]
        output.print_json({"file": str(file), "ok": False, "faults": faults})
    else:
        output.note(str(error))
    count = len(error.problems)
    key = "profile.refused_once" if count == 1 else "profile.refused"
    output.print_error(words(key, file=file, count=count), code="profile_faults")
    raise typer.Exit(1)


def _tell_failure(file: Path, trial: Trial, words: Words) -> None:
    if trial.failure:
        text = words("profile.trial_silent", file=file, why=trial.failure)
    else:
        wrong = [value for value in trial.values if not value.agrees]
        text = words("profile.trial_failed", file=file, count=len(wrong))
    output.print_error(text, code="profile_trial")
    raise typer.Exit(1)


def _print_check(file: Path, kind: str, trial: Trial | None, skipped: str, hints: list[Hint], words: Words) -> None:
    typer.echo(words("profile.good", file=file, kind=words(f"profile.kind.{kind}")))
    if skipped:
        typer.echo(words("profile.skipped", why=skipped))
    if trial is not None and trial.values:
        titles = [words(f"column.{name}") for name in ("quantity", "had", "read", "unit", "resolution", "agrees")]
        rows = [
            [
                value.quantity,
                _number(value.had),
                _number(value.read),
                value.unit,
                "-" if value.resolution is None else f"{value.resolution:g}",
                words("online.true" if value.agrees else "online.false"),
            ]
            for value in trial.values
        ]
        typer.echo()
        output.print_table(titles, rows, right=frozenset({1, 2, 4}))
        typer.echo()
        agreed = sum(value.agrees for value in trial.values)
        typer.echo(words("profile.tried", agreed=agreed, count=len(rows)))
    if trial is not None:
        if trial.line == "MQTT":
            typer.echo(words("profile.topics", topics=", ".join(trial.requests)))
        else:
            typer.echo(words("profile.cost", requests=len(trial.requests), wire_ms=trial.wire_ms, line=trial.line))
        if trial.rules:
            typer.echo(f"{words('profile.rules')}:")
            output.print_pairs(
                {f"  {one.rule}": f"{words(f'profile.verdict.{one.verdict}')}: {one.detail}" for one in trial.rules}
            )
    for hint in hints:
        typer.echo(f"{words('profile.hint')}: {words(hint.key, **hint.values)}")


def _print_check_json(
    file: Path, profile_id: str, kind: str, trial: Trial | None, skipped: str, hints: list[str]
) -> None:
    answer: dict[str, Any] = {"file": str(file), "ok": trial is None or trial.passed, "id": profile_id, "kind": kind}
    answer["hints"] = hints
    answer["dry_run"] = {"done": trial is not None, "skipped": skipped or None}
    if trial is not None:
        answer["dry_run"] |= {
            "passed": trial.passed,
            "failure": trial.failure or None,
            "line": trial.line,
            "wire_ms": round(trial.wire_ms, 1),
            "requests": list(trial.requests),
            "values": [
                {
                    "quantity": value.quantity,
                    "unit": value.unit,
                    "had": value.had,
                    "read": value.read,
                    "resolution": value.resolution,
                    "agrees": value.agrees,
                }
                for value in trial.values
            ],
            "rules": [
                {"rule": one.rule, "verdict": one.verdict.value, "detail": one.detail, "quantities": one.quantities}
                for one in trial.rules
            ],
        }
    output.print_json(answer)


def _line_of(found: BaseModel) -> dict[str, Any]:
    """The line of the list: what every kind of profile has, and what only meters have."""
    registers, fields = getattr(found, "registers", None), getattr(found, "fields", ())
    return {
        "id": getattr(found, "id", ""),
        "kind": getattr(found, "kind", ""),
        "manufacturer": getattr(found, "manufacturer", ""),
        "model": getattr(found, "model", ""),
        "phases": getattr(found, "phases", None),
        "transport": list(getattr(found, "transport", ("mqtt",))),
        "values": len(fields if registers is None else registers),
    }


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.10g}"


def _print_meter(found: MeterProfile, words: Words) -> None:
    unknown = words("profile.unknown")
    serial = found.serial
    line = unknown
    if serial is not None and serial.baud is not None:
        line = f"{serial.baud} 8{serial.parity or '?'}{serial.stop_bits or '?'}"
    output.print_pairs(
        {
            words("profile.serial"): line,
            words("profile.unit_id"): unknown if found.unit_id is None else str(found.unit_id),
            words("profile.function"): ", ".join(map(str, (found.function_code, *found.function_code_alternatives))),
            words("profile.order"): f"{found.byte_order}, {found.word_order}",
            words("profile.limit"): str(found.max_registers_per_read),
            words("profile.signs"): ", ".join(
                (
                    words("profile.power_sign", sign=found.signs.active_power),
                    words("profile.factor_sign", sign=found.signs.power_factor),
                )
            ),
        }
    )
    titles = [words(f"column.{name}") for name in ("address", "quantity", "type", "scale", "unit")]
    rows = [
        [str(one.address), one.quantity, str(one.type), _scale_of(one.scale, one.scale_register), one.unit]
        for one in found.registers
    ]
    typer.echo()
    output.print_table(titles, rows, right=frozenset({0, 3}))
    if found.identity:
        typer.echo(f"\n{words('profile.identity')}:")
        for entry in found.identity:
            typer.echo(f"  {entry.address}  {entry.what}  {', '.join(entry.expected)}".rstrip())


def _scale_of(scale: float, scale_register: int | None) -> str:
    return f"{scale:g}" if scale_register is None else f"{scale:g} x 10^[{scale_register}]"


def _print_background(found: BaseModel, words: Words) -> None:
    """Print notes, conflicts and sources."""
    if notes := getattr(found, "notes", ()):
        typer.echo(f"\n{words('profile.notes')}:")
        for text in notes:
            typer.echo(f"  - {text}")
    if conflicts := getattr(found, "conflicts", ()):
        typer.echo(f"\n{words('profile.conflicts')}:")
        for one in conflicts:
            typer.echo(f"  - {one.about}: {one.a} | {one.b}")
    typer.echo(f"\n{words('profile.sources')}:")
    for source in getattr(found, "sources", ()):
        place = source.url or " ".join(part for part in (source.repo, source.path) if part)
        typer.echo(f"  - {place}{': ' + source.what if source.what else ''}")
