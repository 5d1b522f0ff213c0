"""The catalogue of quantities: one name, one SI unit and one meaning for everything that is measured.

Names of meter quantities follow the register facts that the profiles are made from; units are SI (W, not kW; Wh, not
kWh), so that no conversion is ever needed between a bus and a chart.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Final

from lentera_model.errors import LenteraError


class Kind(StrEnum):
    """How a quantity behaves over time, which decides how it is stored and summed up."""

    INSTANTANEOUS = "instantaneous"
    """A value of the moment (power, voltage): averages make sense, sums do not."""
    COUNTER = "counter"
    """A register that only rises until it is reset or rolls over (energy): differences make sense."""
    STATE = "state"
    """A set-point or a flag: neither averages nor differences make sense, the last value does."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One entry of the catalogue: name, SI unit, behaviour, and its title in English and Indonesian."""

    name: str
    unit: str
    kind: Kind
    title_en: str
    title_id: str


class UnknownQuantityError(LenteraError):
    """A name that the catalogue does not hold."""

    code: ClassVar[str] = "unknown_quantity"


_PHASES: Final = (("l1", "L1"), ("l2", "L2"), ("l3", "L3"))
_INSTANT, _COUNTER, _STATE = Kind.INSTANTANEOUS, Kind.COUNTER, Kind.STATE

# name, unit, kind, English, Indonesian; a name that ends in "_*" stands for the total and the three phases
_SIMPLE: Final[tuple[tuple[str, str, Kind, str, str], ...]] = (
    ("voltage_ln_avg", "V", _INSTANT, "Voltage to neutral, average", "Tegangan fasa-netral, rata-rata"),
    ("voltage_ll_avg", "V", _INSTANT, "Voltage between phases, average", "Tegangan antarfasa, rata-rata"),
    ("voltage_avg", "V", _INSTANT, "Voltage, average", "Tegangan, rata-rata"),
    ("voltage_l1_l2", "V", _INSTANT, "Voltage L1-L2", "Tegangan L1-L2"),
    ("voltage_l2_l3", "V", _INSTANT, "Voltage L2-L3", "Tegangan L2-L3"),
    ("voltage_l3_l1", "V", _INSTANT, "Voltage L3-L1", "Tegangan L3-L1"),
    ("current_n", "A", _INSTANT, "Neutral current", "Arus netral"),
    ("current_avg", "A", _INSTANT, "Current, average", "Arus, rata-rata"),
    ("current_sum", "A", _INSTANT, "Current, sum of phases", "Arus, jumlah fasa"),
    ("power_active_total", "W", _INSTANT, "Active power", "Daya aktif"),
    ("power_active_import_total", "W", _INSTANT, "Active power, import", "Daya aktif, impor"),
    ("power_active_export_total", "W", _INSTANT, "Active power, export", "Daya aktif, ekspor"),
    ("power_reactive_total", "var", _INSTANT, "Reactive power", "Daya reaktif"),
    ("power_apparent_total", "VA", _INSTANT, "Apparent power", "Daya semu"),
    ("power_factor_total", "1", _INSTANT, "Power factor", "Faktor daya"),
    ("phase_angle_total", "deg", _INSTANT, "Phase angle", "Sudut fasa"),
    ("frequency", "Hz", _INSTANT, "Frequency", "Frekuensi"),
    ("thd_voltage_avg", "%", _INSTANT, "Voltage distortion, average", "Distorsi tegangan, rata-rata"),
    ("thd_current_avg", "%", _INSTANT, "Current distortion, average", "Distorsi arus, rata-rata"),
    ("demand_active", "W", _INSTANT, "Active demand", "Permintaan daya aktif"),
    ("demand_active_max", "W", _INSTANT, "Active demand, maximum", "Permintaan daya aktif, maksimum"),
    ("demand_active_import", "W", _INSTANT, "Active demand, import", "Permintaan daya aktif, impor"),
    (
        "demand_active_import_max",
        "W",
        _INSTANT,
        "Active demand, import, maximum",
        "Permintaan daya aktif, impor, maks.",
    ),
    ("demand_active_export", "W", _INSTANT, "Active demand, export", "Permintaan daya aktif, ekspor"),
    (
        "demand_active_export_max",
        "W",
        _INSTANT,
        "Active demand, export, maximum",
        "Permintaan daya aktif, ekspor, maks.",
    ),
    ("demand_apparent", "VA", _INSTANT, "Apparent demand", "Permintaan daya semu"),
    ("demand_apparent_max", "VA", _INSTANT, "Apparent demand, maximum", "Permintaan daya semu, maksimum"),
    ("demand_current_n", "A", _INSTANT, "Neutral current demand", "Permintaan arus netral"),
    ("demand_current_n_max", "A", _INSTANT, "Neutral current demand, maximum", "Permintaan arus netral, maksimum"),
    ("energy_active_resettable", "Wh", _COUNTER, "Active energy, resettable", "Energi aktif, dapat direset"),
    (
        "energy_active_import_resettable",
        "Wh",
        _COUNTER,
        "Active energy in, resettable",
        "Energi aktif impor, dapat direset",
    ),
    (
        "energy_active_export_resettable",
        "Wh",
        _COUNTER,
        "Active energy out, resettable",
        "Energi aktif ekspor, dapat direset",
    ),
    ("energy_reactive_net", "varh", _COUNTER, "Reactive energy, net", "Energi reaktif, neto"),
    ("energy_reactive_inductive", "varh", _COUNTER, "Reactive energy, inductive", "Energi reaktif, induktif"),
    ("energy_reactive_capacitive", "varh", _COUNTER, "Reactive energy, capacitive", "Energi reaktif, kapasitif"),
    (
        "energy_reactive_import_q1",
        "varh",
        _COUNTER,
        "Reactive energy in, quadrant 1",
        "Energi reaktif impor, kuadran 1",
    ),
    (
        "energy_reactive_import_q2",
        "varh",
        _COUNTER,
        "Reactive energy in, quadrant 2",
        "Energi reaktif impor, kuadran 2",
    ),
    (
        "energy_reactive_export_q3",
        "varh",
        _COUNTER,
        "Reactive energy out, quadrant 3",
        "Energi reaktif ekspor, kuadran 3",
    ),
    (
        "energy_reactive_export_q4",
        "varh",
        _COUNTER,
        "Reactive energy out, quadrant 4",
        "Energi reaktif ekspor, kuadran 4",
    ),
    ("energy_apparent", "VAh", _COUNTER, "Apparent energy", "Energi semu"),
    ("energy_apparent_t1", "VAh", _COUNTER, "Apparent energy, tariff 1", "Energi semu, tarif 1"),
    ("energy_apparent_import", "VAh", _COUNTER, "Apparent energy in", "Energi semu impor"),
    ("energy_apparent_export", "VAh", _COUNTER, "Apparent energy out", "Energi semu ekspor"),
    ("level_percent", "%", _STATE, "Light level, measured", "Tingkat cahaya, terukur"),
    ("level_commanded_percent", "%", _STATE, "Light level, commanded", "Tingkat cahaya, diperintahkan"),
    ("operating_time", "s", _COUNTER, "Operating time", "Jam nyala"),
    ("lamp_failure", "1", _STATE, "Lamp failure", "Lampu rusak"),
    ("device_fault", "1", _STATE, "Device fault", "Perangkat rusak"),
    ("alarm", "1", _STATE, "Alarm", "Alarm"),
    ("tariff", "1", _STATE, "Tariff in force", "Tarif yang berlaku"),
    ("input_1", "1", _STATE, "Digital input 1", "Masukan digital 1"),
    ("input_2", "1", _STATE, "Digital input 2", "Masukan digital 2"),
    ("input_3", "1", _STATE, "Digital input 3", "Masukan digital 3"),
    ("input_4", "1", _STATE, "Digital input 4", "Masukan digital 4"),
    ("output_1", "1", _STATE, "Digital output 1", "Keluaran digital 1"),
    ("output_2", "1", _STATE, "Digital output 2", "Keluaran digital 2"),
    ("output_3", "1", _STATE, "Digital output 3", "Keluaran digital 3"),
    ("output_4", "1", _STATE, "Digital output 4", "Keluaran digital 4"),
    ("temperature", "degC", _INSTANT, "Temperature", "Suhu"),
    ("link_quality", "1", _INSTANT, "Radio link quality", "Kualitas sinyal radio"),
    ("volume_gas_m3", "m3", _COUNTER, "Gas volume", "Volume gas"),
    ("volume_water_m3", "m3", _COUNTER, "Water volume", "Volume air"),
)

# base name, unit, kind, English, Indonesian: each gives one quantity for each of the three phases
_PER_PHASE: Final[tuple[tuple[str, str, Kind, str, str], ...]] = (
    ("voltage_{}", "V", _INSTANT, "Voltage {}-N", "Tegangan {}-N"),
    ("current_{}", "A", _INSTANT, "Current {}", "Arus {}"),
    ("power_active_{}", "W", _INSTANT, "Active power {}", "Daya aktif {}"),
    ("power_reactive_{}", "var", _INSTANT, "Reactive power {}", "Daya reaktif {}"),
    ("power_apparent_{}", "VA", _INSTANT, "Apparent power {}", "Daya semu {}"),
    ("power_factor_{}", "1", _INSTANT, "Power factor {}", "Faktor daya {}"),
    ("thd_voltage_{}", "%", _INSTANT, "Voltage distortion {}", "Distorsi tegangan {}"),
    ("thd_current_{}", "%", _INSTANT, "Current distortion {}", "Distorsi arus {}"),
    ("demand_current_{}", "A", _INSTANT, "Current demand {}", "Permintaan arus {}"),
    ("demand_current_{}_max", "A", _INSTANT, "Current demand {}, maximum", "Permintaan arus {}, maksimum"),
)

# base name, unit, English, Indonesian: total, three phases and two tariffs of a counter
_ENERGIES: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("energy_active_import", "Wh", "Active energy in", "Energi aktif impor"),
    ("energy_active_export", "Wh", "Active energy out", "Energi aktif ekspor"),
    ("energy_active_sum", "Wh", "Active energy, in plus out", "Energi aktif, impor tambah ekspor"),
    ("energy_active_net", "Wh", "Active energy, in minus out", "Energi aktif, impor kurang ekspor"),
    ("energy_reactive_import", "varh", "Reactive energy in", "Energi reaktif impor"),
    ("energy_reactive_export", "varh", "Reactive energy out", "Energi reaktif ekspor"),
    ("energy_reactive_sum", "varh", "Reactive energy, in plus out", "Energi reaktif, impor tambah ekspor"),
)


def _entries() -> Iterator[Quantity]:
    for name, unit, kind, english, indonesian in _SIMPLE:
        yield Quantity(name, unit, kind, english, indonesian)
    for base, unit, kind, english, indonesian in _PER_PHASE:
        for suffix, phase in _PHASES:
            yield Quantity(base.format(suffix), unit, kind, english.format(phase), indonesian.format(phase))
    for base, unit, english, indonesian in _ENERGIES:
        yield Quantity(base, unit, _COUNTER, english, indonesian)
        for suffix, phase in _PHASES:
            yield Quantity(f"{base}_{suffix}", unit, _COUNTER, f"{english}, {phase}", f"{indonesian}, {phase}")
        for tariff in ("1", "2"):
            yield Quantity(
                f"{base}_t{tariff}", unit, _COUNTER, f"{english}, tariff {tariff}", f"{indonesian}, tarif {tariff}"
            )


CATALOGUE: Final[Mapping[str, Quantity]] = MappingProxyType({entry.name: entry for entry in _entries()})
"""Every quantity by its name."""


def names_of(kind: Kind) -> frozenset[str]:
    """Return the names of all quantities of a kind."""
    return frozenset(name for name, found in CATALOGUE.items() if found.kind is kind)


def quantity(name: str) -> Quantity:
    """Look a quantity up by its name.

    Raises:
        UnknownQuantityError: the catalogue has no such name.
    """
    found = CATALOGUE.get(name)
    if found is None:
        raise UnknownQuantityError(
            f"no quantity is called {name[:70]!r}: take a name of the catalogue in lentera_model.quantities"
        )
    return found


_FLOAT32 = struct.Struct("<f")


def round_to_float32(value: float) -> float:
    """Return the nearest float32 as a float; a value beyond float32's range becomes infinite, which codecs refuse."""
    try:
        return _FLOAT32.unpack(_FLOAT32.pack(value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def stored_precision(name: str, value: float) -> float:
    """Return what is kept of a value: float32 for moments and states (7 digits), all of a float64 for counters.

    A counter needs all its digits: a float32 counter at 1 GWh moves in steps of 62.5 Wh. A name that the catalogue does
    not hold (sent by a newer gateway) keeps all its digits too.
    """
    found = CATALOGUE.get(name)
    if found is None or found.kind is Kind.COUNTER:
        return float(value)
    return round_to_float32(value)
