"""`lentera gateway journal`: what waits on a gateway's tiers, read beside it; and the same as a file to carry home."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lentera.cli import output
from lentera.cli.configuration import load_or_exit
from lentera.cli.extras import require
from lentera.errors import NoJournalError
from lentera.language import Words, reader_words
from lentera.spans import age_text

if TYPE_CHECKING:
    from lentera_gateway.config import LoadedConfig
    from lentera_gateway.journal.inspect import PlaceFacts, Waiting, Where
    from lentera_gateway.journal.pulse import Pulse
    from lentera_gateway.journal.report import Rates, Step
    from lentera_gateway.journal.survey import Survey

_words = reader_words()
_GIVEN_UP = (
    *("thinned_60_s_values", "thinned_900_s_values", "thinned_counter_values"),
    *("dropped_values", "dropped_samples"),
)
_DAMAGE_TOLD = 5
_MEGABYTE = 1e6

HELP = _words("help.gateway.journal")
EPILOG = _words("epilog.gateway.journal")


def journal(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_words("help.gateway.file"))],
    export: Annotated[
        Path | None, typer.Option(metavar="PATH.csv|PATH.parquet", help=_words("help.gateway.journal.export"))
    ] = None,
    json: Annotated[bool, typer.Option("--json", help=_words("help.gateway.journal.json"))] = False,
) -> None:
    """Show what waits, or write it into a file; exit code 1 if there is no journal or it may not be read."""
    require("gateway")
    from lentera.cli.journal_bar import JournalBar
    from lentera.journal_export import check_target
    from lentera_gateway.journal.pulse import feel_pulse
    from lentera_gateway.journal.survey import Survey

    words = reader_words()
    loaded = load_or_exit(file)
    pulse = feel_pulse(loaded.status_file)
    limits = loaded.limits
    if export is not None:
        check_target(export, (limits.memory_dir, limits.card_dir), words)
    with JournalBar(words("journal.reading")) as moved:
        survey = Survey(limits, pulse is not None, None if pulse is None else pulse.last_batch, moved)
        exported = None if export is None else _write_out(survey, export, loaded, pulse, words)
        facts = survey.facts if export is not None else survey.look()
    step, told = _advice(facts, loaded, pulse, words)
    if json:
        kept = [asdict(one) for one in survey.damaged_copies()]
        output.print_json(
            as_plain(loaded.config.gateway.id, facts, pulse, step, told, exported) | {"damaged_kept": kept}
        )
        return
    show(loaded.config.gateway.id, facts, pulse, words)
    _tell_trouble(facts, words)
    _tell_damage_kept(survey, words)
    if exported is not None:
        typer.echo("\n" + words("journal.exported", count=exported, path=export))
    typer.echo("\n" + told)


def _advice(
    facts: dict[Where, PlaceFacts], loaded: LoadedConfig, pulse: Pulse | None, words: Words
) -> tuple[Step, str]:
    """Return what to do next, and its sentence.

    Raises:
        NoJournalError: there is none, or this user may not read all of it.
    """
    from lentera_gateway.journal.report import Step, next_step

    step = next_step(facts, pulse, time.time_ns() // 1_000_000)
    told = words(f"journal.next.{step}", file=loaded.path, **_places(loaded, pulse))
    if step in (Step.NOTHING_THERE, Step.NOT_ALLOWED):
        raise NoJournalError(told)
    return step, told


def _write_out(survey: Survey, path: Path, loaded: LoadedConfig, pulse: Pulse | None, words: Words) -> int:
    """Write what waits into a file; returns the values written. None is left of it where not all may be read."""
    from lentera.journal_export import export

    def readable() -> Iterator[Waiting]:
        yield from survey.waiting()
        _advice(survey.facts, loaded, pulse, words)

    return export(path, readable(), survey.unreadable, words)


def _places(loaded: LoadedConfig, pulse: Pulse | None) -> dict[str, Any]:
    return {
        "memory": loaded.config.journal.memory_dir,
        "card": loaded.config.journal.card_dir,
        "link_error": (pulse.link.error if pulse else None) or "-",
        "card_error": (pulse.journal.card_error if pulse else None) or "-",
        "dropped": pulse.journal.counters.dropped_batches if pulse else 0,
        "thinned": pulse.journal.counters.thinned_values if pulse else 0,
    }


def as_plain(
    gateway: str,
    facts: dict[Where, PlaceFacts],
    pulse: Pulse | None,
    step: Step,
    told: str,
    exported: int | None,
) -> dict[str, Any]:
    """Return all of it as plain data for JSON; times are RFC 3339 and Unix ms."""
    from lentera.journal_export import local_time
    from lentera_gateway.journal.report import rates

    passing = rates(facts, pulse)
    return {
        "gateway": gateway,
        "running": pulse is not None,
        "link_up": None if pulse is None else pulse.link.up,
        "link_error": None if pulse is None else pulse.link.error,
        "tiers": {
            where.value: {name: value for name, value in asdict(one).items() if not name.startswith(("_", "process"))}
            | {
                name: None if at_ms is None else local_time(at_ms)
                for name, at_ms in (("oldest", one.oldest_ms), ("newest", one.newest_ms))
            }
            for where, one in facts.items()
        },
        "rates": None if passing is None else asdict(passing),
        "untold_gaps": None if pulse is None else pulse.journal.reports.gaps,
        "given_up": None if pulse is None else given_up(asdict(pulse.journal.counters)),
        "exported_values": exported,
        "next": {"code": step.value, "text": told},
    }


def show(gateway: str, facts: dict[Where, PlaceFacts], pulse: Pulse | None, words: Words) -> None:
    """Print it for people."""
    from lentera_gateway.journal.report import rates

    output.print_pairs({words("check.gateway"): gateway} | _state(pulse, rates(facts, pulse), words))
    typer.echo("")
    names = ("batches", "values", "size", "oldest", "newest", "damaged")
    output.print_table(
        [words("journal.column.where"), *(words(f"journal.column.{name}") for name in names)],
        [[words(f"journal.where.{where}"), *_row(one)] for where, one in facts.items()],
        right=frozenset({1, 2, 3, 6}),
    )


def given_up(counters: dict[str, int]) -> dict[str, int]:
    """Return the values that were given up for want of room since the gateway's start, by what was done to them."""
    return {name: counters.get(name, 0) for name in _GIVEN_UP}


def told_given_up(counters: dict[str, int], words: Words) -> dict[str, str]:
    """Return the line that tells it, none where nothing was given up."""
    gone = given_up(counters)
    if not any(gone.values()):
        return {}
    line = words(
        "journal.given_up_values",
        minute=output.number(gone["thinned_60_s_values"], 0),
        quarter=output.number(gone["thinned_900_s_values"], 0),
        counters=output.number(gone["thinned_counter_values"], 0),
        dropped=output.number(gone["dropped_values"], 0),
        samples=output.number(gone["dropped_samples"], 0),
    )
    return {words("journal.given_up"): line}


def untold_gaps(count: int, words: Words) -> dict[str, str]:
    """Return the line that tells of known gaps that the cloud has not heard of, none where there are none."""
    return {words("gaps.untold"): words("gaps.untold_count", count=count)} if count else {}


def _state(pulse: Pulse | None, passing: Rates | None, words: Words) -> dict[str, str]:
    if pulse is None:
        return {words("status.link"): words("journal.not_running")}
    error = pulse.link.error or words("status.no_error")
    link = words("status.link_up") if pulse.link.up else words("status.link_down", error=error)
    gone = told_given_up(asdict(pulse.journal.counters), words) | untold_gaps(pulse.journal.reports.gaps, words)
    if passing is None:
        return {words("status.link"): link} | gone
    basis = age_text(passing.basis_s)
    return {
        words("status.link"): link,
        words("journal.rate"): words(
            "journal.rates",
            taken=output.number(passing.values_in_per_s),
            sent=output.number(passing.values_out_per_s),
            basis=basis,
        ),
        words("journal.card_day"): words(
            "journal.card_estimate",
            megabytes=output.number(passing.card_bytes_per_day / _MEGABYTE, 2),
            written=output.number(passing.card_bytes / _MEGABYTE, 3),
            basis=basis,
        ),
    } | gone


def _row(one: PlaceFacts) -> list[str]:
    from lentera.journal_export import local_time

    if not one.exists:
        return ["-"] * 6
    times = ["-" if at_ms is None else local_time(at_ms)[:19] for at_ms in (one.oldest_ms, one.newest_ms)]
    counts = [output.number(one.batches, 0), output.number(one.values, 0), output.number(one.bytes, 0)]
    return [*counts, *times, str(one.damaged_records)]


def _tell_damage_kept(survey: Survey, words: Words) -> None:
    """Say on stderr of which damaged bytes the gateway has kept copies, for whoever looks into the card."""
    if kept := survey.damaged_copies():
        files = ", ".join(sorted({Path(one.file).name for one in kept})[:_DAMAGE_TOLD])
        output.note(words("journal.damage_kept", folder=survey.damaged_folder, count=len(kept), files=files))


def _tell_trouble(facts: dict[Where, PlaceFacts], words: Words) -> None:
    """Say on stderr what was stepped over."""
    if gone := sum(one.gone for one in facts.values()):
        output.note(words("journal.gone", count=gone))
    if undated := sum(one.undated_values for one in facts.values()):
        output.note(words("journal.undated", count=undated))
    for one in facts.values():
        for path, reason in one.skipped.items():
            output.note(words("journal.skipped", path=path, reason=reason))
        for damage in one.damage[:_DAMAGE_TOLD]:
            reason = words.either(f"journal.damage.{damage.reason}", damage.reason)
            output.note(words("journal.damaged", path=damage.file, start=damage.start, end=damage.end, reason=reason))
        if one.damaged_records > _DAMAGE_TOLD:
            output.note(words("journal.more_damage", count=one.damaged_records - _DAMAGE_TOLD))
