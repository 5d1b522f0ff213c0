"""What `lentera gateway doctor` found, put into words: in full, or short enough to be sent by phone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lentera.language import Words
    from lentera_drivers.modbus.transport import LineSettings
    from lentera_gateway.commissioning.diagnosis import Finding

SHORT_CHARS: Final = 600
_PORT_CHARS: Final = 60
_DETAIL_CHARS: Final = 80
_UNITS: Final = 12
_SETTINGS: Final = 3
_CUT: Final = "..."


def report(found: Sequence[Finding], words: Words, port: str, settings: LineSettings) -> list[str]:
    """Return a diagnosis, a head and one line for each cause, with nothing left out."""
    return [words("doctor.head", port=port, settings=settings), *(_line(one, words, short=False) for one in found)]


def short_report(found: Sequence[Finding], words: Words, port: str, settings: LineSettings) -> str:
    """Return a diagnosis as text of at most 600 characters, which says how much it leaves out."""
    shown = port if len(port) <= _PORT_CHARS else _CUT + port[len(_CUT) - _PORT_CHARS :]
    head = words("doctor.head", port=shown, settings=settings)
    lines = [_line(one, words, short=True) for one in found]
    for kept in range(len(lines), 0, -1):
        left_out = len(lines) - kept
        more = [words("doctor.more", count=left_out)] if left_out else []
        text = "\n".join([head, *lines[:kept], *more])
        if len(text) <= SHORT_CHARS:
            return text
    return "\n".join([head, shortened(lines[0], SHORT_CHARS - len(head) - 1)])


def _line(one: Finding, words: Words, *, short: bool) -> str:
    named = {"units": one.units, "settings": one.settings}
    most = {"units": _UNITS, "settings": _SETTINGS}
    values = {name: _listed(all_, most[name] if short else len(all_), words) for name, all_ in named.items()}
    values["detail"] = shortened(one.detail, _DETAIL_CHARS) if short else one.detail
    sure = words("doctor.sure" if one.sure else "doctor.likely")
    by_whom = ".by" if one.cause == "port_in_use" and one.detail else ""
    return f"{sure}: {words(f'cause.{one.cause}{by_whom}', **values)}"


def _listed(named: Iterable[object], most: int, words: Words) -> str:
    texts = list(map(str, named))
    rest = [words("doctor.more", count=len(texts) - most)] if len(texts) > most else []
    return " ".join([", ".join(texts[:most]), *rest])


def shortened(text: str, most_chars: int) -> str:
    """Return a text that is cut, if it must be, at the end of a word."""
    if len(text) <= most_chars:
        return text
    room = most_chars - len(_CUT) - 1
    whole = re.match(rf"(.{{1,{room}}})(?=\s)", text, re.DOTALL)
    return f"{whole[1].rstrip(' ,;:')} {_CUT}" if whole else text[: room + 1] + _CUT
