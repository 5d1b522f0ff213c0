"""What can be wrong with a simulated wire: copper, adapter, converter, network host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from lentera_sim.faults.kinds import BoundFault, FaultKind, Faults, by_name
from lentera_sim.wires.chatter import Chatterer
from lentera_sim.wires.converter import Converter
from lentera_sim.wires.medium import Medium, WireFaults
from lentera_sim.wires.serial_line import SerialLine
from lentera_sim.wires.tcp_meter import TcpMeter

NOISE = FaultKind("noise", "this share of the characters arrives with a flipped bit", 0.01, 0.0, 1.0)
ECHO = FaultKind("echo", "the adapter hears what it says")
CHATTER = FaultKind("chatter", "a lighting panel talks unasked, once in so many seconds", 0.5, 0.02, 3600.0, "s")
SWAPPED_PAIR = FaultKind("swapped_pair", "the adapter's A and B are exchanged")
BIAS_MISSING = FaultKind("bias_missing", "the idle line floats: strange characters before and after the frames")
TERMINATION_MISSING = FaultKind(
    "termination_missing", "reflections damage this share of characters at 115200 baud, fewer at lower rates", 0.2, 0, 1
)
UNPLUGGED = FaultKind("unplugged", "the adapter is pulled out, or the host is off the network")
RESETS = FaultKind("resets", "questions are answered with a reset of the connection")
CUTS = FaultKind("cuts", "answers end half way, and the connection stays open")
MIXES = FaultKind("mixes", "answers carry another transaction's number")
LINE_KINDS = (NOISE, ECHO, CHATTER, SWAPPED_PAIR, BIAS_MISSING, TERMINATION_MISSING, UNPLUGGED)
HOST_KINDS = (UNPLUGGED, RESETS, CUTS, MIXES)


class Pluggable(Protocol):
    """What can be pulled out and put back."""

    async def unplug(self) -> None:
        """Pull it out."""
        ...

    async def plug(self) -> None:
        """Put it back."""
        ...


def line_faults(line: SerialLine | Converter) -> Faults:
    """Return all that can be wrong with a serial line, behind an adapter or a converter."""
    return by_name(
        BoundFault(NOISE, _number(line.medium.faults, "noise")),
        BoundFault(ECHO, _switch(line.medium.faults, "echo")),
        BoundFault(CHATTER, _chatter(line.medium)),
        BoundFault(SWAPPED_PAIR, _switch(line.medium.faults, "swapped_pair")),
        BoundFault(BIAS_MISSING, _switch(line.medium.faults, "bias_missing")),
        BoundFault(TERMINATION_MISSING, _number(line.medium.faults, "termination_missing")),
        BoundFault(UNPLUGGED, _plug(line)),
    )


def host_faults(host: TcpMeter) -> Faults:
    """Return all that can be wrong with a Modbus TCP host beyond its units."""
    return by_name(
        BoundFault(UNPLUGGED, _plug(host)),
        BoundFault(RESETS, _switch(host.faults, "resets")),
        BoundFault(CUTS, _switch(host.faults, "cuts")),
        BoundFault(MIXES, _switch(host.faults, "mixes")),
    )


def _switch(faults: object, name: str) -> Callable[[float, bool], None]:
    def apply(_: float, on: bool) -> None:
        setattr(faults, name, on)

    return apply


def _number(faults: WireFaults, name: str) -> Callable[[float, bool], None]:
    def apply(value: float, on: bool) -> None:
        setattr(faults, name, value if on else 0.0)

    return apply


def _plug(what: Pluggable) -> Callable[[float, bool], Awaitable[None]]:
    async def apply(_: float, on: bool) -> None:
        await (what.unplug() if on else what.plug())

    return apply


def _chatter(medium: Medium) -> Callable[[float, bool], None]:
    talking: list[Chatterer] = []

    def apply(value: float, on: bool) -> None:
        while talking:
            talking.pop().stop()
        if on:
            talking.append(Chatterer(medium, medium.reader_settings, value))

    return apply
