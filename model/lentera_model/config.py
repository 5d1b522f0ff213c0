"""The gateway's configuration as a person writes it: one YAML file, checked whole before anything starts.

Only what the words of this room can judge is checked here; that a profile exists and fits its bus is checked where
profiles are known. Field names carry their units. Relative file names are relative to the folder of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from lentera_model.identifiers import InvalidIdError, check_id
from lentera_model.quantities import CATALOGUE


def _identifier(value: str) -> str:
    try:
        return check_id("this", value)
    except InvalidIdError as error:
        raise ValueError(str(error)) from error


def _quantity_name(value: str) -> str:
    if value not in CATALOGUE:
        raise ValueError(f"no quantity is called {value!r}; see the catalogue of quantities")
    return value


Place = tuple[str | int, ...]
"""Where in the file, as a path of keys and indexes."""
Id = Annotated[str, AfterValidator(_identifier)]
QuantityName = Annotated[str, AfterValidator(_quantity_name)]
TopicLevels = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^+#\x00/]+(/[^+#\x00/]+)*$")]
"""An MQTT topic or a part of one: no wildcards, no empty level."""
PlainText = Annotated[str, Field(max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A name for people: no control characters, which some databases and terminals do not take."""
TcpPort = Annotated[int, Field(ge=1, le=65535)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GatewayIdentity(_Part):
    """Who this gateway is."""

    id: Id
    name: PlainText = ""


class CloudLink(_Part):
    """Where the one link goes, and how it is used."""

    url: str = Field(pattern=r"^wss?://[^\s/]+(/\S*)?$", max_length=300)
    """Websocket address of the cloud's link, for example wss://lentera.example.go.id/v1/link."""
    key_file: Path
    """The gateway's Ed25519 private key (PEM), readable by its user alone."""
    mode: Literal["live", "economy"] = "economy"
    """live: a batch each second. economy: a batch by age or size."""
    rate_bytes_s: int = Field(default=0, ge=0, le=1 << 40)
    """Bytes a second on the air, both ways, that the backlog keeps to; live data and commands go first. 0: no limit."""
    monthly_quota_bytes: int = Field(default=0, ge=0, le=1 << 50)
    """Bytes a month on the air, both ways; near them detail steps down. 0: no limit."""
    month_day: int = Field(default=1, ge=1, le=28)
    """On which day the quota's month begins, at the board's local midnight."""


class JournalSettings(_Part):
    """Where readings wait, and how much of them."""

    memory_dir: Path
    """A folder on tmpfs."""
    card_dir: Path
    """A folder on the card or disk."""
    power_loss_budget_s: float = Field(default=10, ge=0, le=3600)
    """How long a sealed batch may wait unacknowledged in memory before it is written to the card."""
    memory_max_bytes: int = Field(default=32 << 20, ge=1 << 20, le=1 << 32)
    card_max_bytes: int = Field(default=1 << 30, ge=1 << 20, le=1 << 40)
    seal_age_s: float = Field(default=60, ge=1, le=3600)
    """Economy mode: a batch is sealed at this age ..."""
    seal_bytes: int = Field(default=4096, ge=256, le=1 << 19)
    """... or when its samples come to about this many bytes."""


class ModbusBus(_Part):
    """A Modbus line or host."""

    id: Id
    driver: Literal["modbus"]
    transport: Literal["rtu", "tcp", "rtu_over_tcp"]
    port: Path | None = None
    """rtu: the serial port, best as /dev/serial/by-id/..."""
    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    host: str | None = Field(default=None, min_length=1, max_length=253)
    """tcp, rtu_over_tcp: the host."""
    tcp_port: TcpPort = 502
    timeout_ms: int = Field(default=1000, ge=50, le=30_000)
    """How long a device may take to answer."""
    rs485: Literal["none", "kernel", "rts"] = "none"
    """rtu: who switches the line's transmitter: the adapter itself, the kernel (a UART of the board), or we by RTS."""
    rs485_before_ms: int = Field(default=0, ge=0, le=100)
    """rtu: from switching the transmitter on to the first bit ..."""
    rs485_after_ms: int = Field(default=0, ge=0, le=100)
    """... and from the last bit to switching it off."""
    low_latency: bool = True
    """rtu: ask a USB adapter to hand on each byte at once, instead of every 16 ms."""

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.transport == "rtu" and self.port is None:
            raise ValueError("an rtu bus needs `port`, the serial port that it is on")
        if self.transport != "rtu" and self.host is None:
            raise ValueError(f"a {self.transport} bus needs `host`, the name or address of the device or converter")
        return self


class MqttBus(_Part):
    """A broker of field devices."""

    id: Id
    driver: Literal["mqtt"]
    host: str = Field(min_length=1, max_length=253)
    tcp_port: TcpPort = 1883
    username: str | None = Field(default=None, max_length=128)
    password_file: Path | None = None
    base_topic: TopicLevels | None = None
    """Overrides the first level of the profile's topics, for a second Zigbee2MQTT on the same broker."""


BusConfig = Annotated[ModbusBus | MqttBus, Field(discriminator="driver")]


class Pace(_Part):
    """Quantities that are read at an interval of their own, such as counters each minute beside power each second."""

    quantities: Annotated[list[QuantityName], Field(min_length=1)]
    every_s: float = Field(ge=0.1, le=86_400)


@dataclass(frozen=True, slots=True)
class PaceRow:
    """One pace of a device, as the planner and the schedule want it.

    Attributes:
        every_s: interval between reads in seconds.
        quantities: what is read at it; None means everything that no other pace reads.
    """

    every_s: float
    quantities: tuple[str, ...] | None


class ReportByException(_Part):
    """Which readings of a device need not be stored: those within the deadband of the last value that was.

    A value is stored when it is the first of its quantity, when it lies further than the deadband from the last value
    stored, when its quality has changed, and when the last one stored is as old as the heartbeat.
    """

    heartbeat_s: float = Field(default=900, ge=1, le=86_400)
    """The longest time without a stored value while the device answers."""
    default_deadband: float = Field(default=0, ge=0, allow_inf_nan=False)
    """For quantities that `deadband` does not name; 0 leaves out repetitions alone."""
    deadband: dict[QuantityName, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    """quantity: how far, in its SI unit, a value may be from the last one stored and still be left out."""

    def deadband_of(self, quantity: str) -> float:
        """The deadband of a quantity, in its SI unit."""
        return self.deadband.get(quantity, self.default_deadband)


class DeviceConfig(_Part):
    """One meter or luminaire: what it is, where it is, how often it is read."""

    id: Id
    name: PlainText = ""
    profile: Id
    bus: Id
    unit: int | None = Field(default=None, ge=1, le=247)
    """Modbus: the unit id."""
    topic: TopicLevels | None = None
    """MQTT: the device's own part of its topics."""
    every_s: float = Field(default=10, ge=0.1, le=86_400)
    """Interval between reads; for a lamp that reports by itself, the longest silence before it is asked."""
    quantities: Annotated[list[QuantityName], Field(min_length=1)] | None = None
    """Only these quantities of the profile; all of them when absent."""
    paces: list[Pace] = Field(default=[], max_length=7)
    """Modbus: quantities that are read at another interval than `every_s`."""
    rated_power_w: float | None = Field(default=None, gt=0, le=100_000)
    """A luminaire's power at 100 %: with it, the power drawn can prove a level."""
    report: ReportByException | None = None
    """Store only what differs; every value when absent."""

    @model_validator(mode="after")
    def _paces_agree(self) -> Self:
        if self.paces and self.unit is None:
            raise ValueError("`paces` are for meters that are polled; a lamp reports by itself")
        seen: set[str] = set()
        for name in (name for pace in self.paces for name in pace.quantities):
            if name in seen:
                raise ValueError(f"`paces` names {name} twice: a quantity has one interval")
            if self.quantities is not None and name not in self.quantities:
                raise ValueError(f"`paces` names {name}, which is not among this device's `quantities`")
            seen.add(name)
        return self

    def pace_table(self) -> tuple[PaceRow, ...]:
        """Return the paces; the first is `every_s` with what the others leave (perhaps nothing)."""
        paced = {name for pace in self.paces for name in pace.quantities}
        rest = None if self.quantities is None else tuple(name for name in self.quantities if name not in paced)
        others = (PaceRow(pace.every_s, tuple(pace.quantities)) for pace in self.paces)
        return (PaceRow(self.every_s, rest), *others)


class GatewayConfig(_Part):
    """The whole file."""

    version: Literal[1]
    gateway: GatewayIdentity
    cloud: CloudLink
    journal: JournalSettings
    buses: list[BusConfig] = Field(max_length=256)
    devices: list[DeviceConfig] = Field(max_length=2000)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        problems = [
            InitErrorDetails(type=PydanticCustomError("conflict", "{what}", {"what": what}), loc=place, input=None)
            for place, what in (*self._repeated_ids(), *self._shared_wires(), *self._impossible_addresses())
        ]
        if problems:
            # Raised as a ValidationError, each problem keeps its own place in the file.
            raise ValidationError.from_exception_data(type(self).__name__, problems)
        return self

    def _repeated_ids(self) -> Iterator[tuple[Place, str]]:
        for kind, section, names in (
            ("bus", "buses", [bus.id for bus in self.buses]),
            ("device", "devices", [device.id for device in self.devices]),
        ):
            seen: set[str] = set()
            for index, name in enumerate(names):
                if name in seen:
                    yield (section, index, "id"), f"{kind} id {name!r} is used twice: give each {kind} an id of its own"
                seen.add(name)

    def _shared_wires(self) -> Iterator[tuple[Place, str]]:
        """Two buses on one serial port or one host and port would talk into each other's answers."""
        holders: dict[tuple[str, str], str] = {}
        for index, bus in enumerate(self.buses):
            if not isinstance(bus, ModbusBus):
                continue
            wire = (str(bus.port), "") if bus.transport == "rtu" else (str(bus.host), str(bus.tcp_port))
            holder = holders.setdefault(wire, bus.id)
            if holder != bus.id:
                key = "port" if bus.transport == "rtu" else "host"
                yield (
                    ("buses", index, key),
                    f"bus {holder!r} is on {':'.join(filter(None, wire))} already: use that bus",
                )

    def _impossible_addresses(self) -> Iterator[tuple[Place, str]]:
        buses = {bus.id: bus for bus in self.buses}
        holders: dict[tuple[str, str], str] = {}
        for index, device in enumerate(self.devices):
            bus = buses.get(device.bus)
            if bus is None:
                known = ", ".join(buses) or "none"
                yield ("devices", index, "bus"), f"there is no bus {device.bus!r} in this file; its buses are: {known}"
                continue
            key, needed = ("unit", "1 to 247") if isinstance(bus, ModbusBus) else ("topic", "the device's MQTT topic")
            address = _address(device, bus)
            if address is None:
                yield ("devices", index, key), f"a device on {bus.driver} bus {bus.id!r} needs `{key}` ({needed}) only"
                continue
            holder = holders.setdefault((bus.id, address), device.id)
            if holder != device.id:
                yield ("devices", index, key), f"device {holder!r} already has the same address {address} on this bus"

    def bus(self, bus_id: str) -> ModbusBus | MqttBus:
        """Return a bus by its id; a checked file has every bus that its devices name."""
        return next(bus for bus in self.buses if bus.id == bus_id)


def _address(device: DeviceConfig, bus: ModbusBus | MqttBus) -> str | None:
    """Return the device's address on its bus, or None if it has none or one of the other kind."""
    if isinstance(bus, ModbusBus):
        return None if device.unit is None or device.topic is not None else str(device.unit)
    return None if device.unit is not None else device.topic
