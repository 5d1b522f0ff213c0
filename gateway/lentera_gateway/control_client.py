"""Ask a running gateway through its control socket; blocking, for commands and scripts on the board."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from lentera_gateway.control_path import short_address
from lentera_model.errors import LenteraError

MAX_ANSWER_BYTES: Final = 2 << 20
_CHUNK_BYTES: Final = 64 << 10
_CONNECT_WITHIN_S: Final = 5.0


class ControlError(LenteraError):
    """The gateway could not be asked. `code` of an answer that says no is the gateway's own."""

    code: ClassVar[str] = "control"


class GatewayNotRunningError(ControlError):
    """Nobody listens on the control socket."""

    code: ClassVar[str] = "gateway_not_running"


class ControlDeniedError(ControlError):
    """The socket belongs to another user."""

    code: ClassVar[str] = "control_denied"


class ControlTimeoutError(ControlError):
    """The gateway did not answer in time."""

    code: ClassVar[str] = "control_timeout"


class ControlAnswerError(ControlError):
    """The gateway answered no, or something that does not read.

    Attributes:
        problem_code: the gateway's own code, such as `unknown_request` of an older gateway.
    """

    code: ClassVar[str] = "control_answer"

    def __init__(self, problem_code: str, text: str) -> None:
        """Keep the gateway's code beside its words."""
        super().__init__(text)
        self.problem_code = problem_code


def is_listening(socket_path: Path) -> bool:
    """Whether a gateway answers on the control socket.

    Raises:
        ControlDeniedError: one may, but it belongs to another user.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, short_address(socket_path) as address:
            connection.settimeout(_CONNECT_WITHIN_S)
            connection.connect(address)
    except TimeoutError:
        return True  # somebody listens who is too busy to take another
    except PermissionError as error:
        raise _denied(socket_path) from error
    except OSError:
        return False
    return True


def ask(socket_path: Path, request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    """Send a request and return the answer.

    Args:
        socket_path: see `control_path.socket_path`.
        request: with `do`, the name of what is asked.
        timeout_s: for the whole exchange, in seconds.

    Raises:
        GatewayNotRunningError, ControlDeniedError, ControlTimeoutError: nobody could be asked.
        ControlAnswerError: the gateway said no, or what it said does not read.
    """
    deadline = time.monotonic() + timeout_s
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            with short_address(socket_path) as address:
                connection.connect(address)
            # A gateway that is too busy says so and hangs up before it has heard the question: its answer is there.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(msgspec.json.encode(request) + b"\n")
            line = _read_line(connection, deadline)
    except TimeoutError as error:
        raise ControlTimeoutError(f"the gateway at {socket_path} did not answer within {timeout_s:g} s") from error
    except PermissionError as error:
        raise _denied(socket_path) from error
    except OSError as error:
        raise GatewayNotRunningError(f"no gateway runs here: {socket_path}: {error.strerror or error}") from error
    return _plain(line)


def _denied(socket_path: Path) -> ControlDeniedError:
    return ControlDeniedError(f"{socket_path} belongs to the gateway's user; run the command as that user or with sudo")


def _read_line(connection: socket.socket, deadline: float) -> bytes:
    found = bytearray()
    while not found.endswith(b"\n"):
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        chunk = connection.recv(_CHUNK_BYTES)
        if not chunk or len(found) > MAX_ANSWER_BYTES:
            raise ControlAnswerError("bad_answer", f"the answer was cut off after {len(found)} bytes; is it stopping?")
        found += chunk
    return bytes(found)


def _plain(line: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ControlAnswerError("bad_answer", f"the gateway's answer does not read: {error}") from error
    if "error" in answer:
        raise ControlAnswerError(str(answer["error"]), str(answer.get("text", "the gateway gave no reason")))
    return answer
