"""How complete the readings of a tenant are: computed anew at each question, so that late readings always count."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lentera_cloud.domain.completeness import groups_of
from lentera_cloud.domain.completeness_sum import NOTHING, Completeness
from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.features.completeness.asking import MAX_DEVICE_HOURS, Question, Request, question, too_much
from lentera_cloud.features.completeness.facts import Facts, Sources, gather
from lentera_cloud.kit.problems import Problem
from lentera_cloud.ports import Clock, DeviceRow

Subject = tuple[str, str, str]
"""Gateway, device, quantity; empty where an item is about all of them."""


@dataclass(slots=True)
class Item:
    """One subject: its sum over the range, and every step of it by its start."""

    subject: Subject
    total: Completeness = NOTHING
    steps: dict[int, Completeness] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The sum of all, and every item, the worst first."""

    total: Completeness
    items: list[Item]


class CompletenessService:
    """Answers `GET /v1/completeness`."""

    def __init__(self, sources: Sources, clock: Clock) -> None:
        """Use these."""
        self._sources = sources
        self._clock = clock

    def question(self, asked: Request) -> Question:
        """Turn a request into a question.

        Raises:
            Problem: invalid_request, naming the parameter.
        """
        return question(asked, self._clock.now_ms())

    async def answer(self, tenant: str, q: Question) -> Answer:
        """Work it out.

        Raises:
            Problem: unknown_device, unknown_gateway, or invalid_request when it is too much at once.
            StoreUnavailableError: of whichever store cannot be reached.
        """
        devices = await self._devices(tenant, q)
        if len(devices) * len(q.hours) > MAX_DEVICE_HOURS:
            raise too_much(len(devices), len(q.hours))
        facts = await gather(self._sources, tenant, devices, q.hours, q.now_ms)
        return await asyncio.to_thread(reckon, q, facts)

    async def _devices(self, tenant: str, q: Question) -> Sequence[DeviceRow]:
        registry = self._sources.registry
        if q.gateway_id is not None and await registry.gateways.get(tenant, q.gateway_id) is None:
            text = f"There is no gateway {q.gateway_id!r}: GET /v1/gateways lists yours."
            raise Problem(ProblemCode.UNKNOWN_GATEWAY, text)
        if not q.devices:
            return await registry.devices.of_tenant(tenant, gateway_id=q.gateway_id)
        found = await registry.devices.get_many(tenant, q.devices)
        for name in q.devices:
            if name not in found:
                raise Problem(ProblemCode.UNKNOWN_DEVICE, f"There is no device {name!r}: GET /v1/devices lists yours.")
        return [found[name] for name in q.devices if q.gateway_id in (None, found[name].gateway_id)]


def reckon(q: Question, facts: Facts) -> Answer:
    """Sum up what a question asks for. Pure; a second of computing for a city's day."""
    items: dict[Subject, Item] = {}
    steps = dict.fromkeys(map(q.step_of, q.hours), NOTHING)
    for device in facts.devices:
        for hour_ms, known in facts.of(device, q.hours):
            step_ms = q.step_of(hour_ms)
            for names, one in groups_of(known):
                asked = [name for name in names if name in q.quantities] if q.quantities else names
                if q.by == "quantity":
                    for name in asked:
                        _item(items, (device.gateway_id, device.device_id, name), steps).steps[step_ms] += one
                elif asked:
                    _item(items, _subject(q, device), steps).steps[step_ms] += one.times(len(asked))
        if q.by != "quantity":
            _item(items, _subject(q, device), steps)  # also one of which nothing at all is known
    total = NOTHING
    for item in items.values():
        item.total = sum(item.steps.values(), NOTHING)
        total += item.total
    return Answer(total, sorted(items.values(), key=_worst_first))


def _subject(q: Question, device: DeviceRow) -> Subject:
    return device.gateway_id, "" if q.by == "gateway" else device.device_id, ""


def _item(items: dict[Subject, Item], subject: Subject, steps: Mapping[int, Completeness]) -> Item:
    item = items.get(subject)
    if item is None:
        item = items[subject] = Item(subject, steps=dict(steps))
    return item


def _worst_first(item: Item) -> tuple[bool, float, int, Subject]:
    share = item.total.share
    return share is None, 1.0 if share is None else share, -item.total.missing, item.subject
