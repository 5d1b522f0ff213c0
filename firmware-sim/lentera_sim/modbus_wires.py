"""The Modbus wires of a street: its serial line, behind an adapter or a converter, and its Modbus TCP hosts."""

from __future__ import annotations

from pathlib import Path

from lentera_sim.ledger import Ledger
from lentera_sim.street import Street
from lentera_sim.wires.converter import Converter
from lentera_sim.wires.serial_line import SerialLine, stations_of
from lentera_sim.wires.settings import WireSettings
from lentera_sim.wires.tcp_meter import TcpMeter


class ModbusWires:
    """The wires with their meters on them; nothing answers before `open`."""

    def __init__(self, street: Street, run_dir: Path, ledger: Ledger) -> None:
        """Hang each meter of a street on its wire."""
        plan = street.plan
        meters = plan.meter_plans()
        serial = {meter.unit: street.units[meter.device] for meter in meters if meter.transport == "rtu"}
        settings = WireSettings(plan.baud)
        stations = stations_of(serial, settings, plan.seed)
        self.line: SerialLine | Converter = (
            Converter(stations, ledger, settings, seed=plan.seed)
            if plan.converter
            else SerialLine(run_dir / "rs485-0", stations, ledger, seed=plan.seed)
        )
        self.hosts = {
            meter.device: TcpMeter({meter.unit: street.units[meter.device]}, ledger)
            for meter in meters
            if meter.transport == "tcp"
        }

    @property
    def tty(self) -> Path | None:
        """Path of the serial line; None where it is behind a converter."""
        return self.line.path if isinstance(self.line, SerialLine) else None

    @property
    def converter_port(self) -> int | None:
        """TCP port of the converter; None where the line has a path."""
        return self.line.port if isinstance(self.line, Converter) else None

    @property
    def tcp_ports(self) -> dict[str, int]:
        """Meter id to the port of its host."""
        return {device: host.port for device, host in self.hosts.items()}

    async def open(self) -> None:
        """Open the line and every host."""
        await self.line.open()
        for host in self.hosts.values():
            await host.open()

    async def close(self) -> None:
        """Close all of them; answers already given are written down."""
        await self.line.close()
        for host in self.hosts.values():
            await host.close()
