"""`lentera cloud`: placeholder until wired."""

import typer

app = typer.Typer(name="cloud", help="x", no_args_is_help=True)


@app.callback()
def cloud() -> None:
    """X."""
