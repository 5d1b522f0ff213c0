"""What can go wrong in the simulator, one class a cause."""

from __future__ import annotations

from lentera_model.errors import LenteraError


class PlanError(LenteraError):
    """The plan of a street cannot be built: a wrong number, an unknown profile, a quantity that no device can give."""

    code = "sim_plan"


class BrokerStartError(LenteraError):
    """No MQTT broker could be started, or it did not answer in time."""

    code = "sim_broker_start"


class RunFolderError(LenteraError):
    """The folder of a run already holds another run's ledger, which must not be mixed with a new one."""

    code = "sim_run_folder"


class LedgerError(LenteraError):
    """A ledger file cannot be read: which line, and what is wrong with it."""

    code = "sim_ledger"


class RegisterMapError(LenteraError):
    """A profile's register map does not fit a simulated meter: overlapping registers or a value that does not fit."""

    code = "sim_register_map"


class FaultError(LenteraError):
    """A fault cannot be put: no such target or fault, a value out of its limits, or no street that would take it."""

    code = "sim_fault"
