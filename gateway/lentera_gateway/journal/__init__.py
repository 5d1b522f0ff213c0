"""The journal: the queue between the wires and the cloud, kept on tmpfs and, only where needed, on the card.

`framing`, `records`, `index`, `policy` and `recovery` are pure; `segments`, `store`, `state`, `quarantine` and their
like touch files and run in one thread; `Journal` is what the rest of the gateway sees. `inspect` and `report` (pure)
and `survey` and `pulse` are a reader's beside it: they take no lock and write nothing.
"""

from lentera_gateway.journal.journal import Journal
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.store import Outgoing, Recovery

__all__ = ["Journal", "JournalLimits", "Outgoing", "Recovery"]
