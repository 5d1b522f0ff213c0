"""What a child process of the demo runs: `python -m lentera.demo.child PARENT_PID ROLE ARGUMENTS...`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from lentera.demo.leash import put_on_leash


def idle(arguments: list[str]) -> None:
    """Do nothing until told to stop; used to test the supervision of children."""
    import signal

    signal.sigwait({signal.SIGTERM})


def street(arguments: list[str]) -> None:
    """The simulated street: run folder, plan as JSON, broker, the cloud's link, the gateway's key file."""
    import json
    from pathlib import Path

    from lentera_sim.run import main as run_street
    from lentera_sim.street import StreetPlan

    run_dir, plan, broker, cloud_url, key_file = arguments
    run_street(Path(run_dir), StreetPlan(**json.loads(plan)), broker, cloud_url, key_file)  # pyright: ignore[reportArgumentType]


ROLES: Mapping[str, Callable[[list[str]], None]] = {"idle": idle, "street": street}


def main(arguments: list[str]) -> None:
    """Tie this process to its parent and run its role; code 2 for a role that does not exist."""
    parent_pid, role, *rest = arguments
    put_on_leash(int(parent_pid))
    if role not in ROLES:
        sys.stderr.write(f"lentera.demo.child: there is no role {role!r}; there are {', '.join(ROLES)}\n")
        sys.exit(2)
    ROLES[role](rest)


if __name__ == "__main__":
    main(sys.argv[1:])
