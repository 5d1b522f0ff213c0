"""Acquisition: when each device is asked, and what is known of each device; the drivers know how."""

from lentera_gateway.acquire.devices import DeviceBook, DeviceState
from lentera_gateway.acquire.exception_report import ExceptionReporter
from lentera_gateway.acquire.poller import BusPoller
from lentera_gateway.acquire.schedule import Poll, PollSchedule, intervals_of
from lentera_gateway.acquire.stamps import StampKeeper
from lentera_gateway.acquire.tally import ReadTally

__all__ = [
    "BusPoller",
    "DeviceBook",
    "DeviceState",
    "ExceptionReporter",
    "Poll",
    "PollSchedule",
    "ReadTally",
    "StampKeeper",
    "intervals_of",
]
