"""Parts of a street for the simulator's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lentera_sim.ledger import Ledger, LedgerEntry, read_ledger
from lentera_sim.street import Street, StreetPlan, build_street


@pytest.fixture
def plan() -> StreetPlan:
    """The default street."""
    return StreetPlan()


@pytest.fixture
def street(plan: StreetPlan) -> Street:
    """The devices of the default street, on no wire yet."""
    return build_street(plan)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    """An empty ledger."""
    made = Ledger(tmp_path / "ledger.jsonl")
    yield made
    made.close()


@pytest.fixture
def entries(ledger: Ledger, tmp_path: Path) -> Callable[[], list[LedgerEntry]]:
    """Read what the ledger holds now."""

    def read() -> list[LedgerEntry]:
        ledger.flush()
        return list(read_ledger(tmp_path / "ledger.jsonl"))

    return read


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Wait for a condition that a running part brings about; fails after `timeout_s`."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)
