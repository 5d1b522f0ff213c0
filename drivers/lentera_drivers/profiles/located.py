"""YAML that remembers its lines, so that an error can point at the very key.

Plain scalars follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): `true` and `false` are
the only booleans, so `on`, `off`, `yes` and `no` stay text. Stricter than YAML on purpose: a key may be used once,
there is one document a file, tags other than `!!str` are refused, and size, depth and node count are
bounded (an alias costs what it expands to), so that a hostile or broken file cannot exhaust a small board.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from lentera_drivers.profiles.errors import ConfigFileError, Problem

KeyPath = tuple[str | int, ...]
"""Where a value stands in a document: keys and list positions from the top."""

MAX_BYTES: Final = 1024 * 1024
MAX_NODES: Final = 200_000
MAX_DEPTH: Final = 32

_PLAIN_TAG: Final = "lentera:plain"
_QUOTED_TAG: Final = "lentera:quoted"
_TEXT_TAGS: Final = frozenset({_QUOTED_TAG, "tag:yaml.org,2002:str"})

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,100}\Z")
_OCTAL: Final = re.compile(r"0o([0-7]{1,100})\Z")
_HEXADECIMAL: Final = re.compile(r"0x([0-9a-fA-F]{1,100})\Z")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SPECIAL_FLOAT: Final = re.compile(r"([-+]?)\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")


class _Composer(Reader, Scanner, Parser, Composer):
    """PyYAML's pipeline up to nodes, with our own resolution of scalars and without any construction of objects."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)

    def resolve(self, kind: type, value: str | None, implicit: Any) -> str:
        """Mark whether a scalar was plain or quoted; the reading of plain ones is `_plain_value`."""
        if kind is yaml.ScalarNode:
            return _PLAIN_TAG if implicit[0] else _QUOTED_TAG
        return kind.__name__

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        """Path resolvers are not used."""

    def ascend_resolver(self) -> None:
        """Path resolvers are not used."""


@dataclass(frozen=True, slots=True)
class LocatedYaml:
    """A parsed document: `data` is plain Python (dict, list, str, int, float, bool, None), `file` its name."""

    file: str
    data: Any
    lines: dict[KeyPath, int]

    def line_of(self, path: KeyPath) -> int:
        """Return the 1-based line of `path`, or of the nearest thing around it that exists (the top is line 1)."""
        for length in range(len(path), -1, -1):
            line = self.lines.get(path[:length])
            if line is not None:
                return line
        return 1

    def known_path(self, path: KeyPath) -> KeyPath:
        """Drop what is not in the document, such as the tags of a union, from a validator's location.

        A last key that is missing from a mapping stays.
        """
        known: KeyPath = ()
        for position, part in enumerate(path):
            if (*known, part) in self.lines:
                known = (*known, part)
            elif position == len(path) - 1 and isinstance(part, str) and isinstance(self._at(known), dict):
                return (*known, part)
        return known

    def _at(self, path: KeyPath) -> Any:
        value = self.data
        for part in path:
            value = value[part]
        return value


def load_located_yaml(path: str | Path) -> LocatedYaml:
    """Read and parse a YAML file.

    Raises:
        ConfigFileError: the file cannot be read, is no UTF-8, is too large, is no YAML, or uses a key twice.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _single(
            name, 0, f"cannot be read: {error.strerror or error}", "check the name and the permissions"
        ) from error
    if len(raw) > MAX_BYTES:
        raise _single(name, 1, f"is larger than {MAX_BYTES} bytes", "split it up or remove what is not needed")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _single(name, line, f"byte {raw[error.start]:#04x} is no UTF-8", "save the file as UTF-8") from error
    return parse_located_yaml(text, name)


def parse_located_yaml(text: str, file: str) -> LocatedYaml:
    """Parse the text of a document; `file` names it in errors.

    Raises:
        ConfigFileError: it is no YAML, empty, has several documents, or uses a key twice.
    """
    try:
        node = _Composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise _single(file, mark.line + 1 if mark else 1, f"is no valid YAML: {what}", "correct the line") from error
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        what = getattr(error, "reason", "unreadable")
        raise _single(file, line, f"is no valid YAML: {what}", "remove the character") from error
    except RecursionError as error:
        raise _single(file, 1, f"is nested deeper than {MAX_DEPTH} levels", "flatten the document") from error
    if node is None:
        raise _single(file, 1, "is empty", "write at least one key")
    builder = _Builder(file)
    data = builder.build(node, ())
    if builder.problems:
        raise ConfigFileError(builder.problems)
    return LocatedYaml(file, data, builder.lines)


class _Builder:
    """Turns nodes into plain values and notes the line of each path."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._nodes = 0

    def build(self, node: yaml.Node, path: KeyPath, key_line: int | None = None) -> Any:
        """Return the plain value of a node; a value of a mapping has the line of its key."""
        line = key_line or node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise _single(
                self.file,
                line,
                f"has more than {MAX_NODES} values or {MAX_DEPTH} levels",
                "split it up; mind its aliases",
            )
        self.lines[path] = line
        if isinstance(node, yaml.MappingNode) and node.tag == "MappingNode":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == "SequenceNode":
            return [self.build(item, (*path, position)) for position, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag == _PLAIN_TAG:
            return _plain_value(node.value)
        if isinstance(node, yaml.ScalarNode) and node.tag in _TEXT_TAGS:
            return node.value
        self._complain(line, path, f"the tag {node.tag} is not supported", "remove the tag")
        return None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(line, path, "a key must be text", "write the key as a plain word")
                continue
            key = key_node.value
            if key in result:
                first = self.lines[(*path, key)]
                self._complain(
                    line, (*path, key), f"the key is used twice, first on line {first}", "remove one of the two"
                )
                continue
            result[key] = self.build(value_node, (*path, key), line)
        return result

    def _complain(self, line: int, path: KeyPath, what: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, line, format_path(path), what, remedy))


def format_path(path: KeyPath) -> str:
    """Write a path as people do: `devices[2].unit`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _plain_value(text: str) -> Any:
    """Read a plain scalar by the core schema."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.match(text):
        return int(text)
    for pattern, base in ((_OCTAL, 8), (_HEXADECIMAL, 16)):
        if found := pattern.match(text):
            return int(found[1], base)
    if len(text) < 400 and _FLOAT.match(text):
        return float(text)
    if found := _SPECIAL_FLOAT.match(text):
        return float("nan") if found[3] else float(f"{found[1]}inf")
    return text


def _single(file: str, line: int, what: str, remedy: str) -> ConfigFileError:
    return ConfigFileError([Problem(file, line, "", what, remedy)])
