"""Reading, watching and writing devices that a gateway's configuration names, through the gateway where one runs."""

from __future__ import annotations

import asyncio
import difflib
import json as plain_json
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import typer

from lentera.cli import output
from lentera.cli.configuration import load_or_exit
from lentera.language import Words, reader_words

if TYPE_CHECKING:
    from lentera_drivers.profiles import MeterProfile, Register
    from lentera_gateway.config import LoadedConfig
    from lentera_model.config import DeviceConfig

Answer = Mapping[str, Any]
_SPARE_S = 5.0


class Asker(Protocol):
    """Who answers: the running gateway, or the ports themselves."""

    async def ask(self, request: Answer) -> Answer:
        """Answer a request, see `lentera_gateway.by_hand`."""
        ...


@dataclass(frozen=True, slots=True)
class Running:
    """The gateway that runs on this configuration."""

    socket: Path

    async def ask(self, request: Answer) -> Answer:
        """Ask through the control socket; blocking, for nothing else happens meanwhile."""
        from lentera_gateway.by_hand import ANSWER_WITHIN_S
        from lentera_gateway.control_client import ask

        with _interruptible():
            return ask(self.socket, request, ANSWER_WITHIN_S + _SPARE_S)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end what blocks: the event loop's own handler only cancels, which a blocking call does not notice."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is read of which devices: quantities, or registers, or what the configuration names."""

    file: Path
    devices: Sequence[str]
    quantities: Sequence[str] | None
    registers: str | None
    raw: bool
    json: bool

    def request(self, device: str, known: Set[str]) -> dict[str, Any]:
        """Return the request for one device that has some quantities."""
        request: dict[str, Any] = {"do": "read", "device": device}
        if self.registers is not None:
            return request | {"registers": self.registers}
        wanted = [name for name in self.quantities or () if name in known]
        return request | {"quantities": wanted or None}


def is_config(where: Path) -> bool:
    """Whether a gateway's configuration is meant, not a port."""
    return where.suffix.lower() in (".yaml", ".yml")


def read(wish: Wish) -> None:
    """Read each device once; exit code 1 if one of them gave nothing."""
    loaded = load_or_exit(wish.file)
    requests = _requests(loaded, wish)
    readings, through = asyncio.run(_read_once(loaded, requests))
    if wish.json:
        output.print_json({"asked": through, "devices": [_plain(one, wish.raw) for one in readings]})
    else:
        output.note(reader_words()(f"asked.{through}"))
        for one in readings:
            _show(one, raw=wish.raw, title=len(readings) > 1)
    if any(not _gave_something(one) for one in readings):
        raise typer.Exit(1)


async def _read_once(loaded: LoadedConfig, requests: Sequence[Answer]) -> tuple[list[Answer], str]:
    async with _open(loaded, [request["device"] for request in requests]) as asker:
        return [await _answer(asker, request) for request in requests], _through(asker)


def watch(wish: Wish, every_s: float, count: int) -> None:
    """Read the devices again and again; what one does not answer is shown, and asked again."""
    loaded = load_or_exit(wish.file)
    requests = _requests(loaded, wish)
    try:
        asyncio.run(_watch(loaded, requests, wish, every_s, count))
    except KeyboardInterrupt:
        return


async def _watch(loaded: LoadedConfig, requests: Sequence[Answer], wish: Wish, every_s: float, count: int) -> None:
    loop = asyncio.get_running_loop()
    due, done = loop.time(), 0
    async with _open(loaded, [request["device"] for request in requests]) as asker:
        output.note(reader_words()(f"asked.{_through(asker)}"))
        while True:
            for request in requests:
                one = await _answer(asker, request)
                if wish.json:
                    print_line(_plain(one, wish.raw))
                else:
                    _show(one, raw=wish.raw, title=len(requests) > 1)
            done += 1
            if done == count:
                return
            due = max(due + every_s, loop.time())
            await asyncio.sleep(due - loop.time())


def write(file: Path, device: str, what: str, values: Sequence[str], *, yes: bool, raw: bool, json: bool) -> None:
    """Write a value by its quantity, or words from a register on, and say what was read back."""
    words = reader_words()
    loaded = load_or_exit(file)
    _check_device(loaded, device)
    profile = _meter_of(loaded, _device(loaded, device))
    request: dict[str, Any] = {"do": "write", "device": device}
    if what.isdecimal():
        request |= {"address": int(what), "words": [parse_word(value) for value in values]}
        shown = " ".join(values)
        sure = words("write.sure_device", words=shown, address=what, device=device)
    else:
        register, value = value_of(profile, what, values)
        request |= {"quantity": what, "value": value}
        shown = _with_unit(f"{value:g}", register.unit)
        sure = words("write.sure_value", value=shown, quantity=what, device=device)
    if not yes:
        typer.confirm(sure, abort=True, err=True)
    answer = asyncio.run(_write(loaded, device, request))
    if "error" in answer:
        _fail(str(answer["error"]), str(answer["text"]), words)
    if json:
        output.print_json(_plain(answer, raw))
    else:
        _print_raw(answer if raw else {})
    _tell_written(answer, shown, words, quiet=json)


async def _write(loaded: LoadedConfig, device: str, request: Answer) -> Answer:
    async with _open(loaded, [device]) as asker:
        return await _answer(asker, request)


def _tell_written(answer: Answer, shown: str, words: Words, *, quiet: bool) -> None:
    """Say what was read back; exit code 1 where it is not what was written."""
    before, after = (_held(answer, name, value) for name, value in (("before", "value_before"), ("after", "value")))
    if answer["confirmed"]:
        if not quiet:
            typer.echo(words("write.done_device", after=after, before=before))
        return
    if answer["after"]:
        output.print_error(words("write.differs", after=after, words=shown), code="readback")
    else:
        output.print_error(words("write.not_read_back", why=answer["why_no_after"]), code="readback")
    raise typer.Exit(1)


def _held(answer: Answer, name: str, value: str) -> str:
    """Return what registers held, in the quantity's unit where there is one."""
    held = " ".join(map(str, answer[name])) or "-"
    if answer.get(value) is None:
        return held
    return f"{_with_unit(f'{answer[value]:g}', answer['unit_symbol'])} ({held})"


def _with_unit(number: str, unit: str) -> str:
    """Write a value; what has no dimension has no unit either."""
    return number if unit == "1" else f"{number} {unit}"


def parse_word(text: str) -> int:
    """Read the value of a register."""
    if not text.isdecimal() or int(text) > 0xFFFF:
        raise typer.BadParameter(reader_words()("write.no_word", text=text))
    return int(text)


def value_of(profile: MeterProfile, quantity: str, values: Sequence[str]) -> tuple[Register, float]:
    """Return the register of a quantity that may be written, and the value; what may not ends the command."""
    from lentera_gateway.by_hand import WriteDeniedError, words_of

    words = reader_words()
    _check_quantities(profile, [quantity])
    register = next(one for one in profile.registers if one.quantity == quantity)
    if register.write_function_code is None:
        _fail("write_denied", words("write.not_writable", quantity=quantity, profile=profile.id), words)
    try:
        (value,) = map(float, values)
        words_of(profile, register, value)
    except ValueError as error:
        raise typer.BadParameter(words("write.one_value", quantity=quantity, unit=register.unit)) from error
    except WriteDeniedError as error:
        _fail("write_denied", str(error), words)
    return register, value


# --- the configuration ------------------------------------------------------------------------------------------------


def _requests(loaded: LoadedConfig, wish: Wish) -> list[dict[str, Any]]:
    """Return a request for each device that was named, or for all that have what is wanted.

    Whatever is not there ends the command.
    """
    from lentera_drivers.profiles import MeterProfile

    named = list(dict.fromkeys(wish.devices))
    for name in named:
        _check_device(loaded, name)
    meters = [device for device in loaded.config.devices if isinstance(loaded.profile(device), MeterProfile)]
    devices = [_device(loaded, name) for name in named] or meters
    if not devices:
        _fail("no_devices", reader_words()("ask.no_devices", file=wish.file), reader_words())
    wanted = frozenset(wish.quantities or ())
    requests: list[dict[str, Any]] = []
    for device in devices:
        profile = _meter_of(loaded, device)
        known = frozenset(register.quantity for register in profile.registers)
        if named:
            _check_quantities(profile, sorted(wanted))
        if not wanted or wanted & known:
            requests.append(wish.request(device.id, known))
    if not requests:
        _check_quantities(_meter_of(loaded, devices[0]), sorted(wanted))
    return requests


def _check_device(loaded: LoadedConfig, name: str) -> None:
    known = [device.id for device in loaded.config.devices]
    if name not in known:
        words = reader_words()
        _fail("device_unknown", words("ask.device_unknown", device=name, hint=_hint(name, known, words)), words)


def _device(loaded: LoadedConfig, name: str) -> DeviceConfig:
    return next(device for device in loaded.config.devices if device.id == name)


def _meter_of(loaded: LoadedConfig, device: DeviceConfig) -> MeterProfile:
    from lentera_drivers.profiles import MeterProfile

    profile = loaded.profile(device)
    if not isinstance(profile, MeterProfile):
        words = reader_words()
        _fail("not_asked", words("ask.reports_itself", device=device.id), words)
    return profile


def _check_quantities(profile: MeterProfile, quantities: Sequence[str]) -> None:
    known = [register.quantity for register in profile.registers]
    for name in quantities:
        if name not in known:
            words = reader_words()
            text = words("ask.quantity_unknown", quantity=name, profile=profile.id, hint=_hint(name, known, words))
            _fail("quantity_unknown", text, words)


def _hint(name: str, known: list[str], words: Words) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return words("ask.meant", name=close[0]) if close else words("ask.there_are", names=", ".join(known[:20]))


# --- asking -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _open(loaded: LoadedConfig, devices: Sequence[str]) -> AsyncIterator[Asker]:
    """Ask the gateway that runs on this configuration; where none does, the ports."""
    from lentera_gateway.control_client import ControlDeniedError, is_listening
    from lentera_gateway.control_path import socket_path
    from lentera_gateway.direct import Direct

    socket = socket_path(loaded.config.journal.memory_dir)
    try:
        running = is_listening(socket)
    except ControlDeniedError as error:
        _fail(error.code, str(error), reader_words())
    if running:
        yield Running(socket)
        return
    async with Direct(loaded, devices) as direct:
        yield direct


def _through(asker: Asker) -> str:
    return "gateway" if isinstance(asker, Running) else "directly"


async def _answer(asker: Asker, request: Answer) -> Answer:
    """Return the answer, or why there is none as `error` and `text`."""
    from lentera_model.errors import LenteraError

    try:
        return await asker.ask(request)
    except LenteraError as error:
        return {"device": request["device"], "error": getattr(error, "problem_code", error.code), "text": str(error)}


# --- showing ----------------------------------------------------------------------------------------------------------


def _gave_something(answer: Answer) -> bool:
    return answer.get("at_ms") is not None


def _plain(answer: Answer, raw: bool) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if raw or name != "raw"}


def print_line(value: Mapping[str, Any]) -> None:
    """Print one JSON object on one line, at once."""
    sys.stdout.write(plain_json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _show(answer: Answer, *, raw: bool, title: bool) -> None:
    from lentera_model.quantities import CATALOGUE

    words = reader_words()
    if title:
        typer.echo(f"{answer['device']}:")
    if "error" in answer:
        output.print_error(_explained(str(answer["error"]), str(answer["text"]), words), code=str(answer["error"]))
        return
    doubts = {name: f"  ({quality})" for name, quality in answer["quality"].items()}
    if answer["values"]:
        shown = answer["values"].items()
        output.print_pairs({n: _with_unit(f"{v:.6g}", CATALOGUE[n].unit) + doubts.get(n, "") for n, v in shown})
    else:
        output.print_pairs({place: f"{word}  0x{word:04x}" for place, word in answer["registers"].items()})
    sys.stdout.flush()
    _print_raw(answer if raw else {})
    for place, why in answer["refused"].items():
        output.note(f"{place}: {why}")


def _print_raw(answer: Answer) -> None:
    for one in answer.get("raw", ()):
        asked, heard = (bytes.fromhex(one[name]).hex(" ") for name in ("asked", "heard"))
        typer.echo(f"> {asked}\n< {heard or '-'}")


def _explained(code: str, text: str, words: Words) -> str:
    """Say what happened, and what to do about it where that is known."""
    remedy = words.either(f"remedy.{code}", "")
    return f"{text}. {remedy}" if remedy else text


def _fail(code: str, text: str, words: Words) -> NoReturn:
    output.print_error(_explained(code, text, words), code=code)
    raise typer.Exit(1)
