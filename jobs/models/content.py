"""Projects, batches, videos, scenes and the files made for them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings as site
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils import timezone

from jobs.settings_types import ASPECT_RATIOS, STRATEGIES, BatchSettings, effective, from_json, merged
from jobs.states import USABLE, Verdict
from qc.models import Inspection, Profile


class ProjectQuerySet(models.QuerySet["Project"]):
    def for_user(self, user: AbstractBaseUser | AnonymousUser) -> ProjectQuerySet:
        """Projects the person belongs to; a superuser sees all."""
        return self if getattr(user, "is_superuser", False) else self.filter(members=user.pk)


class Project(models.Model):
    """A brand or channel: what all of its videos have in common."""

    name = models.CharField(max_length=100, unique=True)
    slug = models.SlugField(max_length=100, unique=True)
    members = models.ManyToManyField(site.AUTH_USER_MODEL, through="Membership", related_name="projects")
    aspect_ratio = models.CharField(max_length=5, choices=[(a, a) for a in ASPECT_RATIOS], default="16:9")
    short_side = models.PositiveIntegerField("resolution", choices=[(720, "720p"), (1080, "1080p")], default=720)
    language = models.CharField(max_length=10, default="en")
    voice = models.CharField(max_length=100, blank=True)
    style = models.CharField(
        max_length=300, blank=True, help_text="Said in every visual prompt, e.g. “warm paper-cut, soft light”."
    )
    defaults = models.JSONField(default=dict, blank=True, editable=False)  # a partial BatchSettings
    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, verbose_name="QC profile")
    is_sample = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def batch_settings(self) -> BatchSettings:
        """What a new batch of this project starts from."""
        own = {name: getattr(self, name) for name in ("aspect_ratio", "short_side", "language", "voice", "style")}
        return merged(BatchSettings(), {**own, **self.defaults})


class Membership(models.Model):
    """Belonging to a project decides what one sees; the group decides what one may do."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE)
    user = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "user"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.project}"


class StyleReference(models.Model):
    """A picture that says what the project should look like."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="references")
    name = models.CharField(max_length=200)  # path in the media store
    sha256 = models.CharField(max_length=64)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "sha256"], name="reference_once")]

    def __str__(self) -> str:
        return self.name


class BatchQuerySet(models.QuerySet["Batch"]):
    def for_user(self, user: AbstractBaseUser | AnonymousUser) -> BatchQuerySet:
        return self if getattr(user, "is_superuser", False) else self.filter(project__members=user.pk)

    def open(self) -> BatchQuerySet:
        return self.filter(finished_at=None, cancelled_at=None)


class Batch(models.Model):
    """One run of a topic list in a project."""

    class Priority(models.IntegerChoices):
        LOW = -1, "Low"
        NORMAL = 0, "Normal"
        HIGH = 1, "High"

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="batches")
    name = models.CharField(max_length=200)
    settings = models.JSONField()  # BatchSettings, frozen at launch
    strategy = models.CharField(max_length=12, choices=[(s, s) for s in STRATEGIES])
    priority = models.SmallIntegerField(choices=Priority, default=Priority.NORMAL)
    weight = models.PositiveSmallIntegerField(default=1)
    finish_by = models.DateTimeField(null=True, blank=True)  # a lane that is too slow for it gives way (failover)
    width = models.PositiveIntegerField(null=True, blank=True)  # steps in flight at most; sequential: 1
    open_gate = models.BigIntegerField(default=0)  # steps with a gate up to this may start
    gate_opens_at = models.DateTimeField(null=True, blank=True)  # … once this moment has come
    in_bulk = models.BooleanField(default=False, db_default=False)  # its settings say so of a stage: drives look
    token = models.CharField(max_length=64, unique=True)  # one form, one batch
    risk_micro = models.BigIntegerField(null=True, blank=True)  # jobs/risk.py; empty: by the site's policy
    created_by = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField(default=timezone.now)
    paused_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-pk"]
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return self.name

    @property
    def batch_settings(self) -> BatchSettings:
        return from_json(self.settings)

    @property
    def is_open(self) -> bool:
        return self.finished_at is None and self.cancelled_at is None


class VideoQuerySet(models.QuerySet["Video"]):
    def for_user(self, user: AbstractBaseUser | AnonymousUser) -> VideoQuerySet:
        return self if getattr(user, "is_superuser", False) else self.filter(batch__project__members=user.pk)


class Video(models.Model):
    """One topic of a batch, from script to final render."""

    class State(models.TextChoices):
        """What the pages say; kept by jobs/advance.py, which derives it from steps and assets."""

        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        GATE = "gate", "Waits for your go"
        REVIEW = "review", "Needs review"
        ATTENTION = "attention", "Needs a person"
        DONE = "done", "Finished"
        CANCELLED = "cancelled", "Cancelled"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="videos")
    position = models.PositiveIntegerField()
    topic = models.CharField(max_length=500)
    notes = models.TextField(blank=True)
    overrides = models.JSONField(default=dict, blank=True)
    title = models.CharField(max_length=300, blank=True)
    hook = models.TextField(blank=True)
    description = models.TextField(blank=True)
    hashtags = models.JSONField(default=list, blank=True)
    script_released_at = models.DateTimeField(null=True, blank=True)
    render_released_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    state_note = models.CharField(max_length=300, blank=True)
    owes_gate = models.BigIntegerField(default=0)  # the lowest gate it still has work for; see jobs/strategies.py
    needs_advance = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)

    objects = VideoQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["batch", "position"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["batch", "position"], name="video_position_once")]
        indexes: ClassVar = [
            models.Index(fields=["batch", "state"]),
            models.Index(fields=["needs_advance"], name="video_marked"),
        ]

    def __str__(self) -> str:
        return self.title or self.topic

    def effective_settings(self) -> BatchSettings:
        return effective(self.batch.settings, self.overrides)


class Scene(models.Model):
    """One shot. Its id stays, its position may move; a retired one belongs to an older script."""

    video = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="scenes")
    position = models.PositiveIntegerField()
    narration = models.TextField()
    visual_prompt = models.TextField()
    seconds = models.FloatField()  # planned
    hero = models.BooleanField(default=False)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["video", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["video", "position"], condition=Q(retired_at=None), name="scene_position_once"
            )
        ]

    def __str__(self) -> str:
        return f"Scene {self.position}"


class AssetQuerySet(models.QuerySet["Asset"]):
    def for_user(self, user: AbstractBaseUser | AnonymousUser) -> AssetQuerySet:
        return self if getattr(user, "is_superuser", False) else self.filter(video__batch__project__members=user.pk)

    def waiting_for_review(self) -> AssetQuerySet:
        return self.filter(current=True, verdict=Verdict.FLAGGED, video__cancelled_at=None)


class Asset(models.Model):
    """One stored file of one step, or one that a person uploaded. Never overwritten; one per slot is current."""

    class Kind(models.TextChoices):
        TOPIC_MODERATION = "topic_moderation", "Topic moderation"
        SCRIPT = "script", "Script"
        TEXT_MODERATION = "text_moderation", "Text moderation"
        VOICEOVER = "voiceover", "Voiceover"
        IMAGE = "image", "Image"
        CLIP = "clip", "Clip"
        RENDER = "render", "Render"
        SRT = "srt", "Captions (SRT)"
        VTT = "vtt", "Captions (VTT)"
        POSTER = "poster", "Poster"

    video = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="assets")
    scene = models.ForeignKey(Scene, on_delete=models.CASCADE, null=True, blank=True, related_name="assets")
    kind = models.CharField(max_length=20, choices=Kind)
    step = models.ForeignKey("jobs.Step", on_delete=models.PROTECT, null=True, blank=True, related_name="assets")
    round = models.PositiveIntegerField(default=1)
    name = models.CharField(max_length=200)  # path in the media store: ab/cd/<sha256>.<ext>
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    media_type = models.CharField(max_length=100)
    thumbnail = models.CharField(max_length=200, blank=True)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    current = models.BooleanField(default=False)
    verdict = models.CharField(max_length=10, choices=Verdict, default=Verdict.UNCHECKED)
    made_for = models.CharField(max_length=64, blank=True)  # the wanted fingerprint it was made for
    stands_for = models.CharField(max_length=64, blank=True)  # … and the one for which it counts, a person may choose
    inspection = models.ForeignKey(Inspection, on_delete=models.SET_NULL, null=True, blank=True)
    checked_s = models.FloatField(default=0)  # how long it took to measure and judge it
    created_at = models.DateTimeField(default=timezone.now)
    reviewing_by = models.ForeignKey(
        site.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reviewing_until = models.DateTimeField(null=True, blank=True)

    objects = AssetQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["video", "kind"], condition=Q(current=True, scene=None), name="current_once_without_scene"
            ),
            models.UniqueConstraint(
                fields=["video", "scene", "kind"],
                condition=Q(current=True) & ~Q(scene=None),
                name="current_once_with_scene",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["video", "kind"]),
            models.Index(fields=["verdict", "current"], name="asset_by_verdict"),
            models.Index(fields=["sha256"]),
            models.Index(fields=["created_at"], name="asset_by_day"),
            models.Index(fields=["kind", "id"], name="asset_by_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def is_usable(self) -> bool:
        return self.verdict in USABLE
