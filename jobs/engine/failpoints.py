"""Named places where a test ends, stops, delays or disturbs the process. Off unless the environment says otherwise.

    VIDBATCH_FAILPOINTS="after_claim=kill@2;mid_download=enospc"

The action happens on the n-th pass (@n, else the first) of that place in this process. Actions: kill (SIGKILL),
kill+0.2 (so many seconds later), stop (SIGSTOP), sleep+0.5, raise, enospc, busy (the database does not answer).
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass

from django.db import OperationalError

log = logging.getLogger(__name__)
VARIABLE = "VIDBATCH_FAILPOINTS"
PLACES = frozenset(
    {
        "after_enlist",
        "mid_claim",  # "mid": inside the transaction, or with the work half done
        "after_claim",
        "before_send",  # after the last look at the clock
        "on_wire",
        "after_send_before_record",
        "before_stamp",
        "before_settle",
        "mid_settle",
        "after_settle",
        "before_poll",
        "after_poll",
        "before_find",
        "after_find",
        "mid_adopt",
        "mid_absent",
        "after_take",
        "mid_download",
        "before_rename",
        "after_rename_before_row",
        "mid_record_files",
        "mid_qc",
        "after_qc",
        "mid_verdicts",
        "mid_render",
        "after_spill",
        "mid_spilled",
        "mid_recovery",
        "after_recovery",
        "mid_fill",  # from here on, of bulk jobs
        "after_fill",
        "before_upload",
        "after_upload",
        "before_create",
        "after_create",
        "mid_created",
        "mid_read",
        "after_read",
        "before_drain",
        "after_drain",
    }
)
ACTIONS = ("kill", "stop", "sleep", "raise", "enospc", "busy")


class BadFailpoint(ValueError):
    """What the environment asks for cannot be understood."""


class Disturbed(RuntimeError):
    """Raised on purpose at a place that a test named."""


@dataclass(frozen=True, slots=True)
class _Order:
    action: str
    seconds: float
    on_pass: int


_orders: dict[str, _Order] = {}  # empty: every failpoint costs one look at it
_passes: Counter[str] = Counter()
_lock = threading.Lock()


def failpoint(place: str) -> None:
    """Marks a place. Does nothing unless this process was told otherwise when it began."""
    if _orders:
        _pass(place)


def arm(text: str) -> None:
    """Sets what happens where, and counts passes anew; an empty text: nothing happens anywhere."""
    found = [_read(part.strip()) for part in text.split(";") if part.strip()]
    _orders.clear()
    _passes.clear()
    _orders.update(found)
    if found:
        log.warning("%s is set: this process will be disturbed on purpose: %s", VARIABLE, text)


def _read(part: str) -> tuple[str, _Order]:
    place, _, order = part.partition("=")
    what, _, count = order.partition("@")
    action, _, seconds = what.partition("+")
    try:
        made = _Order(action, float(seconds or 0), int(count or 1))
    except ValueError:
        made = _Order("", 0.0, 1)
    if place not in PLACES or made.action not in ACTIONS:
        raise BadFailpoint(
            f"{VARIABLE} has {part!r}; write PLACE=ACTION@PASS with one of the actions {', '.join(ACTIONS)} "
            f"and one of the places {', '.join(sorted(PLACES))}."
        )
    return place, made


def _pass(place: str) -> None:
    with _lock:
        _passes[place] += 1
        order = _orders.get(place)
        if order is None or _passes[place] != order.on_pass:
            return
    log.warning("failpoint %s: %s", place, order.action)
    _act(order, place)


def _act(order: _Order, place: str) -> None:
    match order.action:
        case "kill" if order.seconds:
            threading.Timer(order.seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            time.sleep(order.seconds)
        case "raise":
            raise Disturbed(f"on purpose at {place}")
        case "enospc":
            raise OSError(errno.ENOSPC, "no room on purpose")
        case "busy":
            raise OperationalError("the database is away on purpose")


arm(os.environ.get(VARIABLE, ""))
