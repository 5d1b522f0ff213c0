"""Whether a gateway runs on this board, by the status.json that it writes each second, and what it says there.

The journal's lock would tell it too, but a reader must not take it, not even for a moment.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import msgspec

from lentera_gateway.journal.index import Key
from lentera_gateway.journal.status import Counters, ReportsStatus

SILENT_AFTER_S: Final = 10.0
"""A status.json that is older was left by a gateway that ended or hangs."""


class LinkWord(msgspec.Struct, frozen=True):
    """The link's part of status.json."""

    up: bool
    error: str | None = None


class JournalWord(msgspec.Struct, frozen=True):
    """The journal's part of status.json, as far as a reader of the files needs it."""

    epoch: int
    sequence: int
    held_bytes: int
    bytes_a_value: float
    memory_error: str | None
    card_error: str | None
    counters: Counters
    reports: ReportsStatus = ReportsStatus()


class Pulse(msgspec.Struct, frozen=True):
    """What a running gateway last said about itself.

    Attributes:
        pid: its process.
        clock: where its time comes from, None while it has none that can be trusted.
        link, journal: how they are.
        uptime_s: for how long the process has run; None where the system does not say.
    """

    pid: int
    clock: str | None
    link: LinkWord
    journal: JournalWord
    uptime_s: float | None = None

    @property
    def last_batch(self) -> Key:
        """Return the last batch that it has told of."""
        return Key(self.journal.epoch, self.journal.sequence)


def parse_pulse(data: bytes) -> Pulse | None:
    """Return what a status.json says, None when it does not read (another version's). Pure."""
    try:
        return msgspec.json.decode(data, type=Pulse)
    except msgspec.MsgspecError:
        return None


def age_of_process_s(stat: str, ticks_a_second: int, boot_s: float) -> float | None:
    """Return how long a process has run, from the text of /proc/PID/stat. Pure.

    Args:
        stat: the text; the 22nd field is the start in ticks since the boot (proc(5)).
        ticks_a_second: sysconf(_SC_CLK_TCK).
        boot_s: CLOCK_BOOTTIME now, in seconds.
    """
    try:
        # A program's name may hold blanks and brackets, so the fields are counted from its last bracket.
        started = int(stat.rpartition(")")[2].split()[19])
    except (ValueError, IndexError):
        return None
    return max(0.0, boot_s - started / ticks_a_second)


def feel_pulse(status_file: Path) -> Pulse | None:
    """Return what the gateway that runs says, None when none does."""
    try:
        if time.time() - status_file.stat().st_mtime >= SILENT_AFTER_S:
            return None
        pulse = parse_pulse(status_file.read_bytes())
    except OSError:
        return None
    if pulse is None:
        return None
    try:
        stat = Path(f"/proc/{pulse.pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:  # it ended within the last seconds
        return None
    except OSError:
        return pulse
    boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    return msgspec.structs.replace(pulse, uptime_s=age_of_process_s(stat, os.sysconf("SC_CLK_TCK"), boot_s))
