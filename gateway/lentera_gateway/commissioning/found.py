"""What a scan brings home: units and what can be said of them. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from lentera_drivers.modbus.raw_answer import RawAnswer
from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.profiles import MeterProfile
from lentera_gateway.commissioning.image import Image
from lentera_gateway.commissioning.recognise import Outcome, Undecided
from lentera_gateway.commissioning.walk import Leg


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that a unit may be; `why_not` of one that was refuted last."""

    profile: str
    swapped: bool = False
    shift: int = 0
    bits: float = 0.0
    why_not: str = ""


@dataclass(slots=True)
class FoundUnit:
    """A unit id at which something answered.

    Attributes:
        settings: of the line when it answered; None on a network host.
        unit: its id.
        turnaround_s: from the end of a question to its answer, in seconds.
        outcome: what can be said about it; None before it was looked at.
        profile: the profile as the unit has it (words swapped or addresses moved where it differs from `best`).
        best: the model, when it is identified.
        candidates: otherwise what it may be, best first.
        undecided: why it is not said which of the candidates it is.
        dead_phases: phases without volts, as the likeliest candidate reads them.
        closest: the model that fitted volts and hertz, and what spoke against it.
        values: what it says, by the identified profile.
        serial_number: what it tells about itself.
        raw: questions and answers, the newest last; at most 200.
        image: every register read.
        garbled: how many answers were broken.
        known_after_s: when the scan knew what it is, in seconds from its start.
    """

    settings: LineSettings | None
    unit: int
    turnaround_s: float = 0.0
    outcome: Outcome | None = None
    profile: MeterProfile | None = None
    best: Candidate | None = None
    candidates: tuple[Candidate, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    dead_phases: tuple[str, ...] = ()
    closest: Candidate | None = None
    values: dict[str, float] = field(default_factory=dict[str, float])
    serial_number: str = ""
    raw: list[RawAnswer] = field(default_factory=list[RawAnswer])
    image: Image = field(default_factory=Image)
    garbled: int = 0
    known_after_s: float = 0.0


class Ending(StrEnum):
    """How a scan ended."""

    COMPLETE = "complete"
    PORT_GONE = "port_gone"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ScanResult:
    """The end of a scan, or what it had found when it was cut short.

    Attributes:
        where: the port or host.
        units: in the order of settings and ids.
        seconds: how long it took.
        questions: how many were asked.
        not_asked: legs that the time did not reach, or that were not called for.
        noise: questions after which bytes came that belonged to nobody.
        ignores_unit_ids: a host that answers to every unit id: it is one device.
        ending: whether it came to its end.
        why: what the system said when the port went.
    """

    where: str
    units: tuple[FoundUnit, ...]
    seconds: float
    questions: int
    not_asked: tuple[Leg, ...] = ()
    noise: int = 0
    ignores_unit_ids: bool = False
    ending: Ending = Ending.COMPLETE
    why: str = ""
