"""A gateway on a board whose wall clock, discipline and boots are the test's to choose: `python -m ... gateway.yaml`.

Everything else is the product's: only what the kernel would say is replaced, before the gateway is imported. What it
says stands in `clock.json` beside the configuration and may change while the gateway runs.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "clock.json"


@dataclass(frozen=True, slots=True)
class BoardClock:
    """What the board's kernel says.

    Attributes:
        ahead_ms: how far its wall clock is ahead of the true time.
        synchronised: whether it calls its wall clock disciplined.
        boot: number of the boot.
        booted_ms: true time (Unix ms) at which CLOCK_BOOTTIME was 0; 0 leaves the machine's own.
    """

    ahead_ms: int = 0
    synchronised: bool = True
    boot: int = 0
    booted_ms: int = 0

    def write(self, folder: Path) -> None:
        """Let the board's kernel say this from now on."""
        draft = folder / (FILE + ".draft")
        draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
        draft.replace(folder / FILE)


def read(folder: Path) -> BoardClock:
    """Return what the board's kernel says now."""
    return BoardClock(**json.loads((folder / FILE).read_text(encoding="utf-8")))


def main(config: Path) -> None:
    """Run the gateway on this board until it is told to stop."""
    folder = config.parent
    true_ns, machine_ns = time.time_ns, time.clock_gettime_ns
    boot = read(folder)

    def wall_ns() -> int:
        return true_ns() + read(folder).ahead_ms * 1_000_000

    def clock_ns(which: int) -> int:
        if which == time.CLOCK_BOOTTIME and boot.booted_ms:
            return true_ns() - boot.booted_ms * 1_000_000
        return machine_ns(which)

    time.time_ns, time.clock_gettime_ns = wall_ns, clock_ns
    from lentera_gateway import clock

    clock.boot_id = lambda path=Path(): b"board's boot " + boot.boot.to_bytes(3, "big")
    clock.kernel_clock = lambda: clock.KernelClock(read(folder).synchronised, 5)
    from lentera_gateway.app import main as run_gateway

    run_gateway(config)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
