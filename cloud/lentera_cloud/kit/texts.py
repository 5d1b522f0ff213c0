"""Text from outside: control characters are of no use in it, and PostgreSQL does not take NUL at all."""

import re
from typing import Annotated

from pydantic import StringConstraints

NO_CONTROLS_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""What a text of the API must match: a person can mend the request."""

PlainText = Annotated[str, StringConstraints(pattern=NO_CONTROLS_PATTERN)]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def without_controls(text: str) -> str:
    """Return a text with each control character replaced by U+FFFD: a gateway cannot mend what it passes on."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)
