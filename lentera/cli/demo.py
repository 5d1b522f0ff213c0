"""`lentera demo`: the whole chain on this machine, or a counted run that proves that nothing is lost."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import output
from lentera.cli.extras import require

if TYPE_CHECKING:
    from lentera.demo.options import InfluxOptions
    from lentera.demo.verdict import CountedRun

EPILOG = """Examples:

\b
  lentera demo
  lentera demo --lamps 40 --broker amqtt
  lentera demo --seconds 30 --json
  lentera demo --seconds 30 --json --store influxdb --influx-url http://127.0.0.1:8086 \\
      --influx-token TOKEN --influx-org ORG

With --seconds a lamp is dimmed once a second, and at the end every value that the simulated devices answered is
compared with what is in the store. Exit code 1 if a value is missing, doubled or out of order, a command failed, the
stored commanded levels contradict the commands, or a device answered less than half of what its schedule promises;
stderr says which, and the run's folder is then kept. Each InfluxDB run has a bucket of its own, deleted after a clean
counted run without --keep."""


class Store(StrEnum):
    """Where the demo's readings are kept."""

    SQLITE = "sqlite"
    INFLUXDB = "influxdb"


class Broker(StrEnum):
    """The lamps' MQTT broker; auto is Mosquitto where it is installed, else amqtt."""

    AUTO = "auto"
    MOSQUITTO = "mosquitto"
    AMQTT = "amqtt"


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("demo", help="Run a street, a gateway and the cloud on this machine.", epilog=EPILOG)(demo)


def demo(
    context: typer.Context,
    seconds: Annotated[float | None, typer.Option(help="Run this long, dim lamps, then check.", min=1)] = None,
    json: Annotated[bool, typer.Option("--json", help="With --seconds: print the result as one JSON object.")] = False,
    store: Annotated[Store, typer.Option(help="Where the readings are kept.")] = Store.SQLITE,
    influx_url: Annotated[
        str | None, typer.Option(help="InfluxDB 2 server, with --store influxdb.", envvar="LENTERA_INFLUX_URL")
    ] = None,
    influx_token: Annotated[
        str | None, typer.Option(help="Its token, which may create buckets.", envvar="LENTERA_INFLUX_TOKEN")
    ] = None,
    influx_org: Annotated[str | None, typer.Option(help="Its organisation.", envvar="LENTERA_INFLUX_ORG")] = None,
    meters: Annotated[int | None, typer.Option(help="How many meters.", min=1, max=200)] = None,
    lamps: Annotated[int | None, typer.Option(help="How many lamps.", min=1, max=1000)] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same street.")] = 1,
    broker: Annotated[Broker, typer.Option(help="MQTT broker; auto: Mosquitto, else amqtt.")] = Broker.AUTO,
    port: Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.", min=0, max=65535)] = 0,
    folder: Annotated[Path | None, typer.Option("--dir", help="Folder of the run. [default: a new one]")] = None,
    keep: Annotated[bool, typer.Option("--keep/--no-keep", help="Leave the folder with data and logs.")] = False,
) -> None:
    """Run the demo."""
    require("gateway", "cloud", "sim")
    if json and seconds is None:
        raise typer.BadParameter("--json needs --seconds: without an end there is no result to print.")
    _refuse_unused(context, store)
    from lentera.demo.options import DemoOptions
    from lentera.demo.run import run_demo

    options = DemoOptions(
        seconds=seconds,
        json=json,
        influx=_influx(store, influx_url, influx_token, influx_org),
        meters=meters,
        lamps=lamps,
        seed=seed,
        broker=broker.value,
        port=port,
        run_dir=folder,
        keep=keep,
    )
    _finish(run_demo(options), json)


def _refuse_unused(context: typer.Context, store: Store) -> None:
    """Refuse InfluxDB options on the command line that would do nothing; settings of the environment may stay."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in ("influx_url", "influx_token", "influx_org")
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    ]
    if given and store is not Store.INFLUXDB:
        raise typer.BadParameter(
            f"{', '.join(given)} would do nothing without --store influxdb. Add it, or leave them."
        )


def _influx(store: Store, url: str | None, token: str | None, org: str | None) -> InfluxOptions | None:
    from lentera.demo.options import InfluxOptions

    given = {"--influx-url": url, "--influx-token": token, "--influx-org": org}
    if store is Store.SQLITE:
        return None
    if url is None or token is None or org is None:
        missing = ", ".join(name for name, value in given.items() if value is None)
        raise typer.BadParameter(f"--store influxdb needs {missing} too.")
    return InfluxOptions(url, token, org)


def _finish(found: CountedRun | None, json: bool) -> None:
    """Print a counted run's report and exit with 1 if it found fault."""
    if found is None:
        return
    report = found.report
    if json:
        output.print_json(report)
    else:
        flat = {
            f"{group} {name}": str(value)
            for group, values in report.items()
            for name, value in (values.items() if isinstance(values, dict) else [("", values)])
        }
        output.print_pairs(flat)
    if not found.clean:
        output.print_error(
            f"The run found fault: {', '.join(found.faults)}. The lines above on stderr say which; the logs are in the "
            "run's folder, which is kept.",
            code="faults_found",
        )
        raise typer.Exit(1)
