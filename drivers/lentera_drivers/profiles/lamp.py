"""What a profile says about a luminaire on MQTT: topics, how its JSON maps to quantities, and what proves an action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from lentera_drivers.profiles.fields import Source, StrictModel, Texts, list_to_tuple, nothing_in
from lentera_drivers.profiles.generic_light import GenericLight
from lentera_drivers.profiles.mapping import quantity_problems
from lentera_drivers.profiles.topics import filled, template_problem
from lentera_drivers.profiles.validation import Found, located_errors
from lentera_model.identifiers import ID_PATTERN

Dialect = Literal["zigbee2mqtt", "homeassistant_json", "generic_json"]
_COMPUTED: Final = ("level_percent", "level_commanded_percent")


@dataclass(frozen=True, slots=True)
class LampTopics:
    """The topics of one luminaire; None where the dialect has none."""

    state: str
    set: str
    get: str | None
    availability: str | None
    telemetry: str | None

    def subscriptions(self) -> tuple[str, ...]:
        """Topics that a gateway listens to."""
        return tuple(topic for topic in (self.state, self.availability, self.telemetry) if topic is not None)


class TopicTemplates(BaseModel):
    """Topics with `{base}` (the base topic) and `{name}` (the lamp's `topic` in the config) to be filled in."""

    model_config = StrictModel
    state: str
    set: str
    get: str | None = None
    availability: str | None = None
    telemetry: str | None = None

    @model_validator(mode="after")
    def _possible(self) -> TopicTemplates:
        found: list[Found] = []
        for key, template in self:
            if template is None:
                continue
            problem = template_problem(template)
            if problem is not None:
                found.append(((key,), *problem))
        given = [template for _, template in self if template is not None]
        if len(set(given)) != len(given):
            found.append((("state",), "two topics are the same", "give each its own"))
        if found:
            raise located_errors(found)
        return self


class LampField(BaseModel):
    """One key of the lamp's JSON: value in `unit` = number (true = 1, false = 0) * scale."""

    model_config = StrictModel
    quantity: str
    key: Annotated[str, Field(min_length=1)]
    scale: Annotated[float, Field(allow_inf_nan=False, strict=False)] = 1.0
    unit: str

    @model_validator(mode="after")
    def _possible(self) -> LampField:
        found = quantity_problems(self.quantity, self.unit, self.scale)
        if self.quantity in _COMPUTED:
            found.append((("quantity",), f"{self.quantity} comes from state and brightness", "remove the field"))
        if found:
            raise located_errors(found)
        return self


class PowerModel(BaseModel):
    """How a lamp's power follows its level, good enough to tell one level from another.

    expected power = off_w at level 0, else rated * (floor_fraction + (1 - floor_fraction) * level / 100): the losses
    of the lamp's driver and a straight line (constant-current dimming of LEDs is near to one).
    A measurement agrees when it lies within tolerance_w + tolerance_fraction * rated of it.
    """

    model_config = StrictModel
    off_w: Annotated[float, Field(ge=0, allow_inf_nan=False, strict=False)] = 0.0
    floor_fraction: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False, strict=False)] = 0.0
    tolerance_fraction: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False, strict=False)] = 0.08
    tolerance_w: Annotated[float, Field(ge=0, allow_inf_nan=False, strict=False)] = 0.5

    def expected_w(self, rated_power_w: float, level_percent: float) -> float:
        """Power in W at a level in percent."""
        if level_percent <= 0:
            return self.off_w
        return rated_power_w * (self.floor_fraction + (1 - self.floor_fraction) * level_percent / 100)

    def agrees(self, power_w: float, rated_power_w: float, level_percent: float) -> bool:
        """Whether a measured power in W fits a level in percent."""
        return abs(power_w - self.expected_w(rated_power_w, level_percent)) <= self.tolerance_for_w(rated_power_w)

    def tolerance_for_w(self, rated_power_w: float) -> float:
        """How far in W a measurement may lie from the expected power."""
        return self.tolerance_w + self.tolerance_fraction * rated_power_w


class Proof(BaseModel):
    """What counts as proof that a lamp acted.

    Attributes:
        readback: whether the lamp can be asked for its level (needs the `get` topic).
        level_tolerance_percent: a read level this near to the target is the target.
        echo_window_ms: after this long without an echo the lamp is asked anyway.
        ask_every_ms: pause between two questions while the lamp has not arrived at its level.
        power: how power follows level; absent when the lamp does not measure its power.
    """

    model_config = StrictModel
    readback: bool = False
    level_tolerance_percent: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False, strict=False)] = 1.0
    echo_window_ms: Annotated[int, Field(ge=0, le=10_000)] = 300
    ask_every_ms: Annotated[int, Field(ge=20, le=10_000)] = 150
    power: PowerModel | None = None


class LampProfile(BaseModel):
    """Everything that the MQTT driver knows about a kind of luminaire.

    Attributes:
        base_topic: fills `{base}` in the topics.
        brightness_scale: the `brightness` that means 100 % (254 in Zigbee2MQTT, 255 in Home Assistant).
        light: for dialect `generic_json`, where the level is and how it is set.
        silent_after_s: a lamp that says nothing for so long is silent; three of its intervals when absent.
    """

    model_config = StrictModel
    kind: Literal["lamp"]
    id: Annotated[str, Field(pattern=ID_PATTERN)]
    manufacturer: str
    model: str
    dialect: Dialect
    base_topic: Annotated[str, Field(min_length=1)]
    topics: TopicTemplates
    brightness_scale: Annotated[int, Field(ge=1, le=65535)]
    fields: Annotated[tuple[LampField, ...], BeforeValidator(list_to_tuple)] = ()
    proof: Proof = Proof()
    light: GenericLight | None = None
    silent_after_s: Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False, strict=False)] | None = None
    sources: Annotated[tuple[Source, ...], BeforeValidator(list_to_tuple)]
    notes: Texts = ()

    def topics_for(self, name: str, base: str | None = None) -> LampTopics:
        """Fill in the topics of the lamp called `name` (its `topic` in the config)."""
        base = base or self.base_topic

        def of(template: str | None) -> str | None:
            return None if template is None else filled(template, name, base)

        own = self.topics
        return LampTopics(
            state=filled(own.state, name, base),
            set=filled(own.set, name, base),
            get=of(own.get),
            availability=of(own.availability),
            telemetry=of(own.telemetry),
        )

    @property
    def quantities(self) -> tuple[str, ...]:
        """What a lamp of this kind may give."""
        return ("level_percent", *(field.quantity for field in self.fields))

    @model_validator(mode="after")
    def _possible(self) -> LampProfile:
        found = nothing_in("sources", self.sources)
        for attribute in ("quantity", "key"):
            seen: set[str] = set()
            for position, field in enumerate(self.fields):
                value = getattr(field, attribute)
                if value in seen:
                    found.append((("fields", position, attribute), f"{value} is given twice", "keep one of the two"))
                seen.add(value)
        if (self.light is None) is (self.dialect == "generic_json"):
            remedy = "add it" if self.light is None else "remove it"
            found.append((("light",), f"does not fit dialect {self.dialect}", remedy))
        if self.proof.readback and self.topics.get is None:
            found.append(
                (("proof", "readback"), "there is no topic to ask the lamp on", "add topics.get or write false")
            )
        if found:
            raise located_errors(found)
        return self
