"""The cloud as a process of its own: it says when it is ready, and stops by a signal within two seconds."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from lentera_cloud.serve import listen
from tests.cloud.support import settings_in

SERVE = "from lentera_cloud.serve import main; from lentera_cloud.settings import Settings; main(Settings())"
WORK = "from lentera_cloud.worker import main; from lentera_cloud.settings import Settings; main(Settings())"


def environment(folder) -> dict[str, str]:
    own = {
        "LENTERA_REGISTRY_URL": f"sqlite+aiosqlite:///{folder}/registry.db",
        "LENTERA_SERIES_PATH": f"{folder}/series",
        "LENTERA_SECRET_FILE": f"{folder}/secret",
        "LENTERA_PORT": "0",
    }
    return dict(os.environ) | own


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("program", "ready"), [(SERVE, "cloud_ready"), (WORK, "worker_ready")])
def test_it_starts_logs_json_and_stops_by_a_signal(tmp_path, program, ready, name):
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment(tmp_path), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if json.loads(line)["event"] == ready:
                break
        began = time.monotonic()
        process.send_signal(name)
        rest = [json.loads(line) for line in process.stderr]
        assert process.wait(10) == 0
        assert time.monotonic() - began < 2
        assert not [line for line in rest if line["level"] == "error"]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port}.*LENTERA_PORT"):
            listen(settings_in(tmp_path, port=port))
