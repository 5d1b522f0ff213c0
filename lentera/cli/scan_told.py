"""What a scan tells: a table, hints for what it could not decide, JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from lentera.cli import output
from lentera.language import Words, reader_words

if TYPE_CHECKING:
    from lentera_drivers.profiles import MeterProfile
    from lentera_gateway.commissioning.found import FoundUnit, ScanResult
    from lentera_gateway.commissioning.new_config import NewConfig

INTERRUPTED = 130
"""The exit code of shells for a command that Ctrl-C has ended."""
_NOISY_SHARE = 0.03
"""Share of broken answers from which a list of meters is not to be relied on."""


def tell(
    result: ScanResult, plan: NewConfig, profiles: Sequence[MeterProfile], *, raw: bool, json: bool, is_host: bool
) -> int:
    """Print a scan's result for people or programs, and why it was cut short; return the command's exit code."""
    words = reader_words()
    if json:
        output.print_json(plain(result, raw))
    else:
        show(result, profiles, words, raw=raw, is_host=is_host)
        show_left_out(plan, words)
    return tell_ending(result, words, is_host=is_host)


def show(result: ScanResult, profiles: Sequence[MeterProfile], words: Words, *, raw: bool, is_host: bool) -> None:
    """Print what a scan has found, as a table, and what to do about what it could not decide."""
    from lentera_gateway.commissioning.found import Ending
    from lentera_gateway.commissioning.recognise import Outcome

    if result.ignores_unit_ids:
        typer.echo(words("scan.one_device"))
    if not result.units and result.ending is Ending.COMPLETE:
        typer.echo(words("scan.none_host" if is_host else "scan.none", port=result.where))
    elif result.units:
        titles = [words(f"column.{name}") for name in ("settings", "id", "outcome", "model", "detail")]
        rows = [
            [str(one.settings or "-"), str(one.unit), _outcome(one, words), _model(one), _detail(one)]
            for one in result.units
        ]
        output.print_table(titles, rows, right=frozenset({1}))
    for one in result.units if raw else ():
        for answer in one.raw:
            typer.echo(f"{one.settings or ''} {one.unit}  > {answer.asked.hex(' ')}  < {answer.heard.hex(' ') or '-'}")
    for one in result.units:
        for line in hints(one, profiles, words):
            typer.echo(line)
    typer.echo(words("scan.done", count=len(result.units), seconds=result.seconds, questions=result.questions))
    # What two units of one id say at once is broken on the best of lines.
    broken = sum(one.garbled for one in result.units if one.outcome is not Outcome.CLASH)
    if broken > _NOISY_SHARE * result.questions and not is_host:
        typer.echo(words("scan.noisy", port=result.where))
    if result.not_asked and result.ending is Ending.COMPLETE:
        places = ", ".join(dict.fromkeys(str(leg.settings) for leg in result.not_asked))
        typer.echo(words("scan.not_asked", places=places))


def show_left_out(plan: NewConfig, words: Words) -> None:
    """Say which meters must be set to other settings before they can be on this line."""
    for left in plan.left_out:
        if left.why == "other_settings":
            place = {"unit": left.unit.unit, "settings": left.unit.settings, "wanted": plan.settings}
            typer.echo(words("scan.reset", **place))


def tell_ending(result: ScanResult, words: Words, *, is_host: bool) -> int:
    """Say why a scan was cut short and what to do; return the command's exit code."""
    from lentera_gateway.commissioning.found import Ending

    if result.ending is Ending.COMPLETE:
        return 0
    if result.ending is Ending.STOPPED:
        output.print_error(words("scan.stopped", count=len(result.units)), code="stopped")
        return INTERRUPTED
    key = "scan.host_gone" if is_host else "scan.port_gone"
    output.print_error(words(key, port=result.where, why=result.why, count=len(result.units)), code="port")
    return 1


def _outcome(one: FoundUnit, words: Words) -> str:
    return words("outcome.not_looked_at" if one.outcome is None else f"outcome.{one.outcome}")


def _model(one: FoundUnit) -> str:
    if one.best is None:
        return ", ".join(dict.fromkeys(candidate.profile for candidate in one.candidates)) or "-"
    altered = [reader_words()("scan.swapped")] if one.best.swapped else []
    altered += [f"{one.best.shift:+d}"] if one.best.shift else []
    return one.best.profile + (f" ({', '.join(altered)})" if altered else "")


def _detail(one: FoundUnit) -> str:
    volts = [one.values[name] for name in ("voltage_l1", "voltage_l2", "voltage_l3") if name in one.values]
    parts = [" ".join(f"{value:.0f}" for value in volts) + " V"] if volts else []
    parts += [f"{one.values['frequency']:.2f} Hz"] if "frequency" in one.values else []
    if one.best is None and not one.candidates and one.closest is not None:
        parts.append(f"{one.closest.profile}? {one.closest.why_not}")
    return ", ".join(parts)


def plain(result: ScanResult, raw: bool) -> dict[str, Any]:
    """Return a scan's result for JSON; `raw` adds every question and answer."""
    return {
        "where": result.where,
        "seconds": round(result.seconds, 1),
        "questions": result.questions,
        "ignores_unit_ids": result.ignores_unit_ids,
        "ending": str(result.ending),
        "why": result.why,
        "not_asked": [{"settings": str(leg.settings), "units": len(leg.units)} for leg in result.not_asked],
        "units": [_plain_unit(one, raw) for one in result.units],
    }


def hints(one: FoundUnit, profiles: Sequence[MeterProfile], words: Words) -> list[str]:
    """Return what an undecided unit may be, why that is open, and what to look for."""
    if not one.undecided:
        return []
    known = {profile.id: profile for profile in profiles}
    models = [
        f"{known[name].manufacturer} {known[name].model}, {words('scan.phases', count=known[name].phases)} ({name})"
        for name in dict.fromkeys(candidate.profile for candidate in one.candidates)
        if name in known
    ]
    place = f"{one.unit}" if one.settings is None else f"{one.unit} ({one.settings})"
    phases = ", ".join(phase.upper() for phase in one.dead_phases)
    reasons = [words(f"undecided.{reason}", phases=phases) for reason in one.undecided]
    return [words("scan.maybe", place=place), *(f"  - {model}" for model in models), f"  {' '.join(reasons)}"]


def _plain_unit(one: FoundUnit, raw: bool) -> dict[str, Any]:
    from dataclasses import asdict

    plain: dict[str, Any] = {
        "settings": None if one.settings is None else str(one.settings),
        "unit": one.unit,
        "outcome": None if one.outcome is None else str(one.outcome),
        "profile": None if one.best is None else one.best.profile,
        "words_swapped": one.best is not None and one.best.swapped,
        "address_shift": 0 if one.best is None else one.best.shift,
        "candidates": [asdict(candidate) for candidate in one.candidates],
        "undecided": [str(reason) for reason in one.undecided],
        "dead_phases": list(one.dead_phases),
        "closest": None if one.closest is None else asdict(one.closest),
        "serial_number": one.serial_number,
        "turnaround_ms": round(one.turnaround_s * 1000, 1),
        "values": one.values,
    }
    if raw:
        plain["raw"] = [
            {"asked": answer.asked.hex(), "heard": answer.heard.hex(), "kind": str(answer.kind)} for answer in one.raw
        ]
    return plain
