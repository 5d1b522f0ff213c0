"""Device profiles: what Lentera knows about kinds of meters and luminaires, as data files and the code that reads them.

This package needs neither a Modbus nor an MQTT library: the simulator builds its devices from the same files.
"""

from __future__ import annotations

from lentera_drivers.profiles.errors import ConfigFileError, Problem, ProfileError
from lentera_drivers.profiles.fields import SerialDefaults
from lentera_drivers.profiles.identity import Identity, IdentityKind, IdentityType
from lentera_drivers.profiles.lamp import LampField, LampProfile, LampTopics, PowerModel, Proof
from lentera_drivers.profiles.loader import list_profiles, load_profile
from lentera_drivers.profiles.located import LocatedYaml, load_located_yaml, parse_located_yaml
from lentera_drivers.profiles.meter import AddressMode, MeterProfile, PowerFactorSign, PowerSign, Signs
from lentera_drivers.profiles.payloads import (
    LampMessage,
    LampPayloadError,
    brightness_of,
    decode_availability,
    decode_lamp_payload,
    encode_get,
    encode_set,
    encode_state,
    level_of,
)
from lentera_drivers.profiles.probe import Finding, Verdict, failed_quantities
from lentera_drivers.profiles.register import Register
from lentera_drivers.profiles.registers import (
    Endianness,
    RegisterOrder,
    RegisterType,
    RegisterValueError,
    decode_registers,
    encode_registers,
    exponent_of,
    order_of,
)
from lentera_drivers.profiles.rules import ProbeRules
from lentera_drivers.profiles.sensor import SensorProfile, SensorTopics
from lentera_drivers.profiles.sensor_payloads import decode_sensor, decode_sensor_availability
from lentera_drivers.profiles.validation import located_errors, validate_located

__all__ = [
    "AddressMode",
    "ConfigFileError",
    "Endianness",
    "Finding",
    "Identity",
    "IdentityKind",
    "IdentityType",
    "LampField",
    "LampMessage",
    "LampPayloadError",
    "LampProfile",
    "LampTopics",
    "LocatedYaml",
    "MeterProfile",
    "PowerFactorSign",
    "PowerModel",
    "PowerSign",
    "ProbeRules",
    "Problem",
    "ProfileError",
    "Proof",
    "Register",
    "RegisterOrder",
    "RegisterType",
    "RegisterValueError",
    "SensorProfile",
    "SensorTopics",
    "SerialDefaults",
    "Signs",
    "Verdict",
    "brightness_of",
    "decode_availability",
    "decode_lamp_payload",
    "decode_registers",
    "decode_sensor",
    "decode_sensor_availability",
    "encode_get",
    "encode_registers",
    "encode_set",
    "encode_state",
    "exponent_of",
    "failed_quantities",
    "level_of",
    "list_profiles",
    "load_located_yaml",
    "load_profile",
    "located_errors",
    "order_of",
    "parse_located_yaml",
    "validate_located",
]
