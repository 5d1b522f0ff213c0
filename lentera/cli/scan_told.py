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

_NOISY_SHARE = 0.03
"""Share of broken answers from which a list of meters is not to be relied on."""


def show(result: ScanResult, profiles: Sequence[MeterProfile], words: Words, *, raw: bool, is_host: bool) -> None:
    """Print what a scan has found, as a table, and what to do about what it could not decide."""
    if result.ignores_unit_ids:
        typer.echo(words("scan.one_device"))
    if not result.units:
        typer.echo(words("scan.none_host" if is_host else "scan.none", port=result.where))
    else:
        titles = [words(f"column.{name}") for name in ("settings", "id", "outcome", "model", "detail")]
        rows = [
            [str(one.settings or "-"), str(one.unit), words(f"outcome.{one.outcome}"), _model(one), _detail(one)]
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
    if sum(one.garbled for one in result.units) > _NOISY_SHARE * result.questions and not is_host:
        typer.echo(words("scan.noisy", port=result.where))
    if result.not_asked:
        places = ", ".join(dict.fromkeys(str(leg.settings) for leg in result.not_asked))
        typer.echo(words("scan.not_asked", places=places))


def show_left_out(plan: NewConfig, words: Words) -> None:
    """Say which meters must be set to other settings before they can be on this line."""
    for left in plan.left_out:
        if left.why == "other_settings":
            place = {"unit": left.unit.unit, "settings": left.unit.settings, "wanted": plan.settings}
            typer.echo(words("scan.reset", **place))


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
        "outcome": str(one.outcome),
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
