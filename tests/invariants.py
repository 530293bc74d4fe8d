"""What must hold of the rows at any moment, as queries; each returns sentences about what breaks it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F, Sum

from jobs.models import Asset, Attempt, Batch, Budget, BulkJob, Decision, LedgerEntry, Step
from jobs.states import OPEN, OWNED, Reason, Stage, State

SUMS = ("reserved_micro", "at_risk_micro", "spent_micro")
GRACE = timedelta(seconds=30)
DECIDED = (Decision.Kind.TRY_AGAIN, Decision.Kind.IT_HAPPENED, Decision.Kind.ACCEPT_DUPLICATE)
RISKED = (Decision.Kind.ACCEPT_DUPLICATE, Decision.Kind.GIVE_UP)  # its money stays at risk by a decision
NEEDS = {  # stage -> (stage it is made of, of the same scene)
    Stage.TEXT_MODERATION: [(Stage.SCRIPT, False)],
    Stage.VOICEOVER: [(Stage.SCRIPT, False)],
    Stage.IMAGE: [(Stage.SCRIPT, False)],
    Stage.CLIP: [(Stage.IMAGE, True), (Stage.VOICEOVER, True)],
    Stage.RENDER: [(Stage.CLIP, False), (Stage.VOICEOVER, False)],
}


def assert_invariants(*, books: dict[str, Any] | None = None, files: bool = True, now: datetime | None = None) -> None:
    """`books` are the simulator's, of all its vendors, read when nothing moved. `now`: by the clock of the test."""
    broken = [*rows_are_sound(now or datetime.now(UTC)), *money_is_sound()]
    if files:
        broken += files_are_there()
    if books is not None:
        broken += [*billed_once(books), *ledger_is_the_bill(books), *limits_were_kept(books)]
    assert not broken, "\n".join(broken)


def rows_are_sound(now: datetime) -> Iterator[str]:
    """Few and wide queries: some ask after every move of the engine, and putting a query together takes a while."""
    steps, late = list(Step.objects.order_by("pk")), now - GRACE
    waiting = Attempt.objects.filter(bulk__isnull=False, outcome="none", bulk__ended_at=None)
    in_bulk = set(waiting.values_list("step", flat=True))
    for step in steps:
        is_over = step.state in (State.DONE, State.CANCELLED)
        if step.state not in State.values:
            yield f"I1 step {step.pk} is in no known state: {step.state}"
        if step.state in OWNED and step.owner and step.lease_until and step.lease_until < late:
            yield f"I2 step {step.pk} is owned for ever"
        if step.state == State.CLAIMED and not step.owner and step.pk not in in_bulk:
            yield f"I2 step {step.pk} is being sent by nobody"
        if step.state not in OWNED and step.owner:
            yield f"I2 step {step.pk} is {step.state} and still owned"
        if is_over and not step.finished_at:
            yield f"I19 step {step.pk} is {step.state} without an end"
        if not is_over and step.finished_at:
            yield f"I19 step {step.pk} has ended and is {step.state}"
        if step.state == State.ATTENTION and (step.reason not in Reason.values or not step.message):
            yield f"I22 step {step.pk} needs a person and does not say why"
    yield from attempts_are_sound()
    yield from bulk_jobs_are_sound(late)
    yield from inputs_came_first(steps)


def attempts_are_sound() -> Iterator[str]:
    jobs: Counter[tuple[int, str]] = Counter()
    acting: Counter[int] = Counter()
    risked = _risked()
    rows = Attempt.objects.values_list("pk", "step", "provider", "external_id", "outcome").order_by("pk")
    for attempt, step, provider, external_id, outcome in rows:
        if external_id:
            jobs[provider, external_id] += 1
            if outcome in ("none", "not_sent"):
                yield f"I3 attempt {attempt} has a remote job and the outcome {outcome}"
        if outcome in ("none", "unknown") and attempt not in risked:
            acting[step] += 1
    for (_, external_id), n in jobs.items():
        if n > 1:
            yield f"I4 {n} attempts share the remote job {external_id}"
    for step, n in acting.items():
        if n > 1:
            yield f"I6 {n} attempts of step {step} may still act"


def _risked() -> set[int | None]:
    return set(Decision.objects.filter(kind__in=RISKED).values_list("attempt", flat=True))


def bulk_jobs_are_sound(late: datetime) -> Iterator[str]:
    over = BulkJob.State.OVER
    for job in BulkJob.objects.exclude(state=over).filter(next_at=None):
        yield f"I2 bulk job {job.pk} is {job.state}, and nobody will look at it"
    for job in BulkJob.objects.filter(lease_until__lt=late).exclude(owner=None):
        yield f"I2 bulk job {job.pk} is owned for ever"
    for job in BulkJob.objects.exclude(external_id="").filter(sent_at=None):
        yield f"I3 bulk job {job.pk} is at the vendor and was never meant to be sent"
    for attempt in Attempt.objects.filter(bulk__state=over, outcome="none"):
        yield f"I6 attempt {attempt.pk} is a line of a bulk job that is over, and has no outcome"
    for attempt in Attempt.objects.filter(bulk__isnull=False).exclude(step__batch=F("bulk__batch")):
        yield f"I4 attempt {attempt.pk} is a line of another batch's bulk job"
    for attempt in Attempt.objects.filter(bulk__isnull=False, price__bulk=False):
        yield f"I10 attempt {attempt.pk} is a line of a bulk job, at the price of a call"


def inputs_came_first(steps: Iterable[Step]) -> Iterator[str]:
    made: dict[tuple[int, int | None, str], datetime] = {}
    for video, scene, kind, at in Asset.objects.values_list("video", "scene", "kind", "created_at").order_by("-pk"):
        made[video, scene, kind] = made[video, None, kind] = at  # the first comes last
    for step in steps:
        for stage, same_scene in NEEDS.get(Stage(step.stage), []) if step.stage in Stage.values else []:
            at = made.get((step.video_id, step.scene_id if same_scene else None, stage.value))
            if at is None or at > step.created_at:
                yield f"I18 step {step.pk} ({step.stage}) exists before its {stage.value}"


def money_is_sound() -> Iterator[str]:
    zero = dict.fromkeys(SUMS, 0)
    of_attempt: dict[int, dict[str, int]] = defaultdict(lambda: dict(zero))
    kinds: Counter[tuple[int, str]] = Counter()
    of_batch: Counter[int] = Counter()
    entries = list(LedgerEntry.objects.order_by("pk"))
    for entry in entries:
        if entry.batch_id:
            of_batch[entry.batch_id] += entry.reserved_micro
        if entry.attempt_id and entry.kind != LedgerEntry.Kind.ORPHAN:  # which is of no attempt's own
            kinds[entry.attempt_id, entry.kind] += 1
            for name in SUMS:
                of_attempt[entry.attempt_id][name] += getattr(entry, name)
    risked = _risked()
    columns = ("pk", "outcome", "reserved_micro", "cost_micro", "ended_at", "step__state")
    for attempt in Attempt.objects.values_list(*columns, named=True).order_by("pk"):
        has = of_attempt[attempt.pk]
        at_risk = attempt.reserved_micro if attempt.outcome == "unknown" else 0
        open_ = attempt.ended_at is None and attempt.outcome != "unknown"
        owed = {"reserved_micro": attempt.reserved_micro if open_ else 0, "at_risk_micro": at_risk}
        if kinds[attempt.pk, "reserve"] != 1:
            yield f"I10 attempt {attempt.pk} was reserved for {kinds[attempt.pk, 'reserve']} times"
        for name, micro in owed.items():
            if has[name] != micro:
                yield f"I10 attempt {attempt.pk} ({attempt.outcome}): {name} is {has[name]}, should be {micro}"
        if has["spent_micro"] != attempt.cost_micro:
            yield f"I10 attempt {attempt.pk}: booked {has['spent_micro']}, cost {attempt.cost_micro}"
        if at_risk and attempt.step__state not in (State.UNKNOWN, State.ATTENTION) and attempt.pk not in risked:
            yield f"I13 attempt {attempt.pk} has money at risk that nobody sees"
    for batch in Batch.objects.exclude(finished_at=None):
        rest = of_batch[batch.pk]
        if rest and not batch.steps.filter(state__in=OPEN).exists():  # what runs of cancelled videos is still booked
            yield f"I12 batch {batch.pk} is over and has {rest} reserved"
    for budget in Budget.objects.all():
        yield from _budget_is_sound(budget, entries)


def _budget_is_sound(budget: Budget, entries: list[LedgerEntry]) -> Iterator[str]:
    sums, page, mine = dict.fromkeys(SUMS, 0), None, []
    for entry in entries:
        if not budget.covers(project_id=entry.project_id, batch_id=entry.batch_id, provider_id=entry.provider_id):
            continue
        if (start := budget.counts_from(entry.at)) != page:  # another day or month: what was spent counts anew
            page, sums["spent_micro"] = start, sum(one.spent_micro for one in mine if one.at >= start)
        mine.append(entry)
        for name in SUMS:
            sums[name] += getattr(entry, name)
        if entry.kind == LedgerEntry.Kind.RESERVE and entry.reserved_micro and sum(sums.values()) > budget.cap_micro:
            yield f"I11 {budget}: entry {entry.pk} was admitted above the cap"
    if page and page != budget.period_start:
        sums["spent_micro"] = sum(one.spent_micro for one in mine if one.at >= budget.period_start)
    for name, micro in sums.items():
        if getattr(budget, name) != micro:
            yield f"I9 {budget}: {name} says {getattr(budget, name)}, the entries {micro}"


def files_are_there() -> Iterator[str]:
    for asset in Asset.objects.all():
        path = Path(settings.MEDIA_ROOT) / asset.name
        content = path.read_bytes() if path.exists() else b""
        if len(content) != asset.size or hashlib.sha256(content).hexdigest() != asset.sha256:
            yield f"I17 asset {asset.pk} ({asset.kind}) has not its file {asset.name}"


def billed_once(books: dict[str, Any]) -> Iterator[str]:
    steps = dict(Attempt.objects.values_list("tag", "step"))
    decided = Counter(Decision.objects.filter(kind__in=DECIDED).values_list("step", flat=True))
    bought = Counter(
        steps.get(bill["tag"]) for bill in books["bills"] if bill["amount_micro"] and bill["state"] != "failed"
    )
    if bought[None]:
        yield f"I3 {bought.pop(None)} remote jobs belong to no attempt"
    for step, count in bought.items():
        if count > 1 + decided[step]:
            yield f"I5 step {step} was bought {count} times"


def ledger_is_the_bill(books: dict[str, Any]) -> Iterator[str]:
    """Spent is at most what the vendor billed, and that at most what is spent, reserved or at risk."""
    named = {f"sim_{vendor}": vendor for vendor in books["vendors"]}
    mine = LedgerEntry.objects.filter(provider__slug__in=named).values("provider__slug").order_by()
    booked = {row.pop("provider__slug"): row for row in mine.annotate(**{name: Sum(name) for name in SUMS})}
    for slug, vendor in named.items():
        billed, sums = books["vendors"][vendor]["billed_micro"], booked.get(slug) or dict.fromkeys(SUMS, 0)
        if not sums["spent_micro"] <= billed <= sum(sums.values()):
            yield f"I8 {vendor} billed {billed}; booked: {sums}"


def limits_were_kept(books: dict[str, Any]) -> Iterator[str]:
    for vendor, facts in books["vendors"].items():
        for window in facts["windows"]:
            if window["most"] > window["allowed"]:
                yield f"I14 {vendor} took {window['most']} {window['unit']}, {window['allowed']} are the limit"
        if facts["settings"]["concurrency"] and facts["high_water"] > facts["settings"]["concurrency"]:
            yield f"I15 {vendor} had {facts['high_water']} jobs at once"
