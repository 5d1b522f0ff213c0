"""The control socket: one question a line, one answer a line, and nothing a client does holds up the gateway."""

import asyncio
import os
import socket
import stat
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lentera_gateway import control as controls
from lentera_gateway.control import Control, ControlRequestError, ControlSocketError
from lentera_gateway.control_client import (
    ControlAnswerError,
    ControlDeniedError,
    ControlTimeoutError,
    GatewayNotRunningError,
    ask,
    is_listening,
)
from lentera_gateway.control_path import MAX_PATH_BYTES, socket_path


@asynccontextmanager
async def listening(path: Path, **knobs):
    control = Control(path, **knobs)

    async def echo(request):
        return {"you_said": request["text"]}

    control.register("echo", echo)
    await control.open()
    try:
        yield control
    finally:
        await control.close()


async def asked(path, request, timeout_s=5.0):
    return await asyncio.to_thread(ask, path, request, timeout_s)


async def exchange(path, *lines: bytes) -> list[bytes]:
    """Send raw lines on one connection and return what came back until its end."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"".join(lines))
    writer.write_eof()
    found = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return found.splitlines()


async def test_a_question_is_answered_and_the_socket_is_the_users_alone(tmp_path):
    path = socket_path(tmp_path)
    async with listening(path):
        assert await asked(path, {"do": "echo", "text": "lampu\nmati"}) == {"you_said": "lampu\nmati"}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [entry.name for entry in tmp_path.iterdir()] == ["control.sock"]
    assert not path.exists()
    with pytest.raises(GatewayNotRunningError, match="no gateway runs here"):
        ask(path, {"do": "echo"}, 1)


async def test_several_questions_ride_on_one_connection_in_order(tmp_path):
    async with listening(socket_path(tmp_path)):
        lines = [b'{"do":"echo","text":"%d"}\n' % number for number in range(20)]
        answers = await exchange(socket_path(tmp_path), *lines)
    assert answers == [b'{"you_said":"%d"}' % number for number in range(20)]


async def test_what_a_killed_gateway_left_is_replaced(tmp_path):
    path = socket_path(tmp_path)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(GatewayNotRunningError):
        ask(path, {"do": "echo"}, 1)
    path.with_name("control.sock.new").write_text("half made")
    async with listening(path):
        assert await asked(path, {"do": "echo", "text": 1}) == {"you_said": 1}


async def test_what_is_no_socket_is_left_alone(tmp_path):
    path = socket_path(tmp_path)
    path.write_text("somebody's notes")
    with pytest.raises(ControlSocketError, match="no socket is there"):
        await Control(path).open()
    assert path.read_text() == "somebody's notes"


async def test_a_folder_with_a_long_name_works_too(tmp_path):
    folder = tmp_path / ("very-long-name-" * 8) / ("and-another-" * 8)
    folder.mkdir(parents=True)
    path = socket_path(folder)
    assert len(os.fsencode(path)) > MAX_PATH_BYTES
    async with listening(path):
        assert await asked(path, {"do": "echo", "text": "far"}) == {"you_said": "far"}
    assert not path.exists()
    with pytest.raises(GatewayNotRunningError):
        ask(socket_path(folder / "gone"), {"do": "echo"}, 1)


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        (b"what?\n", "bad_request", "one JSON object"),
        (b"[1]\n", "bad_request", "one JSON object"),
        (b'{"do":"\xff"}\n', "bad_request", "one JSON object"),
        (b"{}\n", "unknown_request", "it knows echo"),
        (b'{"do":["echo"]}\n', "unknown_request", "it knows echo"),
        (b'{"do":"sing"}\n', "unknown_request", "'sing'"),
        (b'{"do":"echo"}\n', "internal", "KeyError"),
    ],
)
async def test_a_bad_question_is_refused_with_words_and_the_next_is_answered(tmp_path, line, code, text):
    async with listening(socket_path(tmp_path)):
        refused, answered = await exchange(socket_path(tmp_path), line, b'{"do":"echo","text":"still here"}\n')
    assert b'"error":"%s"' % code.encode() in refused
    assert text.encode() in refused
    assert answered == b'{"you_said":"still here"}'


async def test_a_handler_may_say_no_in_its_own_words(tmp_path):
    async def refuse(request):
        raise ControlRequestError(f"there is no device {request['device']!r}")

    async with listening(socket_path(tmp_path)) as control:
        control.register("read", refuse)
        with pytest.raises(ControlAnswerError, match="there is no device 'm9'") as caught:
            await asked(socket_path(tmp_path), {"do": "read", "device": "m9"})
    assert caught.value.problem_code == "bad_request"


async def test_an_endless_question_is_cut_off(tmp_path):
    async with listening(socket_path(tmp_path)):
        answers = await exchange(socket_path(tmp_path), b"x" * (controls.MAX_REQUEST_BYTES * 4))
    assert len(answers) == 1
    assert b"too_large" in answers[0]


async def test_an_answer_that_is_too_large_becomes_a_short_one(tmp_path):
    async def tell_all(request):
        return {"all": "x" * (controls.MAX_ANSWER_BYTES + 1)}

    async with listening(socket_path(tmp_path)) as control:
        control.register("all", tell_all)
        with pytest.raises(ControlAnswerError, match="ask for less"):
            await asked(socket_path(tmp_path), {"do": "all"})


async def test_a_handler_that_hangs_is_cancelled_and_hinders_nobody(tmp_path):
    ended = asyncio.Event()

    async def hang(request) -> dict[str, object]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return {}

    async with listening(socket_path(tmp_path)) as control:
        control.register("hang", hang, within_s=0.05)
        with pytest.raises(ControlAnswerError, match=r"not done within 0\.05 s"):
            await asked(socket_path(tmp_path), {"do": "hang"})
        assert ended.is_set()
        control.register("hang", hang)
        with pytest.raises(ControlTimeoutError):
            await asked(socket_path(tmp_path), {"do": "hang"}, timeout_s=0.05)
        assert await asked(socket_path(tmp_path), {"do": "echo", "text": 1}) == {"you_said": 1}


async def test_the_number_of_connections_is_bounded(tmp_path):
    path = socket_path(tmp_path)
    async with listening(path, idle_s=60):
        silent = [await asyncio.open_unix_connection(path) for _ in range(controls.MAX_CONNECTIONS)]
        # Too long for the socket's buffer, so that the gateway has hung up before the question is sent.
        with pytest.raises(ControlAnswerError, match="try again") as caught:
            await asked(path, {"do": "echo", "text": "x" * 1_000_000})
        assert caught.value.problem_code == "busy"
        silent[0][1].close()
        async with asyncio.timeout(5):
            while True:
                try:
                    assert await asked(path, {"do": "echo", "text": 1}) == {"you_said": 1}
                    break
                except ControlAnswerError:
                    continue
        for _, writer in silent[1:]:
            writer.close()


async def test_the_silent_are_let_go(tmp_path):
    path = socket_path(tmp_path)
    async with listening(path, idle_s=0.05):
        silent = [await asyncio.open_unix_connection(path) for _ in range(controls.MAX_CONNECTIONS)]
        assert [await asyncio.wait_for(reader.read(), 5) for reader, _ in silent] == [b""] * len(silent)
        assert await asked(path, {"do": "echo", "text": 1}) == {"you_said": 1}
        for _, writer in silent:
            writer.close()


async def test_the_end_waits_for_no_client(tmp_path):
    path = socket_path(tmp_path)
    async with listening(path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do":"echo","text":1}\n')
        assert await asyncio.wait_for(reader.readline(), 5) == b'{"you_said":1}\n'
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a while")
async def test_the_socket_is_nobody_elses():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = socket_path(Path(folder))
        async with listening(path):
            assert is_listening(path)
            os.seteuid(65534)
            try:
                with pytest.raises(ControlDeniedError, match="as that user or with sudo"):
                    is_listening(path)
                with pytest.raises(ControlDeniedError, match="as that user or with sudo"):
                    ask(path, {"do": "echo"}, 1)
            finally:
                os.seteuid(0)
        assert not is_listening(path)


async def test_who_asks_is_what_the_kernel_says(tmp_path):
    async def who(request):
        return {"peer": request["peer"]}

    async with listening(socket_path(tmp_path)) as control:
        control.register("who", who)
        answer = await asked(socket_path(tmp_path), {"do": "who", "peer": [1, 0, 0]})
    assert answer == {"peer": [os.getpid(), os.getuid(), os.getgid()]}
