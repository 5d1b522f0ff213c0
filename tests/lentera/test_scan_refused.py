"""What a scan refuses before it asks anybody: places it cannot write to, ids nobody may have, options that clash."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from lentera.cli.app import main
from lentera.cli.commission import parse_ids

NO_PORT = "/nowhere/ttyNONE"
"""A scan that gets as far as opening this port ends with other words than those looked for."""


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str]:
    """Run a command of the gateway; return its exit code and what it says."""
    with pytest.raises(SystemExit) as ended:
        main(["gateway", *arguments])
    return ended.value.code, capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_refused_before_the_port_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "gateway.yaml"
    there.write_text("mine")
    for file, told in ((there, "there already"), (tmp_path / "no" / "gw.yaml", f"no folder {tmp_path / 'no'}")):
        code, error = refused(capsys, "scan", NO_PORT, "--write", str(file))
        assert (code, told in error, "nothing was asked" in error) == (1, True, True), error
    assert there.read_text() == "mine"


@pytest.mark.parametrize("ids", ["0", "248", "0,250", "240-250", "1-99999999", "9" * 5000, f"1-{'9' * 5000}"])
def test_ids_that_no_unit_of_a_line_may_have_are_refused(ids: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (("scan", NO_PORT, "--units", ids), ("readdress", NO_PORT, "--ids", ids)):
        code, error = refused(capsys, *command)
        assert (code, "1 to 247" in error) == (2, True), error
    code, error = refused(capsys, "doctor", NO_PORT, "--units", ids)
    assert (code, "1 to 247" in error) == (2, True), error


@pytest.mark.parametrize("ids", ["", "5-1", "1,,2", "a", "-1", "1-"])
def test_what_is_no_list_of_ids_is_told_with_an_example(ids: str) -> None:
    with pytest.raises(typer.BadParameter, match="1-32,40"):
        parse_ids(ids)


def test_a_host_may_be_asked_as_itself_but_not_a_converter(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse_ids("0,1-2,255", of_host=True) == (0, 1, 2, 255)
    for ids in ("248", "250-255", "256"):
        with pytest.raises(typer.BadParameter, match="248"):
            parse_ids(ids, of_host=True)
    code, error = refused(capsys, "scan", "--host", "127.0.0.1", "--rtu-over-tcp", "--units", "255")
    assert (code, "1 to 247" in error) == (2, True), error


def test_options_that_contradict_each_other_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for options, told in (
        (("--parity", "E"), "--parity needs --baud"),
        (("--parity", "X"), "E (even)"),
        (("--host", "127.0.0.1"), "exclude each other"),
    ):
        code, error = refused(capsys, "scan", NO_PORT, *options)
        assert (code, told in error) == (2, True), error
