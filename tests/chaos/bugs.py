"""Ten bugs that are planted in the engine of a trial: each must be caught, else the trials see too little.

Each names what it breaks (docs/chaos.md). One of them no killed process can show, because the machine keeps what was
written: that files are synced before they are named is seen by the order of the calls (`synced_before_named`).
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from providers.types import Recovery

IN_THE_WEB = ("webhook_trusted",)
_planted: set[str] = set()
_planters: dict[str, Callable[[], None]] = {}


def bug(planter: Callable[[], None]) -> Callable[[], None]:
    _planters[planter.__name__] = planter
    return planter


def plant(name: str) -> None:
    """In a drive."""
    if name and name not in IN_THE_WEB:
        _planters[name]()


def plant_here(name: str) -> None:
    """In the process that stands for the web server, once."""
    if name in IN_THE_WEB and name not in _planted:
        _planted.add(name)
        _planters[name]()


@bug
def no_attempt_before_the_send() -> None:
    """After a death nobody knows that something was sent: what was claimed is simply claimed again."""
    from jobs.engine import recovery

    recovery.recovery_of = lambda attempt: Recovery.FREE


@bug
def record_without_the_guard() -> None:
    """Answers are booked whoever owns the step by now, and whatever has become of it."""
    from jobs.engine import checking, reconcile, rows, settle
    from jobs.models import Step

    def still_ours(fences: dict[int, int], state: str) -> dict[int, Step]:
        steps = Step.objects.select_for_update().filter(pk__in=list(fences)).order_by("pk")
        found = rows.light(Step, rows.STEP_FIELDS, steps.values_list(*rows.STEP_FIELDS), {"batch": rows._light_batches})
        return {step.pk: step for step in found}

    for module in (settle, reconcile, checking):
        module.still_ours = still_ours


@bug
def retries_in_the_transport() -> None:
    """As several SDKs do by default: a paid request without a clear answer is simply sent once more."""
    from providers.base import Adapter
    from providers.exceptions import Unknown

    call = Adapter.call

    def call_twice(self: Adapter, method: str, path: str, **kwargs: Any) -> Any:
        try:
            return call(self, method, path, **kwargs)
        except Unknown:
            return call(self, method, path, **kwargs)

    Adapter.call = call_twice


@bug
def blind_retry() -> None:
    """A lost answer of a vendor that cannot be asked counts as: it was not made."""
    from jobs.engine import failures, recovery
    from jobs.states import State

    lose_answer = failures.lose_answer

    def retry(batch: Any, step: Any, attempt: Any, error: Any, **values: Any) -> None:
        if failures.recovery_of(attempt) is not Recovery.BLIND:
            lose_answer(batch, step, attempt, error, **values)
            return
        failures.close(batch, step, attempt, failures.Outcome.NOT_SENT, error.message)
        batch.go(step, State.READY, not_before=batch.now + timedelta(seconds=0.1))

    failures.lose_answer = recovery.lose_answer = retry


@bug
def released_instead_of_at_risk() -> None:
    """The money of a lost answer is free again at once."""
    from jobs.engine import books

    books.put_at_risk = books.released


@bug
def cap_checked_in_two_steps() -> None:
    """The room under a cap is read a moment before the lock is held."""
    from jobs.engine import books
    from jobs.models import Budget

    seen: dict[str, Any] = {"at": 0.0, "rows": {}}
    lock = books.lock_budgets

    def lock_budgets(*args: Any, **values: Any) -> list[Budget]:
        rows = lock(*args, **values)
        if time.monotonic() - seen["at"] > 0.3:
            seen.update(at=time.monotonic(), rows={row.pk: row.room_micro for row in rows})
        for row in rows:
            row.cap_micro += seen["rows"].get(row.pk, row.room_micro) - row.room_micro
        return rows

    books.lock_budgets = lock_budgets


@bug
def expired_link_made_anew() -> None:
    """A link that expired is no reason to ask the job for a fresh one: the file is ordered once more."""
    from jobs.engine import calls, fetching
    from jobs.models import Step
    from jobs.states import State

    fetch, settle_fetches = calls.fetch, fetching.settle_fetches

    def fetch_once(ticket: Any, *args: Any) -> Any:
        return fetch(replace(ticket, external_id=""), *args)

    def settle_and_order(answers: Any, now: Any) -> None:
        for answer in answers:
            if getattr(answer.error, "expired", False):
                step = Step.objects.filter(pk=answer.ticket.step_id, fence=answer.ticket.fence, state=State.FETCHING)
                step.update(state=State.READY, owner=None, lease_until=None, links=[], not_before=now)
        settle_fetches(answers, now)

    calls.fetch, fetching.settle_fetches = fetch_once, settle_and_order


@bug
def worker_name_reused() -> None:
    """A process takes over the name of the one before it, as a pod of a set does: what the dead held looks alive."""
    from jobs.engine import worker
    from jobs.models import Worker

    def take_the_first_free_name(role: str) -> uuid.UUID:
        for number in range(20):
            name = uuid.uuid5(uuid.NAMESPACE_DNS, f"{role}-{number}")
            if worker.hold(str(name), patience_s=0.05):
                return name
        raise RuntimeError("Every name is taken.")

    def enlist(role: str, now: Any) -> Worker:
        said = {
            "role": role,
            "supervisor": uuid.UUID(os.environ[worker.CLUSTER_VARIABLE]),
            "host": worker.here(),
            "boot_id": worker.boot_id(),
            "pid": os.getpid(),
            "started_at": now,
            "seen_at": now,
            "ended_at": None,
            "erred": False,
        }
        return Worker.objects.update_or_create(uuid=take_the_first_free_name(role), defaults=said)[0]

    worker.enlist = enlist


@bug
def webhook_trusted() -> None:
    """A webhook that says that a job failed is believed: the step is tried anew, though the job goes on."""
    from django.db.models import F

    from jobs.models import Attempt, Step
    from jobs.states import State
    from providers.signals import webhook_arrived

    def believe(event: Any, **values: Any) -> None:
        attempt = Attempt.objects.filter(external_id=event.external_id, ended_at=None).first()
        if attempt is not None:
            running = Step.objects.filter(pk=attempt.step_id, state=State.RUNNING)
            running.update(state=State.READY, failures=F("failures") + 1, not_before=event.received_at)

    webhook_arrived.connect(believe, weak=False)


@bug
def renamed_before_synced() -> None:
    """A file gets its final name before the disk has it."""
    from providers import downloads

    def move_into_place(temp: Path, final: Path, media_root: Path) -> None:
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temp, final)
        with final.open("rb") as file:
            os.fsync(file.fileno())

    downloads._move_into_place = move_into_place


NAMES = tuple(_planters)


def synced_before_named() -> bool:
    """Whether a stored file is synced, then named, then its folder synced: by the order of the calls."""
    from providers import downloads
    from providers.types import Output

    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(number: int) -> None:
        calls.append("folder" if Path(f"/proc/self/fd/{number}").resolve().is_dir() else "file")
        fsync(number)

    def note_replace(*names: Any) -> None:
        calls.append("name")
        replace(*names)

    os.fsync, os.replace = note_fsync, note_replace
    try:
        with TemporaryDirectory() as folder:
            output = Output(content=b'{"a": 1}', media_type="application/json")
            downloads.store(
                output,
                media_root=Path(folder),
                adapter_host_allow=(),
                base_url="",
                allow_loopback=False,
                min_free_bytes=0,
            )
    finally:
        os.fsync, os.replace = fsync, replace
    return calls[:2] == ["file", "name"] and "folder" in calls[2:]
