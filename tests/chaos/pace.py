"""The engine's waiting times at the pace of a trial, in which a vendor's minute takes 0.6 s."""

from __future__ import annotations

import sys
from datetime import timedelta

SCALE = 100.0  # the vendors' clock against ours
LIST_LAG_S = 0.3
DEADLINE_S = 1.0  # of a call
MAX_AGE_S = 4.0  # of a job at a vendor
BULK_WINDOW_S = 2.0  # of a bulk job
PACE: dict[str, float] = {  # name, with its module where others have the same -> seconds
    "LIST_LAG_S": LIST_LAG_S,
    "NOT_SENT_PAUSE_S": 0.1,
    "FAILURE_PAUSE_S": 0.1,
    "RATE_LIMIT_PAUSE_S": 0.1,
    "FIRST_GUESS_S": 0.05,
    "LEAST_STEP_S": 0.03,
    "MOST_STEP_S": 0.3,
    "FETCH_LEASE_S": 6.0,
    "CHECK_LEASE_S": 60.0,
    "POLL_HANDED_OUT_S": 0.6,
    "LEASE_MARGIN_S": 0.5,
    "AGES_S": 3.0,
    "ENDING_S": 0.9,
    "AGAIN_EVERY_S": 0.3,
    "SEND_WITHIN": 1.0,
    "drive.LOOK_EVERY_S": 0.08,
    "TRY_EVERY_S": 0.2,
    "EMPTY_AGAIN_S": 0.2,
    "EMPTY_AGAIN_MOST_S": 1.0,
    "AWAY_S": 6.0,
    "ASK_AGAIN_S": 0.1,
    "RECOVER_EVERY_S": 0.2,
    "SEEN_EVERY_S": 0.3,
    "LEASE_GRACE": 0.5,
    "CLOCK_SKEW": 0.3,
    "PUT_OFF": 0.1,
    "UNDO_S": 0.05,
    "bulk.LOOK_EVERY_S": 0.05,
    "NO_ROOM_S": 0.1,
    "FILL_S": 0.1,
    "PUT_OFF_S": 0.1,
    "CREATE_S": DEADLINE_S,
    "bulk_take.UPLOAD_S": 6.0,
    "bulk_take.READ_S": 6.0,
    "POLL_LEAST_S": 0.05,
    "POLL_MOST_S": 0.3,
    "READ_AGAIN_S": 0.1,
    "TOO_MUCH_S": 0.1,
    "limits.FIRST_BREAK_S": 0.2,
    "limits.LONGEST_BREAK_S": 2.0,
}


def quicken() -> None:
    """Sets them in this process, wherever they were imported to.

    A name that is gone is an error: the trials would crawl without a word.
    """
    modules = {name: module for name, module in sys.modules.items() if name.startswith(("jobs.", "providers."))}
    for wanted, seconds in PACE.items():
        home, _, name = wanted.rpartition(".")
        found = [m for at, m in modules.items() if name in vars(m) and at.endswith(home and f".{home}")]
        if not found:
            raise LookupError(f"The engine has no waiting time {wanted} any more: tests/chaos/pace.py names it.")
        for module in found:
            is_span = isinstance(vars(module)[name], timedelta)
            setattr(module, name, timedelta(seconds=seconds) if is_span else seconds)
