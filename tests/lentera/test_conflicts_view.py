"""`lentera conflicts`: what its table says; test_completeness.py runs the command against a cloud that has one."""

from datetime import UTC, datetime

from lentera.answers import Conflict
from lentera.cli.conflicts import row_of

AT = datetime(2026, 11, 29, 1, 2, 3, 45_000, tzinfo=UTC)


def test_a_row_names_both_values_their_time_and_the_batch():
    one = Conflict(
        device_id="meter-1",
        quantity="voltage_l1",
        at=AT,
        stored_value=230.10000610351562,
        other_value=1e-7,
        gateway_id="gw-2",
        epoch=7,
        sequence=12,
    )
    local = f"{AT.astimezone():%Y-%m-%d %H:%M:%S}.045"
    assert row_of(one) == ["meter-1", "voltage_l1", local, "230.1", "1e-07", "gw-2 7/12"]
