"""`lentera devices ID`: each newest value with its quality, and why a device is away or at fault."""

from datetime import UTC, datetime, timedelta

import pytest

from lentera.answers import Device, LatestValue
from lentera.cli.devices import _print_one
from lentera.language import Words

AT = datetime.now(UTC) - timedelta(seconds=3)


def meter(online: bool, reason: str, **latest: tuple[float, str | int]) -> Device:
    values = {
        name: LatestValue(value=value, unit="1", at=AT, quality=quality) for name, (value, quality) in latest.items()
    }
    return Device(
        device_id="m1",
        name="Panel",
        kind="meter",
        profile="p",
        online=online,
        online_reason=reason,
        last_reading_at=AT,
        latest=values,
    )


def shown(device: Device, capsys: pytest.CaptureFixture[str], language: str = "en") -> str:
    _print_one(device, Words(language))
    return capsys.readouterr().out


def test_each_value_stands_beside_its_quality(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(meter(True, "answers", frequency=(61, "implausible"), current_l1=(1, "good"), alarm=(0, 0)), capsys)
    ends = {line.split()[0]: line.split()[-1] for line in out.splitlines() if line.split()[-1:] != []}
    assert (ends["frequency"], ends["current_l1"], ends["alarm"]) == ("implausible", "good", "good")
    assert "Quality" in out
    assert "answers" not in out
    assert "Mutu" in shown(meter(True, "answers", frequency=(61, "good")), capsys, "id")


@pytest.mark.parametrize(
    ("online", "fault", "is_told"), [(True, 1, True), (True, 0, False), (False, 0, True), (False, 1, True)]
)
def test_the_reason_is_told_of_a_device_that_is_away_or_at_fault(
    online: bool, fault: float, is_told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(meter(online, "server device failure (exception 4)", device_fault=(fault, "device_fault")), capsys)
    assert ("exception 4" in out) is is_told
