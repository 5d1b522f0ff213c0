"""Which release this is."""

from __future__ import annotations


def agent_version() -> str:
    """Return the version that the gateway reports to the cloud."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"lentera {version('lentera')}"
    except PackageNotFoundError:
        return "lentera (not installed)"
