"""`lentera sim`: a simulated street or line alone, for a gateway or a technician to read."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import output, sim_faults, sim_line
from lentera.cli.demo import Broker
from lentera.cli.extras import require

if TYPE_CHECKING:
    from lentera_sim.run import StreetInfo

EPILOG = """Examples:

\b
  lentera sim run --dir /tmp/street --energise
  lentera sim run --dir /tmp/street --lamps 40 --broker mosquitto --json
  lentera sim run --dir /tmp/street --fault meter-market=late:1.5@30/60 --fault rs485-0=noise:0.01

The folder then holds gateway.yaml, a configuration that fits the street (`lentera gateway check`), and ledger.jsonl,
what the devices answered. Without --energise the lamps come on when a file named energise appears there."""

Converter = Annotated[
    bool, typer.Option("--converter", help="Put the serial line behind an Ethernet converter: RTU over TCP.")
]
Mesh = Annotated[
    bool, typer.Option("--mesh", help="Give the Zigbee lamps' radio a mesh's limits, losses and lazy lamps.")
]
Fault = Annotated[
    list[str] | None,
    typer.Option(help="Put a fault, once or more: TARGET=FAULT[:VALUE][@AFTER_S][/FOR_S]; see lentera sim faults."),
]

app = typer.Typer(name="sim", help="Simulated meters and lamps on real wires.", no_args_is_help=True)


@app.callback()
def sim() -> None:
    """Simulated meters and lamps on real wires."""


app.command("faults", epilog=sim_faults.FAULTS_EPILOG)(sim_faults.faults)
app.command("fault", epilog=sim_faults.FAULT_EPILOG)(sim_faults.fault)
app.command("line", epilog=sim_line.EPILOG)(sim_line.line)


@app.command("run", epilog=EPILOG)
def run(
    folder: Annotated[Path, typer.Option("--dir", help="Folder of the run; made if missing.")] = Path("var/street"),
    meters: Annotated[int, typer.Option(help="How many meters.", min=1, max=200)] = 3,
    lamps: Annotated[int, typer.Option(help="How many lamps.", min=0, max=1000)] = 12,
    plugs: Annotated[int, typer.Option(help="How many metering plugs behind Zigbee2MQTT.", min=0, max=200)] = 0,
    tasmota: Annotated[int, typer.Option(help="How many energy modules with Tasmota.", min=0, max=200)] = 0,
    json_meters: Annotated[int, typer.Option(help="How many meters that publish a JSON object.", min=0, max=200)] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same street.")] = 1,
    speed: Annotated[float, typer.Option(help="Simulated seconds a second.", min=0.01)] = 1.0,
    converter: Converter = False,
    mesh: Mesh = False,
    broker: Annotated[Broker, typer.Option(help="MQTT broker; auto: Mosquitto, else amqtt.")] = Broker.AUTO,
    cloud_url: Annotated[str, typer.Option(help="The cloud's link, for gateway.yaml.")] = "ws://127.0.0.1:8080/v1/link",
    key_file: Annotated[str, typer.Option(help="The gateway's key, for gateway.yaml.")] = "key.pem",
    energise: Annotated[bool, typer.Option("--energise", help="Light the lamps at once.")] = False,
    fault: Fault = None,
    json: Annotated[bool, typer.Option("--json", help="Print where everything is as JSON.")] = False,
) -> None:
    """Run a street until Ctrl-C; print where everything is once it answers."""
    require("sim")
    from lentera_sim.faults.order import parse_order
    from lentera_sim.run import main
    from lentera_sim.street import StreetPlan

    plan = StreetPlan(
        meters=meters,
        lamps=lamps,
        plugs=plugs,
        tasmota=tasmota,
        json_meters=json_meters,
        seed=seed,
        speed=speed,
        converter=converter,
        mesh=mesh,
    )
    orders = [parse_order(text) for text in fault or ()]
    show = partial(_print_info, json=json)
    main(folder, plan, broker.value, cloud_url, key_file, energise=energise, faults=orders, ready=show)


def _print_info(info: StreetInfo, *, json: bool) -> None:
    from dataclasses import asdict

    if json:
        output.print_json(asdict(info))
    else:
        output.print_pairs({name: _text(value) for name, value in asdict(info).items()})
    typer.echo("", nl=False)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return str(value)
