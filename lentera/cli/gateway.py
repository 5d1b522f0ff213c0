"""`lentera gateway`: placeholder until wired."""

import typer

app = typer.Typer(name="gateway", help="x", no_args_is_help=True)


@app.callback()
def gateway() -> None:
    """X."""
