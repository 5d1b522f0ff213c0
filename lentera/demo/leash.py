"""A child process that cannot outlive the demo, however the demo ends.

Three holds: the kernel sends SIGTERM when the parent dies (prctl PR_SET_PDEATHSIG, Linux); the child's standard input
is a pipe whose other end only the parent holds, so its end is seen on every system; and a child that does not go in
time takes its whole process group with it. Ctrl-C reaches only the parent, which stops its children in the right order.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1
GRACE_S = 4.0


def put_on_leash(parent_pid: int, grace_s: float = GRACE_S) -> None:
    """Tie this process to `parent_pid`; call it first of all. Its standard input must be the parent's pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent_pid:
        # The parent died between fork and prctl.
        sys.exit(1)
    threading.Thread(target=_follow, args=(grace_s,), name="leash", daemon=True).start()


def _follow(grace_s: float) -> None:
    """Wait for the end of the parent's pipe, then stop: politely first, and after `grace_s` the whole group."""
    while os.read(0, 64):
        continue
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(grace_s)
    os.killpg(os.getpgrp(), signal.SIGKILL)
