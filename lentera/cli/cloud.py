"""`lentera cloud`: the service, its worker, and the first tokens."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from lentera.cli import output
from lentera.cli.extras import require
from lentera.errors import CannotListenError
from lentera.settings import read_settings

app = typer.Typer(name="cloud", help="The service with the API and the stores.", no_args_is_help=True)

SERVE_EPILOG = """Examples:

\b
  lentera cloud serve
  LENTERA_PORT=8443 LENTERA_SERIES=influxdb LENTERA_INFLUX_TOKEN=... lentera cloud serve

Its settings come from the environment; docs/api.md lists them."""

WORK_EPILOG = """Examples:

\b
  LENTERA_WORKER_IN_PROCESS=false lentera cloud serve &
  lentera cloud work

Needed only where the API does not do these jobs itself; as many workers as one likes share them."""

NEW_EPILOG = """Examples:

\b
  lentera cloud token --tenant langkat --role operator --label "control room"
  lentera cloud token --tenant langkat --role admin --label bootstrap --json

The tenant is made if it is not there. The token is shown once; only a hash of it is kept. Run it on the cloud's own
machine with the cloud's settings; the cloud may run meanwhile."""


class TokenRole(StrEnum):
    """What a token may do."""

    ADMIN = "admin"
    TECHNICIAN = "technician"
    OPERATOR = "operator"
    ANALYST = "analyst"


@app.callback()
def cloud() -> None:
    """Group the commands of the cloud."""


@app.command("serve", epilog=SERVE_EPILOG)
def serve() -> None:
    """Serve the API and the gateways' links until told to stop."""
    require("cloud")
    from lentera_cloud.serve import main

    try:
        main(read_settings())
    except OSError as error:
        raise CannotListenError(f"{error.strerror or error}.") from error


@app.command("work", epilog=WORK_EPILOG)
def work() -> None:
    """Do the cloud's background jobs until told to stop."""
    require("cloud")
    from lentera_cloud.worker import main

    main(read_settings())


@app.command("token", epilog=NEW_EPILOG)
def token(
    tenant: Annotated[str, typer.Option(help="Id of the tenant (the city).")],
    label: Annotated[str, typer.Option(help="Who or what it is for; commands show it as their author.")],
    role: Annotated[TokenRole, typer.Option(help="What it may do.")] = TokenRole.ANALYST,
    expires: Annotated[str | None, typer.Option(metavar="SPAN", help="Lifetime, such as 30d. [default: none]")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the token as JSON.")] = False,
) -> None:
    """Make an API token, and its tenant if need be."""
    require("cloud")
    import asyncio

    from lentera.spans import span_seconds
    from lentera_cloud.bootstrap import create_tenant_and_token

    lifetime_s = None if expires is None else round(span_seconds(expires, "--expires"))
    made = asyncio.run(create_tenant_and_token(read_settings(), tenant, role.value, label, lifetime_s))
    if json:
        output.print_json({"token": made, "tenant": tenant, "role": role.value, "label": label})
    else:
        typer.echo(made)
