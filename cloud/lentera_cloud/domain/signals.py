"""What one replica of the cloud tells the others: small facts that each of them can look up, in case it missed them."""

import json
from dataclasses import dataclass
from enum import StrEnum

MAX_BYTES = 1_000
"""A signal is far smaller than a NOTIFY of PostgreSQL may be (8,000 bytes): it names things, it carries none."""


class SignalKind(StrEnum):
    """What happened."""

    LINK_OPENED = "link_opened"
    """A gateway's newest link is at the sender."""
    SEND = "send"
    """``subject`` is an execution that waits for its gateway's link."""
    CANCEL = "cancel"
    """``subject`` is an execution that its gateway should drop."""
    COMMAND_CHANGED = "command_changed"
    """``subject`` is a command one of whose executions moved."""
    DELIVERY_CHANGED = "delivery_changed"
    """``gateway`` should be told how to deliver, by whoever has its link."""
    GATEWAY_REVOKED = "gateway_revoked"
    DEVICE_MOVED = "device_moved"
    """``subject`` is a device that ``gateway`` speaks for from now on."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One fact; ``gateway`` and ``subject`` are empty where the kind needs none."""

    kind: SignalKind
    tenant: str
    gateway: str = ""
    subject: str = ""


def write_signal(sender: str, signal: Signal) -> str:
    """Write a signal as a line of JSON."""
    return json.dumps([sender, signal.kind.value, signal.tenant, signal.gateway, signal.subject])


def read_signal(text: str) -> tuple[str, Signal] | None:
    """Return the sender and the signal; None when it is no word of ours (a newer replica's, during an upgrade)."""
    if len(text) > MAX_BYTES:
        return None
    try:
        sender, kind, tenant, gateway, subject, *_ = json.loads(text)
        known = SignalKind(kind)
    except (ValueError, TypeError):
        return None
    if not all(isinstance(one, str) for one in (sender, tenant, gateway, subject)):
        return None
    return sender, Signal(known, tenant, gateway, subject)
