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


def cloud(arguments: list[str]) -> None:
    """The cloud: tenant, and the file for the first token, which is made unless an earlier start has made it."""
    import asyncio
    import os
    from pathlib import Path

    from lentera.settings import read_settings
    from lentera_cloud.bootstrap import create_tenant_and_token
    from lentera_cloud.serve import main as serve

    tenant, token_file = arguments[0], Path(arguments[1])
    settings = read_settings()
    if not token_file.exists():
        token = asyncio.run(create_tenant_and_token(settings, tenant, "admin", "demo"))
        draft = token_file.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(token)
        draft.replace(token_file)
    serve(settings)


def gateway(arguments: list[str]) -> None:
    """The gateway: its YAML file."""
    from pathlib import Path

    from lentera_gateway.app import main as run_gateway

    run_gateway(Path(arguments[0]))


ROLES: Mapping[str, Callable[[list[str]], None]] = {
    "idle": idle,
    "street": street,
    "cloud": cloud,
    "gateway": gateway,
}


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
