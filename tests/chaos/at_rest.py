"""What must hold once nothing is left to do and every lost answer was decided, beside what holds at any moment."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db.models import Count, Sum

from jobs.models import Asset, Attempt, Batch, BulkJob, Decision, LedgerEntry, Step, Video
from jobs.queries.progress import progress_of
from jobs.states import Stage, State
from providers.models import WebhookEvent

Outcome = Attempt.Outcome
PAUSE_TAKES = timedelta(seconds=5)


def every_attempt_is_closed() -> Iterator[str]:
    for attempt in Attempt.objects.filter(ended_at=None):
        yield f"I10 attempt {attempt.pk} ({attempt.outcome}) never ended"
    for job in BulkJob.objects.exclude(state=BulkJob.State.OVER):
        yield f"I6 bulk job {job.pk} is still {job.state}"
    for attempt in Attempt.objects.filter(outcome=Outcome.NONE):
        yield f"I6 attempt {attempt.pk} has no outcome"
    rest = LedgerEntry.objects.aggregate(reserved=Sum("reserved_micro", default=0))["reserved"]
    if rest:
        yield f"I12 {rest} are reserved although nothing runs"


def vendors_were_sound(books: dict[str, Any]) -> Iterator[str]:
    if books["failure"]:
        yield f"the simulator itself failed: {books['failure'][-300:]}"


def books_are_equal(books: dict[str, Any]) -> Iterator[str]:
    """I8, attempt by attempt: what we booked is what the vendor billed; at risk is what only a bill can tell."""
    billed: Counter[str] = Counter()
    for bill in books["bills"]:
        billed[bill["tag"]] += bill["amount_micro"]
    for attempt in Attempt.objects.filter(provider__slug__startswith="sim_"):
        wanted = billed.pop(attempt.tag, 0)
        if attempt.outcome == Outcome.UNKNOWN and wanted <= attempt.reserved_micro:
            continue
        if attempt.cost_micro != wanted:
            yield f"I8 attempt {attempt.pk} ({attempt.outcome}): booked {attempt.cost_micro}, billed {wanted}"
    for tag, amount in billed.items():
        yield f"I3 a job of nobody ({tag}) was billed {amount}"


def finished_jobs_are_used(books: dict[str, Any]) -> Iterator[str]:
    """I16: what was made and billed is in an asset of ours, or a decision, a cancel or a bad file says why not."""
    done = {bill["tag"] for bill in books["bills"] if bill["state"] == "succeeded" and bill["amount_micro"]}
    attempts = Attempt.objects.filter(tag__in=done).select_related("step__video", "step__batch")
    has_asset = set(Asset.objects.values_list("step", flat=True))
    decided = set(Decision.objects.exclude(step=None).values_list("step", flat=True))
    for attempt in attempts:
        step = attempt.step
        excused = step.pk in decided or step.failures or step.video.cancelled_at or step.state == State.CANCELLED
        if step.pk not in has_asset and not excused:
            yield f"I16 step {step.pk} ({step.state}): attempt {attempt.pk} was made and billed, and nothing came of it"


def nothing_is_bought_twice(books: dict[str, Any]) -> Iterator[str]:
    """I5: of a step one job was made and billed, or a lost answer, a decision, a bad file or a cancel says why not."""
    done = {bill["tag"] for bill in books["bills"] if bill["state"] == "succeeded" and bill["amount_micro"]}
    was_lost = set(LedgerEntry.objects.filter(kind=LedgerEntry.Kind.AT_RISK).values_list("attempt", flat=True))
    decided = set(Decision.objects.exclude(step=None).values_list("step", flat=True))
    known = Attempt.objects.filter(tag__in=done, outcome__in=(Outcome.ACCEPTED, Outcome.ADOPTED))
    of_step: dict[int, list[int]] = defaultdict(list)
    for attempt in known.exclude(pk__in=was_lost).filter(step__failures=0, step__video__cancelled_at=None):
        if attempt.step_id not in decided:
            of_step[attempt.step_id].append(attempt.pk)
    for step, attempts in of_step.items():
        if len(attempts) > 1:
            yield f"I5 step {step} was bought {len(attempts)} times: attempts {attempts}"


def pages_say_the_same() -> Iterator[str]:
    """I21: the bars of the batch page against a plain count."""
    batches = list(Batch.objects.all())
    for batch_id, progress in progress_of(batches).items():
        states = Counter(Video.objects.filter(batch=batch_id).values_list("state", flat=True))
        if progress.videos != states:
            yield f"I21 batch {batch_id}: the page counts {dict(progress.videos)}, the rows {dict(states)}"
        for bar in progress.stages:
            if bar.running or bar.ready or bar.failed:
                yield f"I21 batch {batch_id}: {bar.stage} still shows {bar.running} running, {bar.ready} ready"


def done_steps_have_one_file() -> Iterator[str]:
    done = Step.objects.filter(state=State.DONE, stage__in=Stage.values)
    files: dict[int, int] = defaultdict(int)
    for row in Asset.objects.filter(kind__in=Stage.values).values("step").annotate(n=Count("pk")).order_by():
        files[row["step"]] = row["n"]
    for step in done:
        if files[step.pk] != 1:
            yield f"I16 step {step.pk} ({step.stage}) is done with {files[step.pk]} files"
    slots = Asset.objects.filter(current=True).values("video", "scene", "kind").annotate(n=Count("pk")).order_by()
    for row in slots.filter(n__gt=1):
        yield f"I17 {row['n']} files are current in one slot: {row}"


def webhooks_are_stored_once() -> Iterator[str]:
    for row in WebhookEvent.objects.values("provider", "webhook_id").annotate(n=Count("pk")).filter(n__gt=1).order_by():
        yield f"I20 the webhook {row['webhook_id']} was stored {row['n']} times"


def pause_meant_pause(pauses: Iterable[tuple[int, datetime, datetime]]) -> Iterator[str]:
    """I23, of (batch, from, until)."""
    for batch, since, until in pauses:
        sent = Attempt.objects.filter(step__batch=batch, sent_at__gt=since + PAUSE_TAKES, sent_at__lt=until)
        if sent.exists():
            yield f"I23 batch {batch} was paused at {since:%T} and {sent.count()} calls were sent later"


def secret_is_nowhere(secret: str, folder: Path) -> Iterator[str]:
    """I24: in no row of any table and in no file of the folder (logs, media, the database file)."""
    for path in folder.rglob("*"):
        if path.is_file() and secret.encode() in path.read_bytes():
            yield f"I24 the secret stands in {path.name}"
    for model in apps.get_models():
        for row in model._default_manager.values_list():
            if any(secret in str(value) for value in row):
                yield f"I24 the secret stands in a row of {model.__name__}"
                break
