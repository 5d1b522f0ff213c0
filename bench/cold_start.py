"""Measure a newcomer's first minutes: from a fresh clone to the first reading, cold on a slow line, and warm.

`python -m bench.cold_start [MBIT_PER_S]`. Clones this repository's HEAD, runs `make demo` there with no package cached
and every package coming through a line of that speed (10 Mbit/s unless told), then runs it again warm.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.demo_bench import first_reading, table, wait_for_session
from bench.throttle import slow_line

SECONDS = 5
MBIT_PER_S = 10.0


def _run(clone: Path, environ: dict[str, str], name: str) -> tuple[float, float]:
    """Run `make demo`; return the seconds until the demo is lit and until the first reading is visible."""
    session_file, said = clone.parent / f"{name}.json", clone.parent / f"{name}.log"
    environ = {**environ, "LENTERA_SESSION_FILE": str(session_file), "ARGS": f"--seconds {SECONDS} --json"}
    began = time.monotonic()
    with said.open("w") as sink:
        demo = subprocess.Popen(["make", "demo"], cwd=clone, env=environ, stdout=sink, stderr=sink)
        try:
            session = wait_for_session(demo, session_file, 600)
            lit_s = time.monotonic() - began
            first_s = first_reading(session, began, 600)
            code = demo.wait(SECONDS + 60)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            demo.kill()
            raise RuntimeError(f"{error}\n{said.read_text()}") from error
    if code != 0:
        raise RuntimeError(f"make demo ended with code {code}\n{said.read_text()}")
    return lit_s, first_s


def measure(mbit_per_s: float = MBIT_PER_S) -> dict[str, Any]:
    """Return the figures of one cold and one warm start. Raises RuntimeError if either fails."""
    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory(prefix="lentera-cold-") as folder, slow_line(mbit_per_s) as (proxy, line):
        clone = Path(folder) / "lentera"
        began = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", str(root), str(clone)], check=True)
        cloned_s = time.monotonic() - began
        ours = ("VIRTUAL_ENV", "MAKE", "PYTHON")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        cold = plain | {"HTTPS_PROXY": proxy, "https_proxy": proxy, "PIP_NO_CACHE_DIR": "1"}
        _, cold_s = _run(clone, cold, "cold")
        downloaded_mb = line.passed_bytes / 1e6
        warm_lit_s, warm_s = _run(clone, plain, "warm")
    return {
        "load": f"fresh clone, nothing cached, {mbit_per_s:g} Mbit/s",
        "cold_to_first_reading_s": round(cloned_s + cold_s, 1),
        "downloaded_mb": round(downloaded_mb, 1),
        "least_download_s": round(line.passed_bytes * 8 / mbit_per_s / 1e6, 1),
        "warm_to_first_reading_s": round(warm_s, 1),
        "warm_to_lit_s": round(warm_lit_s, 1),
    }


if __name__ == "__main__":
    print(table(measure(float(sys.argv[1]) if len(sys.argv) > 1 else MBIT_PER_S)))
