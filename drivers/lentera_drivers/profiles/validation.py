"""From a located document to a pydantic model, with every error at its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError, core_schema

from lentera_drivers.profiles.errors import ConfigFileError, Problem
from lentera_drivers.profiles.located import KeyPath, LocatedYaml, format_path

ModelT = TypeVar("ModelT", bound=BaseModel)

_LOCATED_TYPE: Final = "lentera_located"
_SHOWN_INPUT: Final = 60
_SUBJECT: Final = re.compile(r"\A(Input|String|List|Tuple) ")
_PYDANTICS_OWN: Final = frozenset(get_args(core_schema.ErrorType))
"""Errors about one value. Every other type is a model's own: its message says all, often about several values."""

Found = tuple[KeyPath, str, str]
"""Path below the validated object, what is wrong, remedy."""

_REMEDIES: Final[Mapping[str, str]] = {
    "missing": "add it",
    "string_type": "write text; quote it if it looks like a number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "finite_number": "write a finite number",
    "list_type": "write a list",
    "tuple_type": "write a list",
    "dict_type": "write keys and values",
    "model_type": "write keys and values",
    "model_attributes_type": "write keys and values",
    "union_tag_not_found": "add it",
}


def located_errors(found: Sequence[Found]) -> PydanticCustomError:
    """Build the error that a model's validator raises for problems deeper in it than pydantic could tell.

    Args:
        found: for each problem the path from the validated object, what is wrong and the remedy.
    """
    text = "; ".join(f"{format_path(path)}: {what}" for path, what, _ in found)
    return PydanticCustomError(_LOCATED_TYPE, "{text}", {"text": text, "found": list(found)})


def validate_located(
    model: type[ModelT], located: LocatedYaml, error_class: type[ConfigFileError] = ConfigFileError
) -> ModelT:
    """Validate a document against a pydantic model.

    Raises:
        ConfigFileError: (or the given subclass) with every error as `file:line: key: what; remedy`.
    """
    try:
        return model.model_validate(located.data)
    except ValidationError as error:
        names = _field_names(model)
        problems = [problem for details in error.errors() for problem in _problems(details, located, names)]
        raise error_class(problems) from error


def _problems(details: ErrorDetails, located: LocatedYaml, names: frozenset[str]) -> Iterator[Problem]:
    loc = tuple(details["loc"])
    if details["type"].startswith("union_tag"):
        loc = (*loc, details.get("ctx", {})["discriminator"].strip("'"))  # the key that says which kind it is
    base = located.known_path(loc)
    if details["type"] == _LOCATED_TYPE:
        for path, what, remedy in details.get("ctx", {})["found"]:
            yield _problem(located, (*base, *path), what, remedy)
        return
    what, remedy = _explain(details, names)
    yield _problem(located, base, what, remedy)


def _problem(located: LocatedYaml, path: KeyPath, what: str, remedy: str) -> Problem:
    return Problem(located.file, located.line_of(path), format_path(path), what, remedy)


def _explain(details: ErrorDetails, names: frozenset[str]) -> tuple[str, str]:
    """Return what is wrong and a remedy for an error of pydantic's own."""
    kind, message, value = details["type"], details["msg"], details.get("input")
    if kind not in _PYDANTICS_OWN:
        return message, ""
    if kind == "missing" and isinstance(details["loc"][-1], int):
        return f"has only {details['loc'][-1]} of its values", "write them all"
    if kind == "too_long":
        context = details.get("ctx", {})
        return f"has {context['actual_length']} entries", f"keep {context['max_length']} at most"
    if kind in ("missing", "union_tag_not_found"):
        return "is missing", _REMEDIES[kind]
    if kind == "union_tag_invalid":
        context = details.get("ctx", {})
        return f"{context['tag']!r} is not accepted", f"write one of {context['expected_tags']}"
    if kind == "extra_forbidden":
        return "is not a known key", _did_you_mean(str(details["loc"][-1]), names)
    if kind in ("value_error", "assertion_error"):
        what, _, remedy = message.removeprefix("Value error, ").removeprefix("Assertion failed, ").partition("; ")
        return what, remedy
    if kind in _REMEDIES:  # the remedy says what is wanted, in the words of the file instead of those of Python
        return f"{_shown(value)} is not accepted", _REMEDIES[kind]
    return f"{_shown(value)} is not accepted: {_SUBJECT.sub('', message)}", "correct the value"


def _shown(value: Any) -> str:
    if value is None:
        return "an empty value"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "a list"
    text = "a mapping" if isinstance(value, dict) else repr(value)
    return text if len(text) <= _SHOWN_INPUT else text[: _SHOWN_INPUT - 3] + "..."


def _did_you_mean(key: str, names: frozenset[str]) -> str:
    close = difflib.get_close_matches(key, sorted(names), n=1)
    return f"did you mean {close[0]}?" if close else "remove it"


@lru_cache(maxsize=32)
def _field_names(model: type[BaseModel]) -> frozenset[str]:
    """Collect the names of all fields of a model and of the models inside it."""
    schema = model.model_json_schema(by_alias=True)
    parts = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for part in parts for name in part.get("properties", {}))
