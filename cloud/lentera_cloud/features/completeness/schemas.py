"""Completeness on the wire: JSON, or a line of CSV for each item and step."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lentera_cloud.domain.completeness_sum import Completeness
from lentera_cloud.features.completeness.asking import By, Question, Step
from lentera_cloud.features.completeness.service import Answer, Item
from lentera_cloud.kit.times import to_wire

CSV_COLUMNS = (
    "gateway_id",
    "device_id",
    "quantity",
    "at",
    "expected",
    "received",
    "unchanged",
    "estimated",
    "missing",
    "extra",
    "unscheduled",
    "complete_percent",
    "reasons",
)


class CountsOut(BaseModel):
    """Numbers of values. `expected` = `received` + `unchanged` + `estimated` + `missing`, always."""

    expected: int | None = Field(
        description="How many values were due; null where no gateway has told how often it reads (an old one).",
        examples=[360],
    )
    received: int = Field(description="Of these, stored as read; never more than `expected`.", examples=[342])
    unchanged: int = Field(
        description="Of these, read and left out because they had not changed: as far as the gateway counted them, or "
        "outside known gaps and what is on the way, and as stored heartbeats prove.",
        examples=[0],
    )
    estimated: int = Field(
        description="Of these, stored as a mean of several reads, under a quota. Readings of doubtful quality "
        "(suspect, stale, implausible, device_fault) were read and count as received.",
        examples=[0],
    )
    missing: int = Field(description="The others.", examples=[18])
    extra: int = Field(description="Stored beyond what was due: read by hand, or told more often.", examples=[0])
    unscheduled: int = Field(
        description="Stored where no number is due: events such as a commanded level, or an old gateway's values.",
        examples=[0],
    )
    complete_percent: float | None = Field(
        description="What is not missing, in percent of `expected`; null where nothing is due.", examples=[95.0]
    )
    reasons: dict[str, int] = Field(
        description="Why values are missing; adds up to `missing`. silent, resting, refused, device_fault, unreadable, "
        "bus_down, no_value, not_given, skipped, internal: the gateway's word of the reads. killed, power_cut, "
        "stopped, quota and other reasons of known gaps. on_the_way: may still come. unknown: nobody has told.",
        examples=[{"silent": 18}],
    )


class StepOut(CountsOut):
    """An hour or a day of an item."""

    at: str = Field(description="Its beginning.", examples=["2026-11-25T01:00:00.000Z"])


class ItemOut(CountsOut):
    """A gateway, a device or a quantity of a device, over the whole range."""

    gateway_id: str = Field(examples=["gw-stabat-01"])
    device_id: str | None = Field(description="null: all devices of the gateway.", examples=["meter-cabinet"])
    quantity: str | None = Field(
        description="null: all quantities. `*`: the device has never given any, so one a read is counted.",
        examples=["power_active_total"],
    )
    steps: list[StepOut] = Field(description="In time order; empty with `step=all`.")


class CompletenessOut(BaseModel):
    """How complete readings are, the worst first."""

    model_config = ConfigDict(serialize_by_alias=True)

    from_: str = Field(serialization_alias="from", description="The first hour's beginning.")
    to: str = Field(description="The last hour's end.")
    by: By
    step: Step
    total: CountsOut = Field(description="Of all items, those of other pages too.")
    items: list[ItemOut]
    next_offset: int | None = Field(description="Give it as `offset` for the next page; null on the last one.")


def completeness_out(q: Question, answer: Answer, limit: int, offset: int) -> CompletenessOut:
    """Describe a page of an answer."""
    page = answer.items[offset : offset + limit]
    return CompletenessOut(
        from_=to_wire(q.from_ms),
        to=to_wire(q.to_ms),
        by=q.by,
        step=q.step,
        total=CountsOut(**_counts(answer.total)),
        items=[_item(q, item) for item in page],
        next_offset=offset + limit if offset + limit < len(answer.items) else None,
    )


def _item(q: Question, item: Item) -> ItemOut:
    gateway, device, quantity = item.subject
    steps = [] if q.step == "all" else sorted(item.steps.items())
    return ItemOut(
        **_counts(item.total),
        gateway_id=gateway,
        device_id=device or None,
        quantity=quantity or None,
        steps=[StepOut(**_counts(one), at=to_wire(at_ms)) for at_ms, one in steps],
    )


def _counts(one: Completeness) -> dict[str, Any]:
    share = one.share
    return {
        "expected": one.expected if one.declared else None,
        "received": one.received,
        "unchanged": one.unchanged,
        "estimated": one.estimated,
        "missing": one.missing,
        "extra": one.extra,
        "unscheduled": one.unscheduled,
        "complete_percent": None if share is None else round(share * 100, 3),
        "reasons": dict(sorted(one.reasons.items(), key=lambda item: (-item[1], item[0]))),
    }


def csv_lines(answer: Answer) -> Iterator[str]:
    """Yield the head, then the lines of each item in time order; reasons are written `silent=18;unknown=2`."""
    yield _csv(CSV_COLUMNS)
    for item in answer.items:
        for at_ms, one in sorted(item.steps.items()):
            counts = _counts(one)
            reasons = ";".join(f"{reason}={count}" for reason, count in dict(sorted(one.reasons.items())).items())
            yield _csv((*item.subject, to_wire(at_ms), *list(counts.values())[:-1], reasons))


def _csv(row: tuple[object, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(["" if cell is None else cell for cell in row])
    return text.getvalue()
