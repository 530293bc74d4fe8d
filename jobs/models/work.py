"""Steps, the attempts made at them, and the processes that do the work."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from jobs.states import Reason, Stage, State
from providers.models import CAPABILITIES, Lane, Offer, Price, Provider

from .content import Batch, Scene, Video

CLOCK_SKEW = timedelta(minutes=5)  # between this machine and another one, at most


class Step(models.Model):
    """One piece of work. Never reopened once DONE: a new try is a new round.

    Each move writes into every index of it, so there are few: foreign keys that no question begins with have none.
    """

    class GaveWay(models.TextChoices):
        """Why the offer that it was meant for does not make it."""

        STOPPED = "stopped", "is stopped"
        DECLINED = "declined", "declined the content"
        SLOW = "slow", "is too slow for the deadline"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="steps", db_index=False)
    video = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="steps")
    scene = models.ForeignKey(Scene, on_delete=models.CASCADE, null=True, related_name="steps")
    stage = models.CharField(max_length=20, choices=Stage)
    round = models.PositiveIntegerField(default=1)  # the version it will make
    wanted = models.CharField(max_length=64)  # SHA-256 of what is wanted
    want = models.JSONField()  # what is wanted, in full: the request is built from it alone
    lane = models.ForeignKey(Lane, on_delete=models.PROTECT, related_name="steps", db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="steps", db_index=False)
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, null=True, db_index=False)
    instead_of = models.ForeignKey(  # the offer that it was meant for, where another took over
        Offer, on_delete=models.PROTECT, null=True, db_index=False, related_name="+"
    )
    gave_way = models.CharField(max_length=8, choices=GaveWay, blank=True, default="", db_default="")  # … and why
    gate = models.BigIntegerField(default=0)
    rank = models.BigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State, default=State.READY)
    reason = models.CharField(max_length=10, choices=Reason, blank=True)
    message = models.CharField(max_length=500, blank=True)  # a sentence for people
    fence = models.PositiveBigIntegerField(default=0)  # only grows; stands in every guarded update
    owner = models.UUIDField(null=True)  # Worker that owns it just now
    lease_until = models.DateTimeField(null=True)
    not_before = models.DateTimeField(default=timezone.now)  # READY: earliest start; RUNNING: next poll
    crash_count = models.PositiveSmallIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)  # definite ones
    cancel_asked = models.BooleanField(default=False)  # a remote job is ended where the vendor can, and its bill booked
    links = models.JSONField(default=list)  # outputs known but not fetched yet
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["video", "stage", "round"], condition=Q(scene=None), name="step_once_without_scene"
            ),
            models.UniqueConstraint(
                fields=["video", "scene", "stage", "round"], condition=~Q(scene=None), name="step_once_with_scene"
            ),
        ]
        indexes: ClassVar = [
            # Plain, not partial: SQLite does not use a partial index for a condition with bound parameters.
            models.Index(fields=["state", "provider", "batch", "rank", "id"], name="step_by_rank"),
            models.Index(fields=["state", "not_before"], name="step_by_time"),
            models.Index(fields=["batch", "stage", "state"]),
        ]

    def __str__(self) -> str:
        return f"{self.get_stage_display()} {self.round}"


class BulkJob(models.Model):
    """Many steps of one batch that go to their vendor in one file, for less. Each line of it is an Attempt.

    `fence` and `owner` are as a step's: whoever does the next thing about it holds it for so long.
    """

    class State(models.TextChoices):
        OPEN = "open", "Being filled"
        CLOSED = "closed", "To be sent"
        SENDING = "sending", "Being sent"
        UNKNOWN = "unknown", "Answer lost"
        RUNNING = "running", "At the provider"
        READING = "reading", "Results are read"
        OVER = "over", "Over"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="bulk_jobs")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT)
    lane = models.ForeignKey(Lane, on_delete=models.PROTECT)
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT)
    capability = models.CharField(max_length=20, choices=CAPABILITIES)
    tag = models.CharField(max_length=40, unique=True)  # the vendor keeps it: by it a lost answer is found
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    lines = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)  # as the vendor counts
    input_file = models.CharField(max_length=200, blank=True)  # its name at the vendor: uploaded, not ordered yet
    external_id = models.CharField(max_length=200, blank=True)
    word = models.CharField(max_length=50, blank=True)  # the vendor's, for how it stands
    message = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)  # the intent
    ended_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)  # when something is to be done about it; None: it is over
    too_much = models.BooleanField(default=False)  # more than the vendor lets wait: the next one is half as large
    listings_without = models.PositiveSmallIntegerField(default=0)  # that did not show it while its answer was lost
    owner = models.UUIDField(null=True)  # Worker that does it just now
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["batch", "lane", "offer"], condition=Q(state="open"), name="one_open_bulk_job"
            ),
            models.UniqueConstraint(
                fields=["provider", "external_id"], condition=~Q(external_id=""), name="remote_bulk_job_once"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["next_at"], name="bulk_job_by_time")]

    def __str__(self) -> str:
        return f"{self.lines} × {self.capability} in bulk at {self.provider}"


class Attempt(models.Model):
    """One try at a step that may cost money. Written before the call, never rewritten once final."""

    class Outcome(models.TextChoices):
        NONE = "none", "Under way"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Refused"
        NOT_SENT = "not_sent", "Not sent"
        UNKNOWN = "unknown", "Answer lost"
        ADOPTED = "adopted", "Found again"
        GIVEN_UP = "given_up", "Given up"

    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    no = models.PositiveBigIntegerField()  # the fence of its claim
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, db_index=False)
    lane = models.ForeignKey(Lane, on_delete=models.PROTECT)
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, null=True, db_index=False)
    capability = models.CharField(max_length=20, choices=CAPABILITIES)
    tag = models.CharField(max_length=40, unique=True)
    request_hash = models.CharField(max_length=64)
    request = models.JSONField()  # as sent
    images = models.PositiveIntegerField(default=0)
    tokens = models.PositiveIntegerField(default=0)
    characters = models.PositiveIntegerField(default=0)
    price = models.ForeignKey(Price, on_delete=models.PROTECT, db_index=False)
    reserved_micro = models.BigIntegerField(default=0)
    sent_at = models.DateTimeField()  # the intent
    on_wire_at = models.DateTimeField(null=True)  # the first byte
    send_deadline = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.NONE)
    external_id = models.CharField(max_length=200, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    message = models.CharField(max_length=500, blank=True)
    units = models.JSONField(default=dict)
    cost_micro = models.BigIntegerField(default=0)
    ending_since = models.DateTimeField(null=True)  # too old: from then on it is ended at the vendor
    ended_at = models.DateTimeField(null=True)  # the place it took is free again
    bulk = models.ForeignKey(  # of which it is a line
        BulkJob, on_delete=models.PROTECT, null=True, db_index=False, related_name="attempts"
    )
    counts = models.BooleanField(default=True, db_default=True)  # as a request; of a bulk job one line does, for all

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["step", "no"], name="attempt_no_once"),
            models.UniqueConstraint(
                fields=["provider", "external_id"], condition=~Q(external_id=""), name="remote_job_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["provider", "ended_at", "lane"], name="attempt_in_flight"),
            models.Index(
                fields=["provider", "sent_at"],
                include=["on_wire_at", "capability", "offer", "images", "tokens", "characters"],
                name="attempt_window",
            ),
            models.Index(fields=["bulk"], condition=Q(bulk__isnull=False), name="attempt_of_bulk"),
        ]

    def __str__(self) -> str:
        return f"{self.tag} ({self.outcome})"


# Attempts that count against the windows of quotas: all that were sent, but for those refused for haste.
COUNTS = Q(counts=True) & ~Q(outcome=Attempt.Outcome.NOT_SENT) & ~Q(outcome=Attempt.Outcome.REJECTED, http_status=429)


class Worker(models.Model):
    """A process that drives. Its identity is new at every start; its lock file proves that it lives."""

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4)
    supervisor = models.UUIDField(null=True)  # whose lock file proves that the whole installation lives
    role = models.CharField(max_length=20)
    host = models.CharField(max_length=200)
    boot_id = models.CharField(max_length=64)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    draining = models.BooleanField(default=False)
    ended_at = models.DateTimeField(null=True)
    erred = models.BooleanField(  # it ended by an error of its own: no step that it held is to blame
        default=False, db_default=False
    )

    class Meta:
        indexes: ClassVar = [models.Index(fields=["role", "seen_at"])]

    def __str__(self) -> str:
        return f"{self.role} {self.pid}@{self.host}"


class Notice(models.Model):
    """Something the engine did by itself that people should know, e.g. that it restarted a cluster."""

    at = models.DateTimeField(default=timezone.now)
    text = models.CharField(max_length=300)

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return self.text
