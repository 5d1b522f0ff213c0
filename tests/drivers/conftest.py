"""A lamp's name, so that no test hears another's lamps; a port where nothing answers yet."""

import uuid
from collections.abc import Iterator

import pytest

from lentera_sim.ports import hold_port, port_of


@pytest.fixture
def name() -> str:
    """A lamp's name, and so topics, of its own."""
    return f"lamp-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def held_port() -> Iterator[int]:
    """A TCP port of the loopback where nothing listens, and that nobody else is given."""
    with hold_port() as held:
        yield port_of(held)
