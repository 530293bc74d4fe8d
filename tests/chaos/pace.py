"""The engine's waiting times at the pace of a trial, in which a vendor's minute takes 0.6 s."""

from __future__ import annotations

import sys
from datetime import timedelta
from importlib import import_module

SCALE = 100.0  # the vendors' clock against ours
LIST_LAG_S = 0.3
DEADLINE_S = 1.0  # of a call
MAX_AGE_S = 4.0  # of a job at a vendor
PACE: dict[str, float] = {  # where it is defined -> seconds
    "jobs.engine.settle:LIST_LAG_S": LIST_LAG_S,
    "jobs.engine.settle:NOT_SENT_PAUSE_S": 0.1,
    "jobs.engine.settle:FAILURE_PAUSE_S": 0.1,
    "jobs.engine.settle:RATE_LIMIT_PAUSE_S": 0.1,
    "jobs.engine.polling:FIRST_GUESS_S": 0.05,
    "jobs.engine.polling:LEAST_STEP_S": 0.03,
    "jobs.engine.poll_plan:MOST_STEP_S": 0.3,
    "jobs.engine.taking:FETCH_LEASE_S": 6.0,
    "jobs.engine.taking:CHECK_LEASE_S": 20.0,
    "jobs.engine.taking:POLL_HANDED_OUT_S": 0.6,
    "jobs.engine.desk:LEASE_MARGIN_S": 0.5,
    "jobs.engine.meters:SEND_WITHIN": 1.0,
    "jobs.engine.drive:LOOK_EVERY_S": 0.05,
    "jobs.engine.drive:ALONE_EVERY_S": 0.2,
    "jobs.engine.drive:AWAY_S": 6.0,
    "jobs.engine.drive:ASK_AGAIN_S": 0.1,
    "jobs.engine.housekeeping:RECOVER_EVERY_S": 0.2,
    "jobs.engine.housekeeping:SEEN_EVERY_S": 0.3,
    "jobs.engine.recovery:LEASE_GRACE": 0.5,
    "jobs.engine.requests:CLOCK_SKEW": 0.3,
    "jobs.engine.checking:PUT_OFF": 0.1,
    "jobs.review:UNDO_S": 0.05,
}


def quicken() -> None:
    """Sets them in this process, also where they were imported to.

    A name that is gone is an error: the trials would crawl without a word.
    """
    modules = [import_module(name) for name in {where.partition(":")[0] for where in PACE}]
    modules += [module for name, module in sys.modules.items() if name.startswith("jobs.")]
    for where, seconds in PACE.items():
        home, _, name = where.partition(":")
        old = getattr(import_module(home), name)
        new = timedelta(seconds=seconds) if isinstance(old, timedelta) else seconds
        for module in modules:
            if getattr(module, name, None) == old:
                setattr(module, name, new)
