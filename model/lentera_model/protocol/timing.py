"""How long a link may be silent: what both sides of version 2 rely on, so that each finds out when the other is gone.

A carrier's NAT forgets a connection that is idle for 60 s (RFC 5382 asks for two hours, few give it), so something must
pass more often than that; each thing that passes costs its bytes on the SIM, so not much more often.
"""

from typing import Final

SAY_WITHIN_S: Final = 45.0
"""A gateway says something at least this often: a Beat, where nothing else was to be said."""
SILENT_S: Final = 57.0
"""A gateway from which nothing came for so long is gone; those of version 1 ask for the time each 25 s."""
