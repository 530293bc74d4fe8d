"""The words between measuring, judging and storing: facts of a file, what was asked for, limits, results. No Django."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, TypeVar

KINDS = ("script", "image", "clip", "voiceover", "render", "moderation")


class Status(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # it could not run; the sentence says why. Never counts as passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one check found: `sentence` is for the person who decides about the file."""

    name: str
    status: Status
    measured: str
    threshold: str
    sentence: str


# -- facts: what a file is, whatever was asked for. `error` is set when it could not be read --------


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    error: str = ""
    width: int = 0  # as shown, after the turn that EXIF asks for
    height: int = 0
    format: str = ""
    mode: str = ""
    size_bytes: int = 0
    mean: float = 0.0  # brightness, 0 to 255
    contrast: float = 0.0  # standard deviation of the brightness
    spread: float = 0.0  # greatest standard deviation of red, green and blue: hues of equal brightness count
    colours: int = 0  # distinct ones, of 32,768
    entropy: float = 0.0  # bits of the brightness
    edge_energy: float = 0.0  # mean step between neighbours, strongest colour, on a copy of 512 px


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    error: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    codec: str = ""
    pixel_format: str = ""
    fps: float = 0.0
    frames: int | None = None
    duration_s: float = 0.0
    bitrate_kbps: float = 0.0
    size_bytes: int = 0
    audio_streams: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceFacts:
    error: str = ""
    duration_s: float = 0.0
    longest_silence_s: float = 0.0
    longest_silence_at_s: float = 0.0
    peak_dbfs: float = 0.0
    mean_dbfs: float = 0.0
    clipped_samples: int = 0
    clipped_share: float = 0.0
    bitrate_kbps: float = 0.0
    sample_rate: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderFacts:
    error: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    duration_s: float = 0.0
    picture_s: float = 0.0
    sound_s: float = 0.0
    video_codecs: tuple[str, ...] = ()
    audio_codecs: tuple[str, ...] = ()
    other_streams: int = 0
    integrated_lufs: float | None = None  # None: there is no sound to measure
    true_peak_dbfs: float | None = None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptScene:
    narration: str
    visual_prompt: str
    seconds: float
    hero: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptFacts:
    error: str = ""
    title: str = ""
    hook: str = ""
    description: str = ""
    hashtags: tuple[str, ...] = ()
    scenes: tuple[ScriptScene, ...] = ()

    @property
    def seconds(self) -> float:
        return sum(scene.seconds for scene in self.scenes)

    @property
    def words(self) -> int:
        return sum(len(scene.narration.split()) for scene in self.scenes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModerationFacts:
    error: str = ""
    flagged: bool = False
    categories: tuple[tuple[str, float], ...] = ()  # (name, score), highest first


Facts = ImageFacts | ClipFacts | VoiceFacts | RenderFacts | ScriptFacts | ModerationFacts


# -- what was asked for ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """What the file was asked to be. None or empty: nothing was asked, and the check that needs it is skipped."""

    width: int | None = None
    height: int | None = None
    aspect_ratio: str = ""  # "16:9"
    seconds: float | None = None  # planned: of the scene for clip and voiceover, of the video for a script
    sum_s: float | None = None  # the length a render should have
    fps: float | None = None
    language: str = ""
    words: int | None = None
    scenes: int | None = None
    prompt: str = ""
    references: tuple[str, ...] = ()  # hashes of the project's style references
    media_type: str = field(default="", metadata={"hashed": False})  # as declared; only remarked upon

    def hash(self) -> str:
        """Of what was asked, not of what was left open: a field added later changes no old hash."""
        asked = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.metadata.get("hashed", True) and getattr(self, each.name) != each.default
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def ratio(self) -> float | None:
        """Width over height, from the named aspect ratio or else from the size; None when neither was asked."""
        wide, _, high = self.aspect_ratio.partition(":")
        try:
            return float(wide) / float(high)
        except (ValueError, ZeroDivisionError):
            return self.width / self.height if self.width and self.height else None


# -- the outcome ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    file_hash: str
    kind: str
    facts: dict[str, Any]
    results: tuple[Result, ...]
    passed: bool  # something was looked at and nothing failed
    expectations_hash: str
    duration_s: float = 0.0
    width: int = 0
    height: int = 0


# -- limits ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All thresholds; a Profile row has one column for each, of the same name."""

    image_min_size_share: float = 0.9  # of the width and height asked for
    image_min_short_side_px: int = 256  # where no size was asked for
    image_max_aspect_error: float = 0.03  # relative; 1792×1024 counts as 16:9
    image_min_contrast: float = 2.5
    image_min_edge_energy: float = 0.04

    clip_max_duration_error_s: float = 0.5
    clip_min_size_share: float = 0.9
    clip_min_short_side_px: int = 256
    clip_codecs: str = "h264, hevc, vp9, av1"
    clip_min_fps: float = 23.0
    clip_max_fps: float = 61.0
    clip_max_fps_error: float = 6.5  # fewer than asked for; vendors sell 24 where 30 was wanted
    clip_max_size_mb: float = 200.0

    voiceover_min_duration_share: float = 0.4  # of the seconds planned in the script
    voiceover_max_duration_share: float = 1.8
    voiceover_max_silence_s: float = 1.0
    voiceover_max_clipped_percent: float = 0.05
    voiceover_min_bitrate_kbps: float = 32.0

    render_max_duration_error_s: float = 0.3
    render_max_drift_frames: float = 1.0
    render_loudness_lufs: float = -14.0
    render_max_loudness_error_lu: float = 1.0

    script_max_scene_difference: int = 0
    script_max_length_error_percent: float = 30.0

    moderation_max_score: float = 0.8


# -- checks ---------------------------------------------------------------------------------------

F = TypeVar("F", bound=Facts)
Judgement = Callable[[F, Expectations, Limits], Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    name: str
    kind: str
    reads: bool  # judges whether the file could be read at all; the others of its kind depend on it
    judge: Callable[[Any, Expectations, Limits], Result]


CHECKS: dict[str, Check] = {}


def check(name: str, *, kind: str, reads: bool = False) -> Callable[[Judgement[F]], Judgement[F]]:
    """Registers a judgement under its name; the results it gives carry that name."""
    if kind not in KINDS or name.partition(".")[0] != kind:
        raise ValueError(f"The check {name!r} must be named after one of the kinds {', '.join(KINDS)}.")

    def register(function: Judgement[F]) -> Judgement[F]:
        if name in CHECKS and CHECKS[name].judge.__module__ != function.__module__:
            raise ValueError(f"There are two checks named {name!r}.")

        def named(facts: F, expected: Expectations, limits: Limits) -> Result:
            return replace(function(facts, expected, limits), name=name)

        named.__module__, named.__name__, named.__doc__ = function.__module__, function.__name__, function.__doc__
        CHECKS[name] = Check(name=name, kind=kind, reads=reads, judge=named)
        return named

    return register


def judge(good: bool, *, measured: str, threshold: str, sentence: str) -> Result:
    """`sentence` is said whether the file is good or not, so it states what is, not what should be."""
    status = Status.PASSED if good else Status.FAILED
    return Result(name="", status=status, measured=measured, threshold=threshold, sentence=sentence)


def skip(reason: str) -> Result:
    return Result(name="", status=Status.SKIPPED, measured="", threshold="", sentence=f"not run: {reason}")
