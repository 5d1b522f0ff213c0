"""A lamp's name, so that no test hears another's lamps."""

import uuid

import pytest


@pytest.fixture
def name() -> str:
    """A lamp's name, and so topics, of its own."""
    return f"lamp-{uuid.uuid4().hex[:10]}"
