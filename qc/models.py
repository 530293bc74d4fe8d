"""Thresholds that an admin edits, and what was found about files. Keyed by file hash: qc knows no videos."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction

from .types import KINDS, Limits, Status

DEFAULTS = Limits()
LIMIT_NAMES = tuple(each.name for each in fields(Limits))


def _amount(
    label: str, default: float, help_text: str, *, most: float | None = None
) -> models.FloatField[float, float]:
    bounds = [MinValueValidator(0.0), *([MaxValueValidator(most)] if most is not None else [])]
    return models.FloatField(label, default=default, help_text=help_text, validators=bounds)


def _count(label: str, default: int, help_text: str) -> models.PositiveIntegerField[int, int]:
    return models.PositiveIntegerField(label, default=default, help_text=help_text)


def _loudness(label: str, default: float, help_text: str) -> models.FloatField[float, float]:
    bounds = [MinValueValidator(-70.0), MaxValueValidator(0.0)]
    return models.FloatField(label, default=default, help_text=help_text, validators=bounds)


class Profile(models.Model):
    """The limits that a project's files are held to: one column for each field of Limits, of the same name."""

    name = models.CharField(max_length=100, unique=True)
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Rises with every change of a limit; files are then judged anew."
    )

    image_min_size_share = _amount(
        "smallest picture, share of the size asked for",
        DEFAULTS.image_min_size_share,
        "0.9 = 90 % of the width and of the height asked for.",
        most=1,
    )
    image_min_short_side_px = _count(
        "shorter side, px", DEFAULTS.image_min_short_side_px, "Pixels; used where no size was asked for."
    )
    image_max_aspect_error = _amount(
        "aspect ratio off by, share",
        DEFAULTS.image_max_aspect_error,
        "0.03 = 3 % wider or narrower than asked for.",
        most=1,
    )
    image_min_contrast = _amount(
        "contrast, of 255",
        DEFAULTS.image_min_contrast,
        "Standard deviation of the strongest colour; an even area has 0.",
        most=255,
    )
    image_min_edge_energy = _amount(
        "edges, of 255",
        DEFAULTS.image_min_edge_energy,
        "Mean step between neighbouring pixels of a copy of 512 px; an even area has 0.",
        most=255,
    )

    clip_max_duration_error_s = _amount(
        "clip length off by, s", DEFAULTS.clip_max_duration_error_s, "Seconds shorter or longer than asked for."
    )
    clip_min_size_share = _amount(
        "smallest clip, share of the size asked for",
        DEFAULTS.clip_min_size_share,
        "0.9 = 90 % of the width and of the height asked for.",
        most=1,
    )
    clip_min_short_side_px = _count(
        "clip's shorter side, px", DEFAULTS.clip_min_short_side_px, "Pixels; used where no size was asked for."
    )
    clip_codecs = models.CharField(
        "codecs of clips",
        max_length=200,
        default=DEFAULTS.clip_codecs,
        help_text="Names as ffprobe gives them, with commas between.",
    )
    clip_min_fps = _amount(
        "lowest frame rate, per s", DEFAULTS.clip_min_fps, "Frames per second; used where no frame rate was asked for."
    )
    clip_max_fps = _amount("highest frame rate, per s", DEFAULTS.clip_max_fps, "Frames per second.")
    clip_max_fps_error = _amount(
        "frame rate too low by, per s", DEFAULTS.clip_max_fps_error, "Frames per second fewer than asked for."
    )
    clip_max_size_mb = _amount("largest clip, MB", DEFAULTS.clip_max_size_mb, "Megabytes of 1,000,000 bytes.")

    voiceover_min_duration_share = _amount(
        "shortest voice, share of the plan",
        DEFAULTS.voiceover_min_duration_share,
        "0.4 = 40 % of the seconds planned in the script.",
    )
    voiceover_max_duration_share = _amount(
        "longest voice, share of the plan",
        DEFAULTS.voiceover_max_duration_share,
        "1.8 = 180 % of the seconds planned in the script.",
    )
    voiceover_max_silence_s = _amount(
        "longest silence, s", DEFAULTS.voiceover_max_silence_s, "Seconds without a sound above -45 dBFS."
    )
    voiceover_max_clipped_percent = _amount(
        "clipped samples, %",
        DEFAULTS.voiceover_max_clipped_percent,
        "Percent of the samples that lie in flat tops.",
        most=100,
    )
    voiceover_min_bitrate_kbps = _amount("bitrate, kbit/s", DEFAULTS.voiceover_min_bitrate_kbps, "Kilobits per second.")

    render_max_duration_error_s = _amount(
        "video length off by, s",
        DEFAULTS.render_max_duration_error_s,
        "Seconds shorter or longer than its scenes together.",
    )
    render_max_drift_frames = _amount(
        "picture and sound apart, frames",
        DEFAULTS.render_max_drift_frames,
        "Frames by which one may be longer than the other.",
    )
    render_loudness_lufs = _loudness(
        "loudness, LUFS",
        DEFAULTS.render_loudness_lufs,
        "Integrated loudness by EBU R 128; -14 is what the large platforms play.",
    )
    render_max_loudness_error_lu = _amount(
        "loudness off by, LU", DEFAULTS.render_max_loudness_error_lu, "Loudness units louder or softer."
    )

    script_max_scene_difference = _count(
        "scenes more or fewer", DEFAULTS.script_max_scene_difference, "Scenes more or fewer than asked for."
    )
    script_max_length_error_percent = _amount(
        "script length off by, %", DEFAULTS.script_max_length_error_percent, "Percent shorter or longer than asked for."
    )

    moderation_max_score = _amount(
        "moderation score",
        DEFAULTS.moderation_max_score,
        "A category with this score or more is objected to; 0 to 1.",
        most=1,
    )

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return f"{self.name}, version {self.version}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A change of a limit makes the next version, whoever else saves at the same time."""
        with transaction.atomic():
            before = Profile.objects.select_for_update().filter(pk=self.pk).first()
            if before is not None:
                self.version = before.version + (before.limits() != self.limits())
                if kwargs.get("update_fields") is not None:
                    kwargs["update_fields"] = {*kwargs["update_fields"], "version"}
            super().save(*args, **kwargs)

    def limits(self) -> Limits:
        return Limits(**{name: getattr(self, name) for name in LIMIT_NAMES})


class Facts(models.Model):
    """What one file is, measured once."""

    file_hash = models.CharField(max_length=64)
    kind = models.CharField(max_length=20, choices=[(kind, kind) for kind in KINDS])
    values = models.JSONField()

    class Meta:
        verbose_name_plural = "facts"
        constraints: ClassVar = [models.UniqueConstraint(fields=["file_hash", "kind"], name="facts_once_per_file")]

    def __str__(self) -> str:
        return f"{self.kind} {self.file_hash[:12]}"


class Inspection(models.Model):
    """One file, one version of a profile, one set of expectations: judged once."""

    file_hash = models.CharField(max_length=64)
    kind = models.CharField(max_length=20, choices=[(kind, kind) for kind in KINDS])
    profile_name = models.CharField(max_length=100)
    profile_version = models.PositiveIntegerField()
    expectations_hash = models.CharField(max_length=64)
    passed = models.BooleanField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["file_hash", "kind", "profile_name", "profile_version", "expectations_hash"],
                name="inspection_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.file_hash[:12]}: {'passed' if self.passed else 'failed'}"

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        return self.file_hash, self.kind, self.profile_name, self.profile_version, self.expectations_hash


class CheckResult(models.Model):
    SHORT, LONG = 200, 500

    inspection = models.ForeignKey(Inspection, on_delete=models.CASCADE, related_name="results")
    name = models.CharField(max_length=60)
    status = models.CharField(max_length=10, choices=[(status.value, status.value) for status in Status])
    measured = models.CharField(max_length=SHORT, blank=True)
    threshold = models.CharField(max_length=SHORT, blank=True)
    sentence = models.CharField(max_length=LONG)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["inspection", "name"], name="check_once")]
        indexes: ClassVar = [models.Index(fields=["name", "status"], name="check_pass_rate")]

    def __str__(self) -> str:
        return f"{self.name}: {self.status}"
