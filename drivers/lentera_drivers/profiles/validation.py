"""From a located document to a pydantic model, with every error at its line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from lentera_drivers.profiles.errors import ConfigFileError, Problem
from lentera_drivers.profiles.located import KeyPath, LocatedYaml, format_path

ModelT = TypeVar("ModelT", bound=BaseModel)

_LOCATED_TYPE: Final = "lentera_located"
_SHOWN_INPUT: Final = 60

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
    "string_pattern_mismatch": "keep to the pattern",
    "union_tag_not_found": "add the key that says which kind it is",
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
    base = located.known_path(tuple(details["loc"]))
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
    if kind == "missing":
        return "is missing", _REMEDIES[kind]
    if kind == "extra_forbidden":
        return "is not a known key", _did_you_mean(str(details["loc"][-1]), names)
    if kind in ("value_error", "assertion_error"):
        what, _, remedy = message.removeprefix("Value error, ").removeprefix("Assertion failed, ").partition("; ")
        return what, remedy or "correct the value"
    message = message.removeprefix("Input ")
    what = f"{_shown(value)} is not accepted: {message}"
    return what, _REMEDIES.get(kind, "correct the value")


def _shown(value: Any) -> str:
    text = (
        repr(value) if not isinstance(value, dict | list) else f"a {'list' if isinstance(value, list) else 'mapping'}"
    )
    return text if len(text) <= _SHOWN_INPUT else text[: _SHOWN_INPUT - 3] + "..."


def _did_you_mean(key: str, names: frozenset[str]) -> str:
    close = difflib.get_close_matches(key, sorted(names), n=1)
    return f"did you mean {close[0]}?" if close else "remove it"


def _field_names(model: type[BaseModel]) -> frozenset[str]:
    """Collect the names of all fields of a model and of the models inside it."""
    schema = model.model_json_schema(by_alias=True)
    parts = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for part in parts for name in part.get("properties", {}))
