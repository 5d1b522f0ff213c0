"""What a profile says about a meter or sensor that speaks JSON on MQTT: topics, and how messages map to quantities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from lentera_drivers.profiles.fields import Conflict, Finite, Source, StrictModel, Texts, list_to_tuple, nothing_in
from lentera_drivers.profiles.mapping import ABSENT, MappedField, MappedTime, Pointer, resolve, shown
from lentera_drivers.profiles.topics import Template, filled
from lentera_drivers.profiles.validation import Found, located_errors
from lentera_model.identifiers import ID_PATTERN

MAX_FIELDS: Final = 256
AVAILABILITY: Final = "availability"
"""Name that no message may have: it is the role of the availability topic."""
MessageName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class Message(BaseModel):
    """One kind of message of a device.

    Attributes:
        topic: where it comes.
        format: `json`, or `text` for a bare word or number, which the pointer "" finds.
        root: JSON pointer to the part that the fields' pointers start from.
        time: where it says when its values are of; the profile's `time` when absent.
    """

    model_config = StrictModel
    topic: Template
    format: Literal["json", "text"] = "json"
    root: Pointer = ""
    time: MappedTime | None = None


class Availability(BaseModel):
    """Where a device, or the broker for it (its last will), says whether it is there.

    Attributes:
        online, offline: the two payloads.
        pointer: where in a JSON object the word is; a payload that is no JSON is the word itself.
    """

    model_config = StrictModel
    topic: Template
    online: Annotated[str, Field(min_length=1, max_length=64)] = "online"
    offline: Annotated[str, Field(min_length=1, max_length=64)] = "offline"
    pointer: Pointer | None = None


class Request(BaseModel):
    """How a device is asked for its values; `answered_by` is the message that brings them."""

    model_config = StrictModel
    topic: Template
    payload: Annotated[str, Field(max_length=1024)] = ""
    answered_by: MessageName | None = None


@dataclass(frozen=True, slots=True)
class SensorTopics:
    """The topics of one device, filled in: message name -> topic; None where the dialect has none."""

    messages: dict[str, str]
    availability: str | None
    request: str | None

    def subscriptions(self) -> tuple[str, ...]:
        """Topics that a gateway listens to."""
        return (*self.messages.values(), *(() if self.availability is None else (self.availability,)))


class SensorProfile(BaseModel):
    """Everything that the MQTT driver knows about a kind of meter or sensor.

    Attributes:
        base_topic: fills `{base}` in the topics.
        messages: name -> message.
        fields: what the messages carry.
        time: where messages say when their values are of.
        silent_after_s: a device that says nothing for so long is silent; three of its intervals when absent.
    """

    model_config = StrictModel
    kind: Literal["sensor"]
    id: Annotated[str, Field(pattern=ID_PATTERN)]
    manufacturer: str
    model: str
    base_topic: str = ""
    messages: Annotated[dict[MessageName, Message], Field(max_length=16)]
    fields: Annotated[tuple[MappedField, ...], Field(max_length=MAX_FIELDS), BeforeValidator(list_to_tuple)]
    availability: Availability | None = None
    request: Request | None = None
    time: MappedTime | None = None
    silent_after_s: Annotated[Finite, Field(gt=0, le=604_800)] | None = None
    sources: Annotated[tuple[Source, ...], BeforeValidator(list_to_tuple)]
    conflicts: Annotated[tuple[Conflict, ...], BeforeValidator(list_to_tuple)] = ()
    notes: Texts = ()

    @property
    def quantities(self) -> tuple[str, ...]:
        """What a device of this kind may give, each once."""
        return tuple(dict.fromkeys(field.quantity for field in self.fields))

    def topics_for(self, name: str, base: str | None = None) -> SensorTopics:
        """Fill in the topics of the device called `name` (its `topic` in the config)."""
        base = base or self.base_topic
        return SensorTopics(
            {key: filled(message.topic, name, base) for key, message in self.messages.items()},
            None if self.availability is None else filled(self.availability.topic, name, base),
            None if self.request is None else filled(self.request.topic, name, base),
        )

    def fields_of(self, message: str) -> tuple[MappedField, ...]:
        """Return the fields that a message may carry."""
        return tuple(field for field in self.fields if field.message in (None, message))

    @model_validator(mode="after")
    def _possible(self) -> SensorProfile:
        found = nothing_in("sources", self.sources) + nothing_in("fields", self.fields)
        if not self.messages:
            found.append((("messages",), "is empty", "write at least one message with its topic"))
        found += self._topic_problems() + self._field_problems()
        if self.request is not None and self.request.answered_by not in (None, *self.messages):
            found.append((("request", "answered_by"), "there is no such message", f"it has {', '.join(self.messages)}"))
        if self.availability is not None and self.availability.online == self.availability.offline:
            found.append((("availability", "offline"), "is the same as online", "give the two different payloads"))
        if found:
            raise located_errors(found)
        return self

    def _topic_problems(self) -> list[Found]:
        found: list[Found] = []
        seen: dict[str, str] = {}
        topics: list[tuple[tuple[str, ...], str]] = [
            (("messages", name, "topic"), message.topic) for name, message in self.messages.items()
        ]
        if self.availability is not None:
            topics.append(((AVAILABILITY, "topic"), self.availability.topic))
        for path, topic in topics:
            if topic in seen:
                found.append((path, f"{seen[topic]} has the same topic", "one message a topic; merge the two"))
            seen.setdefault(topic, path[-2])
            if "{base}" in topic and not self.base_topic:
                found.append((path, "uses {base}, and there is no base_topic", "add base_topic"))
        if AVAILABILITY in self.messages:
            found.append((("messages", AVAILABILITY), "is no name for a message", "use the section `availability`"))
        return found

    def _field_problems(self) -> list[Found]:
        found: list[Found] = []
        seen: set[tuple[str, str]] = set()
        for position, field in enumerate(self.fields):
            if field.message is not None and field.message not in self.messages:
                remedy = f"it has {', '.join(self.messages)}"
                found.append((("fields", position, "message"), f"there is no message {field.message!r}", remedy))
            for message in self.messages if field.message is None else (field.message,):
                if (message, field.quantity) in seen:
                    what = f"{field.quantity} is given twice for message {message}"
                    found.append((("fields", position, "quantity"), what, "keep one of the two"))
                    break
                seen.add((message, field.quantity))
        return found


def availability_word(pointer: Pointer | None, document: Any, text: str) -> str:
    """Return the word of an availability message: from its JSON object where a pointer says so, else the text."""
    if pointer is None or not isinstance(document, dict):
        return text
    word = resolve(document, pointer)
    return word if isinstance(word, str) else shown(None if word is ABSENT else word)
