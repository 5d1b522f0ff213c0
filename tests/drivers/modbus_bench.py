"""What the tests of the Modbus driver share: a driver with all that it reports, small profiles, and servers."""

import time
from contextlib import asynccontextmanager

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from lentera_drivers.driver import open_driver
from lentera_drivers.modbus.driver import ModbusDriver
from lentera_drivers.profiles import MeterProfile, encode_registers, load_profile
from lentera_model.config import DeviceConfig, ModbusBus
from lentera_model.readings import Sample
from lentera_sim.ports import hold_port
from tests.drivers.wires import parse_request, rtu_frame

TIMEOUT_MS = 150


class Bench:
    """A driver with everything that it reports."""

    def __init__(self, bus: ModbusBus, devices: list[DeviceConfig], profiles=None, **more) -> None:
        self.statuses: list[tuple[str, bool, str]] = []
        self.samples: list[Sample] = []
        self.now_offset_ms = 0
        named = {device.profile for device in devices}
        driver = open_driver(
            bus,
            devices,
            profiles or {name: load_profile(name) for name in named},
            self.clock,
            self.samples.append,
            lambda *status: self.statuses.append(status),
            **more,
        )
        assert isinstance(driver, ModbusDriver)
        self.driver = driver

    def clock(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000 + self.now_offset_ms

    async def __aenter__(self) -> ModbusDriver:
        await self.driver.open()
        return self.driver

    async def __aexit__(self, *_: object) -> None:
        await self.driver.close()


def meter(unit: int = 1, profile: str = "small", **more) -> DeviceConfig:
    return DeviceConfig.model_validate({"id": f"m{unit}", "profile": profile, "bus": "b", "unit": unit, **more})


def small(*spans: tuple[str, int], **more) -> dict[str, MeterProfile]:
    """A profile of uint16 volts at the given addresses."""
    registers = [{"quantity": name, "address": at, "count": 1, "type": "uint16", "unit": "V"} for name, at in spans]
    data = {"kind": "meter", "id": "small", "manufacturer": "m", "model": "m", "phases": 3, "transport": ["rtu"]}
    data |= {"function_code": 3, "sources": [{"url": "x"}], "registers": registers, "turnaround_ms": 0}
    return {"small": MeterProfile.model_validate(data | more)}


VOLTS = small(("voltage_l1", 100), ("voltage_l2", 101))


def tcp_bus(port: int, transport: str = "tcp", timeout_ms: int = TIMEOUT_MS) -> ModbusBus:
    data = {
        "id": "b",
        "driver": "modbus",
        "transport": transport,
        "host": "127.0.0.1",
        "tcp_port": port,
        "baud": 115200,
    }
    return ModbusBus.model_validate(data | {"timeout_ms": timeout_ms})


def rtu_bus(port: str) -> ModbusBus:
    data = {"id": "b", "driver": "modbus", "transport": "rtu", "port": port, "baud": 19200, "timeout_ms": TIMEOUT_MS}
    return ModbusBus.model_validate(data)


def image_of(profile: MeterProfile, values: dict[str, float]) -> list[SimData]:
    """Registers for pymodbus's server: the given values, zeros in the holes."""
    words: dict[int, int] = {}
    for register in profile.registers:
        encoded = encode_registers(register, values[register.quantity], profile.order)
        words |= {register.address + at: word for at, word in enumerate(encoded)}
    first, last = min(words), max(words)
    block = [words.get(address, 0) for address in range(first, last + 2)]
    return [SimData(first, values=block, datatype=DataType.REGISTERS)]


@asynccontextmanager
async def tcp_server(*devices: SimDevice):
    with hold_port() as held:
        server = ModbusTcpServer(list(devices), address=held.getsockname())
        await server.serve_forever(background=True)
        try:
            yield server
        finally:
            await server.shutdown()


def port_of(server: ModbusTcpServer) -> int:
    assert server.comm_params.source_address is not None
    return server.comm_params.source_address[1]


def together(samples) -> dict[str, float]:
    """All values of a poll, whatever their quality."""
    return {name: value for sample in samples for name, value in sample.values.items()}


def values_for(profile: MeterProfile) -> dict[str, float]:
    return {register.quantity: (at + 1) * 8 * register.scale for at, register in enumerate(profile.registers)}


def answers(words: dict[int, int]):
    """A device that answers at once, for every unit."""

    async def answer(frame: bytes, send) -> None:
        unit, function, address, count = parse_request(frame)
        send(rtu_frame(unit, function, [words.get(address + at, 0) for at in range(count)]))

    return answer
