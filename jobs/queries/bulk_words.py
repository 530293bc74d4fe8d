"""What of a batch is out in bulk, or gathered for it, in words."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.models import Batch, BulkJob
from jobs.queries.lane_words import name_of, off, paused, stopped
from jobs.templatetags.vidbatch import when
from providers import registry
from providers.base import Adapter

PLURALS = {"image": "images", "script": "scripts", "clip": "clips", "voiceover": "voiceovers"}
State = BulkJob.State


def bulk_words_of(batch: Batch) -> list[SafeString]:
    """A sentence for each job that is not over. One query."""
    jobs = BulkJob.objects.filter(batch=batch).exclude(state=State.OVER).order_by("pk")
    found = jobs.select_related("provider", "lane__provider", "lane__offer")
    return [_words(job, is_paused=batch.paused_at is not None) for job in found]


def _words(job: BulkJob, *, is_paused: bool) -> SafeString:
    said = _state_words(job, is_paused=is_paused)
    return format_html("{} ({}.)", said, job.message.rstrip(".")) if job.message else said


def _state_words(job: BulkJob, *, is_paused: bool) -> SafeString:
    what = f"{job.lines:,} {job.capability if job.lines == 1 else PLURALS.get(job.capability, job.capability)}"
    match job.state:
        case State.OPEN | State.CLOSED if is_paused:
            return format_html("{} for {} in bulk: sent when the batch goes on.", what, job.provider)
        case State.OPEN | State.CLOSED if kept := _kept_by(job, timezone.now()):
            return format_html("{} for {} in bulk: not sent yet. {}.", what, job.provider, kept)
        case State.OPEN:
            return format_html(
                "{} gathered for {} in bulk: sent within a minute, or once it is full.", what, job.provider
            )
        case State.CLOSED:
            return format_html("{} for {} in bulk: about to be sent.", what, job.provider)
        case State.SENDING:
            return format_html("{} on the way to {} in bulk.", what, job.provider)
        case State.UNKNOWN:
            return format_html(
                "{} in bulk: the answer of {} was lost; the order is looked for there.", what, job.provider
            )
        case State.READING:
            return format_html("{} in bulk: {} is done, and the results are read.", what, job.provider)
    return _out_words(job, what)


def _kept_by(job: BulkJob, now: datetime) -> str:
    provider, lane = job.provider, job.lane
    return (
        off(provider, now)
        or paused(str(provider), provider.paused, provider.paused_until, provider.pause_reason, now)
        or paused(name_of(lane), lane.paused, lane.paused_until, lane.pause_reason, now)
        or (stopped(lane) if lane.max_in_flight == 0 else "")
    )


def _out_words(job: BulkJob, what: str) -> SafeString:
    assert job.sent_at is not None
    window = timedelta(seconds=registry.all_adapters().get(job.provider.slug, Adapter).bulk_window_s)
    done = f", {job.done:,} worked on" if job.done else ""
    return format_html(
        "{} in bulk at {} since {}{}: back by {}, often sooner.",
        what,
        job.provider,
        when(job.sent_at),
        done,
        when(job.sent_at + window),
    )
