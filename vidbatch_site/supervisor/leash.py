"""Ends a process group when its supervisor is gone, however that died.

The supervisor keeps the writing end of a pipe; nobody ever writes. When the last writer is gone, the reading end is
at its end, and whoever reads there ends the whole group. Any one living member is enough.
"""

from __future__ import annotations

import os
import signal
import threading


def tie(fd: int) -> None:
    """Watches from a thread of its own. Call it after the last fork of this process."""
    threading.Thread(target=_wait_for_the_end, args=(fd,), name="leash", daemon=True).start()


def _wait_for_the_end(fd: int) -> None:
    try:
        while os.read(fd, 1):
            pass
    finally:
        os.killpg(0, signal.SIGKILL)
