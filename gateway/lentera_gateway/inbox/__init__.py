"""The inbox: commands from the cloud, each carried out once, in order, in time, and answered with what came of it."""

from lentera_gateway.inbox.inbox import Inbox
from lentera_gateway.inbox.updates import UpdateQueue

__all__ = ["Inbox", "UpdateQueue"]
