"""No-op steps through the real engine, beside the same rows written by bare SQL in the same run.

A no-op step is claimed, attempted, settled and booked, but its call answers at once with nothing, and nothing follows
from it. The peer writes the same rows of the same tables in groups of the same size over the same connection: two
transactions a group, executemany. It reads the steps it claims and writes their requests, and decides nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from jobs.engine import settlement
from jobs.engine.drive import Drive
from jobs.models import Attempt, Batch, LedgerEntry, Project, Step, Video
from jobs.routing import CAPABILITY_OF
from jobs.settings_types import BatchSettings
from jobs.states import State
from jobs.tags import new_tag
from providers import registry
from providers.base import Adapter
from providers.models import Lane, Offer, Price, Provider
from providers.types import Capability, Finished, Recovery, Request
from qc.models import Profile

STAGE = "no_op"  # beside the road: nothing is due when it is done
PRICE = 1000
WRITES = ("INSERT", "UPDATE", "DELETE")
REQUEST = {
    "capability": "script",
    "offer": "one",
    "prompt": "",
    "width": 0,
    "height": 0,
    "seconds": 0.0,
    "voice": "",
    "language": "en",
    "seed": 1,
    "extra": {},
    "inputs": [],
}
FIRST_OF_PEER = 10**9  # ids that no sequence reaches


class NoOp(Adapter):
    """Answers at once with nothing."""

    slug = "no_op"
    label = "No-op"
    capabilities = frozenset({Capability.SCRIPT})
    recovery = {Capability.SCRIPT: Recovery.BLIND}

    def submit(self, request: Request) -> Finished:
        self.on_wire()
        return Finished()


def prepare() -> Batch:
    registry.register(NoOp)
    CAPABILITY_OF[STAGE] = Capability.SCRIPT
    provider = Provider.objects.create(slug=NoOp.slug, label=NoOp.label)
    Lane.objects.create(provider=provider, capability="script")
    Offer.objects.create(provider=provider, capability="script", name="one", label="One")
    Price.objects.create(provider=provider, capability="script", micro=PRICE)
    profile = Profile.objects.get_or_create(name="default")[0]
    project = Project.objects.create(name="Bench", slug="bench", profile=profile)
    settings, token = BatchSettings().as_json(), uuid.uuid4().hex
    return Batch.objects.create(project=project, name="Bench", settings=settings, strategy="pipelined", token=token)


def add_steps(batch: Batch, count: int) -> None:
    """Ready no-op steps, each of a video of its own."""
    now, start = datetime.now(UTC), Video.objects.filter(batch=batch).count() + 1
    videos = Video.objects.bulk_create(
        (
            Video(batch=batch, position=n, topic=f"Topic {n}", state="running", started_at=now)
            for n in range(start, start + count)
        ),
        batch_size=500,
    )
    lane, offer = Lane.objects.get(), Offer.objects.get()
    Step.objects.bulk_create(
        (
            Step(
                batch=batch,
                video=video,
                stage=STAGE,
                wanted="x" * 64,
                want={"stage": STAGE, "prompt": video.topic, "language": "en", "seed": 1},
                lane=lane,
                provider_id=lane.provider_id,
                offer=offer,
                rank=video.position,
                not_before=now,
            )
            for video in videos
        ),
        batch_size=500,
    )


# -- the engine --------------------------------------------------------------------------------------------------------


@contextmanager
def commits_counted() -> Iterator[list[str]]:
    """Every commit: those of transactions, and those of writes outside of one."""
    seen: list[str] = []
    commit = connection._commit  # type: ignore[attr-defined]

    def counted() -> Any:
        seen.append("COMMIT")
        return commit()

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(WRITES) and not connection.in_atomic_block:
            seen.append(sql)
        return execute(sql, params, many, context)

    connection._commit = counted  # type: ignore[attr-defined]
    try:
        with connection.execute_wrapper(watch):
            yield seen
    finally:
        connection._commit = commit  # type: ignore[attr-defined]


@contextmanager
def nothing_follows() -> Iterator[None]:
    """What is due next is planned by another part of the engine, which is not measured here."""
    kept = settlement.advance, settlement.mark
    settlement.advance = settlement.mark = lambda *_: None
    try:
        yield
    finally:
        settlement.advance, settlement.mark = kept


def engine_run(batch: Batch, count: int) -> dict[str, float]:
    drive = Drive("generation", slice_s=3600)
    drive.step_once()  # keeps house
    add_steps(batch, count)
    began_at, attempts, entries = datetime.now(UTC), Attempt.objects.count(), LedgerEntry.objects.count()
    with nothing_follows(), commits_counted() as commits:
        started, cpu = time.perf_counter(), time.process_time()
        while Step.objects.filter(state=State.READY).exists() or drive.pool.busy:
            drive._round(claiming=True)
        seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    drive.close()
    assert not Step.objects.exclude(state=State.DONE).exists(), "Not every step was done."
    assert Attempt.objects.count() - attempts == count
    assert not Attempt.objects.exclude(outcome="accepted", cost_micro=PRICE).exists()
    assert LedgerEntry.objects.count() - entries == 2 * count
    groups = Attempt.objects.filter(sent_at__gte=began_at).values("sent_at").distinct().order_by().count()
    return {
        "steps_per_s": round(count / seconds, 1),
        "cpu_ms_per_step": round(1000 * cpu_s / count, 3),
        "groups": groups,
        "commits_per_group": round(len(commits) / groups, 2),
    }


# -- the peer ----------------------------------------------------------------------------------------------------------


def bare_run(batch: Batch, count: int, group: int) -> dict[str, float]:
    """The same rows, by SQL and nothing else."""
    add_steps(batch, count)
    price = Price.objects.get()
    owner, where = uuid.uuid4().hex, (Lane.objects.get().pk, Offer.objects.get().pk)
    number = FIRST_OF_PEER + Attempt.objects.count()
    started, cpu = time.perf_counter(), time.process_time()
    for first in range(0, count, group):
        with transaction.atomic():
            steps = _next(batch, price, min(group, count - first))
            _claim(batch, price, steps, owner, number, where)
        with transaction.atomic():
            _settle(batch, price, list(steps), number)
        number += len(steps)
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    assert not Step.objects.exclude(state=State.DONE).exists(), "Not every step was done."
    return {"steps_per_s": round(count / seconds, 1), "cpu_ms_per_step": round(1000 * cpu_s / count, 3)}


def _next(batch: Batch, price: Price, most: int) -> dict[int, str]:
    """The steps whose turn it is, and for each the request as it is sent: the same text that the engine writes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, want FROM jobs_step WHERE state = 'ready' AND provider_id = %s AND batch_id = %s"
            " ORDER BY rank, id LIMIT %s",
            (price.provider_id, batch.pk, most),
        )
        return {step: json.dumps({**REQUEST, "prompt": json.loads(want)["prompt"]}) for step, want in cursor}


def _claim(batch: Batch, price: Price, steps: dict[int, str], owner: str, number: int, where: tuple[int, int]) -> None:
    now, (lane, offer) = datetime.now(UTC), where
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE jobs_step SET state = 'claimed', fence = fence + 1, owner = %s, lease_until = %s,"
            " crash_count = crash_count + 1, message = '' WHERE id = %s AND state = 'ready'",
            [(owner, now + timedelta(seconds=110), step) for step in steps],
        )
        _insert(
            cursor,
            "jobs_attempt",
            [
                {
                    "id": number + n,
                    "step_id": step,
                    "no": 1,
                    "provider_id": price.provider_id,
                    "lane_id": lane,
                    "offer_id": offer,
                    "capability": "script",
                    "tag": new_tag(),
                    "request_hash": hashlib.sha256(request.encode()).hexdigest(),
                    "request": request,
                    "images": 0,
                    "tokens": 0,
                    "characters": 5,
                    "price_id": price.pk,
                    "reserved_micro": PRICE,
                    "sent_at": now,
                    "send_deadline": now,
                    "outcome": "none",
                    "external_id": "",
                    "message": "",
                    "units": "{}",
                    "cost_micro": 0,
                }
                for n, (step, request) in enumerate(steps.items())
            ],
        )
        _book(cursor, batch, price, "reserve", range(number, number + len(steps)), now)


def _settle(batch: Batch, price: Price, steps: Sequence[int], number: int) -> None:
    now = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE jobs_attempt SET outcome = 'accepted', external_id = '', message = '', units = '{}',"
            " cost_micro = %s, on_wire_at = %s, ended_at = %s WHERE id = %s",
            [(PRICE, now, now, number + n) for n in range(len(steps))],
        )
        cursor.executemany(
            "UPDATE jobs_step SET state = 'done', finished_at = %s, owner = NULL, lease_until = NULL,"
            " crash_count = crash_count - 1 WHERE id = %s AND state = 'claimed'",
            [(now, step) for step in steps],
        )
        _book(cursor, batch, price, "settle", range(number, number + len(steps)), now)


def _book(cursor: Any, batch: Batch, price: Price, kind: str, attempts: Sequence[int], now: datetime) -> None:
    micro = PRICE if kind == "reserve" else -PRICE
    _insert(
        cursor,
        "jobs_ledgerentry",
        [
            {
                "kind": kind,
                "attempt_id": attempt,
                "project_id": batch.project_id,
                "batch_id": batch.pk,
                "provider_id": price.provider_id,
                "reserved_micro": micro,
                "at_risk_micro": 0,
                "spent_micro": PRICE if kind == "settle" else 0,
                "at": now,
                "note": "",
            }
            for attempt in attempts
        ],
    )


def _insert(cursor: Any, table: str, rows: Sequence[dict[str, Any]]) -> None:
    names = list(rows[0])
    quoted, marks = ", ".join(f'"{name}"' for name in names), ", ".join(["%s"] * len(names))
    sql = f"INSERT INTO {table} ({quoted}) VALUES ({marks})"  # noqa: S608
    cursor.executemany(sql, [tuple(row.values()) for row in rows])
