"""The API's calls without I/O: what to send, and how to read what came back. `client.py` adds the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from lentera.answers import (
    Command,
    Completeness,
    Conflicts,
    Delivery,
    Device,
    EpochReceipts,
    Gaps,
    Gateway,
    Health,
    Problem,
    Series,
)
from lentera.errors import (
    ApiError,
    CloudTroubleError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnauthorizedError,
    UnreadableAnswerError,
)
from lentera.language import reader_words
from lentera.words_errors import problem_in_indonesian

Answer = TypeVar("Answer")

_ERRORS: Mapping[int, type[ApiError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    429: CloudTroubleError,
}


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One request; `answer` is the type of the body when it succeeds (`str` means the text as it is)."""

    method: str
    path: str
    answer: Any
    params: tuple[tuple[str, str], ...] = ()
    json: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 15.0
    items: bool = False


def health() -> Call[Health]:
    """Is the cloud well? Needs no token."""
    return Call("GET", "/v1/health", Health)


def devices(kind: str | None) -> Call[list[Device]]:
    """The tenant's devices, of one `kind` (meter, luminaire) or all."""
    return Call("GET", "/v1/devices", list[Device], params=_params(kind=kind), items=True)


def device(device_id: str) -> Call[Device]:
    """One device by its id."""
    return Call("GET", f"/v1/devices/{_segment(device_id)}", Device)


def gateways() -> Call[list[Gateway]]:
    """The tenant's gateways."""
    return Call("GET", "/v1/gateways", list[Gateway], items=True)


def gaps(gateway: str | None, start: str, end: str, offset: int = 0) -> Call[Gaps]:
    """The known gaps of a gateway, or of all."""
    path = "/v1/gaps" if gateway is None else f"/v1/gateways/{_segment(gateway)}/gaps"
    return Call("GET", path, Gaps, params=_params(from_=start, to=end, offset=str(offset)))


def conflicts(device: str | None, quantity: str | None, start: str, end: str) -> Call[Conflicts]:
    """Values that contradict stored ones."""
    return Call(
        "GET", "/v1/conflicts", Conflicts, params=_params(device=device, quantity=quantity, from_=start, to=end)
    )


def receipts(gateway_id: str) -> Call[list[EpochReceipts]]:
    """How far a gateway's batches have come, the newest epoch first."""
    return Call("GET", f"/v1/gateways/{_segment(gateway_id)}/receipts", list[EpochReceipts], items=True)


def delivery(gateway_id: str) -> Call[Delivery]:
    """How a gateway delivers."""
    return Call("GET", f"/v1/gateways/{_segment(gateway_id)}/delivery", Delivery)


def set_delivery(
    gateway_id: str, mode: str | None, rate_bytes_s: int, quota_bytes: int, month_day: int
) -> Call[Delivery]:
    """Set all of how a gateway delivers; no mode and 0 leave it to the gateway's own file."""
    body = {"mode": mode, "rate_bytes_s": rate_bytes_s, "quota_bytes": quota_bytes, "month_day": month_day}
    return Call("PUT", f"/v1/gateways/{_segment(gateway_id)}/delivery", Delivery, json=body)


def watch_gateway(gateway_id: str, seconds: int) -> Call[Delivery]:
    """Make a gateway live for so many seconds, because somebody looks; 0 ends it."""
    return Call("POST", f"/v1/gateways/{_segment(gateway_id)}/watch", Delivery, json={"seconds": seconds})


def register_gateway(gateway_id: str, name: str, public_key: str) -> Call[Gateway]:
    """Make a gateway known by its public Ed25519 key, in the text form that `lentera gateway key` prints."""
    body = {"gateway_id": gateway_id, "name": name, "public_key": public_key}
    return Call("POST", "/v1/gateways", Gateway, json=body)


def set_level(
    device_id: str,
    level_percent: float,
    *,
    ttl_s: float,
    timeout_s: float,
    retries: int,
    idempotency_key: str | None,
) -> Call[Command]:
    """Dim one lamp to `level_percent`; `ttl_s` until it is pointless, `timeout_s` a try, `retries` more tries."""
    body = {
        "target": {"device": device_id},
        "name": "set_level",
        "args": {"level_percent": level_percent},
        "ttl_s": ttl_s,
        "timeout_s": timeout_s,
        "retries": retries,
    }
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    return Call("POST", "/v1/commands", Command, json=body, headers=headers)


def command(command_id: str, wait_s: float) -> Call[Command]:
    """One command; the cloud holds the answer back up to `wait_s` (0 to 30) while it is not final."""
    path = f"/v1/commands/{_segment(command_id)}"
    return Call("GET", path, Command, params=_params(wait_s=_number(wait_s)), timeout_s=wait_s + 15)


def commands(limit: int) -> Call[list[Command]]:
    """The newest commands, at most `limit`."""
    return Call("GET", "/v1/commands", list[Command], params=_params(limit=str(limit)), items=True)


def cancel(command_id: str) -> Call[Command]:
    """Take back what has not yet been carried out."""
    return Call("POST", f"/v1/commands/{_segment(command_id)}/cancel", Command)


def series(
    device_id: str,
    quantities: Sequence[str],
    start: datetime,
    end: datetime,
    *,
    every: str | None,
    aggregate: str | None,
    as_csv: bool = False,
) -> Call[Any]:
    """A device's series from `start` to `end` (exclusive), raw or an `aggregate` an interval `every` (`15m`)."""
    params = [("device", device_id), *(("quantity", name) for name in quantities)]
    params += _params(from_=rfc3339(start), to=rfc3339(end), every=every, aggregate=aggregate if every else None)
    params.append(("format", "csv" if as_csv else "json"))
    return Call("GET", "/v1/series", str if as_csv else Series, params=tuple(params), timeout_s=60)


def completeness(
    devices: Sequence[str], start: str, end: str, *, by: str, step: str, utc_offset: str, offset: int = 0
) -> Call[Completeness]:
    """How complete readings are; `start` and `end` as the API takes them: RFC 3339, `-7d`, `now`."""
    params = [("device", name) for name in devices]
    params += _params(from_=start, to=end, by=by, step=step, utc_offset=utc_offset, limit="1000")
    params += [("offset", str(offset))] if offset else []
    return Call("GET", "/v1/completeness", Completeness, params=tuple(params), timeout_s=60)


def rfc3339(moment: datetime) -> str:
    """A moment as the API writes it: UTC, milliseconds, `Z`. Raises ValueError for a datetime without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; give an aware datetime, for example datetime.now(UTC)")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_answer(call: Call[Answer], status: int, body: bytes) -> Answer:
    """The typed answer. Raises an ApiError subclass for 4xx and 5xx, UnreadableAnswerError for what is not our API."""
    if status >= 300:
        raise _problem(call, status, body)
    if call.answer is str:
        return body.decode()  # type: ignore[return-value]
    try:
        if call.items:
            return msgspec.convert(msgspec.json.decode(body)["items"], call.answer, strict=False)
        return msgspec.json.decode(body, type=call.answer, strict=False)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise UnreadableAnswerError(
            reader_words()("error.not_our_api", method=call.method, path=call.path, status=status, error=error)
        ) from error


def _problem(call: Call[Any], status: int, body: bytes) -> Exception:
    words = reader_words()
    kind = _ERRORS.get(status, CloudTroubleError if status >= 500 else InvalidRequestError)
    remedy = words.either(f"remedy.{min(status, 500)}", "")
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.MsgspecError:
        return UnreadableAnswerError(words("error.no_explanation", method=call.method, path=call.path, status=status))
    errors = [_field_error(raw) for raw in problem.errors or []]
    detail = problem.detail or ""
    if words.language == "id":
        detail = problem_in_indonesian(problem.code, detail) or detail
    return kind(status, problem.title, detail, problem.code, errors, remedy)


def _field_error(raw: msgspec.Raw) -> str:
    value = msgspec.json.decode(raw)
    if not isinstance(value, dict):
        return str(value)
    place = value.get("field") or value.get("loc") or value.get("path") or value.get("pointer") or ""
    place = ".".join(str(part) for part in place) if isinstance(place, list) else str(place)
    text = str(value.get("message") or value.get("msg") or value.get("detail") or value.get("text") or "")
    return f"{place}: {text}" if place else text


def _params(**given: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((name.rstrip("_"), value) for name, value in given.items() if value is not None)


def _segment(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def _number(value: float) -> str:
    return f"{value:g}"
