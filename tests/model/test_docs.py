"""The pages that describe the model's formats say what the code does."""

import re
import typing
from pathlib import Path

import msgspec
import pytest

from lentera_model.batch import (
    DEFAULT_LIMITS,
    ClockUnknownError,
    CorruptBatchError,
    OversizedBatchError,
    TruncatedBatchError,
    UnsupportedVersionError,
)
from lentera_model.commands import ConfirmedBy, ExecutionState, Reason
from lentera_model.protocol import CloudMessage, DeviceDeclaration, GatewayMessage

DOCS = Path(__file__).parents[2] / "docs"
LINK = (DOCS / "formats" / "link.md").read_text()
BATCH = (DOCS / "formats" / "batch.md").read_text()
COMMANDS = (DOCS / "commands.md").read_text()


@pytest.mark.parametrize("message", [*typing.get_args(GatewayMessage), *typing.get_args(CloudMessage)])
def test_the_link_page_lists_every_message_with_its_tag_and_fields(message: type[msgspec.Struct]) -> None:
    fields = ", ".join(message.__struct_fields__)
    assert f"| {message.__struct_config__.tag} | {message.__name__} | {fields} |" in LINK


def test_the_link_page_lists_no_message_that_is_not_there() -> None:
    known = {m.__name__ for m in (*typing.get_args(GatewayMessage), *typing.get_args(CloudMessage))}
    assert set(re.findall(r"^\| \w \| (\w+) \|", LINK, re.MULTILINE)) == known


def test_the_link_page_lists_a_devices_fields_in_order() -> None:
    words: list[str] = re.findall(r"\w+", LINK.split("A device in `Hello` is an array:")[1].split(".")[0])
    assert [word for word in words if word in DeviceDeclaration.__struct_fields__] == list(
        DeviceDeclaration.__struct_fields__
    )


def test_the_batch_page_names_every_refusal_and_limit() -> None:
    for error in (
        TruncatedBatchError,
        CorruptBatchError,
        OversizedBatchError,
        UnsupportedVersionError,
        ClockUnknownError,
    ):
        assert f"| `{error.code}` |" in BATCH
        assert f"`{error.code}`" in LINK
    limits = DEFAULT_LIMITS
    for number in (f"{limits.rows:,} rows", f"{limits.values:,} values", f"{limits.columns} columns"):
        assert number in BATCH
    assert (limits.sealed_bytes, limits.unpacked_bytes) == (1 << 20, 8 << 20)


def test_the_commands_page_lists_every_state_reason_and_proof() -> None:
    states = re.findall(r"^\| `(\w+)` \|", COMMANDS, re.MULTILINE)
    assert sorted(states) == sorted(ExecutionState)
    listed = COMMANDS.split("Reasons are a closed list:")[1]
    found = dict(re.findall(r"`(\w+)`(\\\*)?", listed.split("Those with a star")[0]))
    assert {name: bool(star) for name, star in found.items()} == {reason: reason.retryable for reason in Reason}
    assert all(f"`{proof}`" in COMMANDS for proof in ConfirmedBy)
