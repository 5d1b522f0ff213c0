"""Orders for faults from another process, as files in the folder of a run; each order gets its answer.

An order is `faults/ID.order` (JSON); the run takes it away and leaves `faults/ID.answer`. The folder `faults` is there
while the run takes orders. Files, as the other signals of a run are: whoever may write the run's folder may order, and
nobody else.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lentera_model.errors import LenteraError
from lentera_sim.errors import FaultError
from lentera_sim.faults.desk import FaultDesk
from lentera_sim.faults.order import FaultOrder

_FOLDER = "faults"
_LARGEST_BYTES = 4096
_LOOK_S = 0.02
_WATCH_S = 0.05
ANSWER_S = 5.0


async def answer_orders(run_dir: Path, desk: FaultDesk) -> None:
    """Carry out every order that lies in the run folder, and answer each."""
    for path in sorted((run_dir / _FOLDER).glob("*.order")):
        answer = await _answer(path, desk)
        path.unlink(missing_ok=True)
        _put(path.with_suffix(".answer"), answer)


def open_mailbox(run_dir: Path) -> None:
    """Begin to take orders; what an earlier run of this folder was ordered and has not taken is thrown away."""
    close_mailbox(run_dir)
    (run_dir / _FOLDER).mkdir()


def close_mailbox(run_dir: Path) -> None:
    """Take no more orders."""
    shutil.rmtree(run_dir / _FOLDER, ignore_errors=True)


async def follow_orders(run_dir: Path, desk: FaultDesk) -> None:
    """Carry out orders until cancelled."""
    while True:
        await answer_orders(run_dir, desk)
        await asyncio.sleep(_WATCH_S)


async def _answer(path: Path, desk: FaultDesk) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise FaultError(f"{path}: an order has at most {_LARGEST_BYTES} bytes")
        asked = json.loads(path.read_bytes())
        done = "" if asked == {} else await desk.take(FaultOrder(**asked))
    except LenteraError as error:
        return {"error": str(error)}
    except (ValueError, TypeError, OSError) as error:
        return {"error": f"{path.name} is no order for a fault: {error}"}
    targets = {name: [fault.kind.name for fault in faults.values()] for name, faults in desk.targets.items()}
    return {"done": done, "standing": [asdict(fault) for fault in desk.standing], "targets": targets}


def ask_run(run_dir: Path, order: FaultOrder | None) -> Mapping[str, Any]:
    """Give an order to the street or line that runs in a folder, or only ask what stands (None); return its answer.

    `done` says what was done, `standing` lists the faults that stand, `targets` is id to the faults that it can have.

    Raises:
        FaultError: nothing runs there, it did not answer, or it refused.
    """
    folder = run_dir / _FOLDER
    if not folder.is_dir():
        raise FaultError(f"{run_dir}: nothing runs here; start a street with lentera sim run --dir {run_dir}")
    # The time first, so that orders are taken in the order in which they were given.
    path = folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.order"
    _put(path, {} if order is None else asdict(order))
    answer = path.with_suffix(".answer")
    deadline_s = time.monotonic() + ANSWER_S
    while not answer.exists():
        if time.monotonic() > deadline_s:
            path.unlink(missing_ok=True)
            raise FaultError(f"{run_dir}: no answer within {ANSWER_S:g} s; does it still run?")
        time.sleep(_LOOK_S)
    found = json.loads(answer.read_bytes())
    answer.unlink()
    if "error" in found:
        raise FaultError(found["error"])
    return found


def _put(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that nobody sees half written."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content), encoding="utf-8")
    os.replace(draft, path)
