"""Topics as profiles write them: `{base}` and `{name}` to be filled in, no wildcards."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field

NAME: Final = "{name}"
_FORBIDDEN: Final = ("+", "#", "\0", "{", "}")


def template_problem(template: str) -> tuple[str, str] | None:
    """Return what is wrong with a topic's template and the remedy, None when nothing is."""
    if NAME not in template:
        return "all devices would share this topic", "put {name} into it"
    rest = template.replace("{base}", "").replace(NAME, "")
    if any(sign in rest for sign in _FORBIDDEN):
        return f"{template!r} is no topic", "use {base}, {name} and plain levels, no wildcards"
    return None


def _checked(template: str) -> str:
    problem = template_problem(template)
    if problem is not None:
        raise ValueError("; ".join(problem))
    return template


Template = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_checked)]


def filled(template: str, name: str, base: str) -> str:
    """Return the topic of the device called `name` under a base topic."""
    return template.replace("{base}", base).replace(NAME, name)
