"""What the MQTT driver received that it could not use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class DriverCounters:
    """Counted since the start.

    Attributes:
        malformed: messages that could not be read at all; they are set aside.
        complaints: fields of readable messages that could not be used.
        unknown_topics: messages on topics that belong to no device.
        retained_skipped: retained states that had nothing new to say.
    """

    malformed: int = 0
    complaints: int = 0
    unknown_topics: int = 0
    retained_skipped: int = 0
