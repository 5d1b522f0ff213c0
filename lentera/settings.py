"""The cloud's settings from the environment, with errors that name the variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lentera.errors import BadSettingError

if TYPE_CHECKING:
    from lentera_cloud.settings import Settings


def read_settings() -> Settings:
    """The settings. Raises BadSettingError naming each variable that does not fit."""
    from pydantic import ValidationError

    from lentera_cloud.settings import Settings

    try:
        return Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        faults = "; ".join(map(_fault, error.errors()))
        raise BadSettingError(f"The cloud's settings do not fit: {faults}. docs/api.md lists them.") from error


def _fault(error: Any) -> str:
    message = error["msg"].removeprefix("Value error, ")
    return f"LENTERA_{str(error['loc'][0]).upper()}: {message}" if error["loc"] else message
