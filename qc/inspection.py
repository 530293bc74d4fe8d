"""measure → judge → Inspection: what jobs calls about a file. `examine` works in any thread; `record` writes rows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from providers.media.errors import BadMedia
from providers.media.ffmpeg import still

from .judging import judge_all
from .measure.clip import measure_clip
from .measure.image import measure_image
from .measure.moderation import measure_moderation
from .measure.render import measure_render
from .measure.script import measure_script
from .measure.voiceover import measure_voiceover
from .models import Inspection
from .recording import write
from .types import Examined, Expectations, Facts, Limits, Status

__all__ = ["Examined", "examine", "record", "record_many"]

THUMBNAIL_WIDTH = 640
POSTER_AT = 0.25  # of the length: past a fade-in, before the end

MEASURES: dict[str, Callable[[Path], Facts]] = {
    "script": measure_script,
    "clip": measure_clip,
    "voiceover": measure_voiceover,
    "render": measure_render,
    "moderation": measure_moderation,
}


def examine(
    path: Path,
    *,
    kind: str,
    media_type: str,
    expected: Expectations,
    limits: Limits,
    thumbnail: Path | None = None,
) -> Examined:
    """Raises MediaError only for what is no fault of the file: a missing program, or that the work was stopped.

    A thumbnail is written for image, clip and render whenever the file can be read, also when it fails a check.
    """
    facts = _measure(path, kind=kind, thumbnail=thumbnail)
    results = judge_all(facts, kind=kind, expected=replace(expected, media_type=media_type), limits=limits)
    statuses = {result.status for result in results}
    return Examined(
        file_hash=_sha256(path),
        kind=kind,
        facts=asdict(facts),
        results=results,
        passed=Status.PASSED in statuses and Status.FAILED not in statuses,
        expectations_hash=expected.hash(),
        duration_s=float(getattr(facts, "duration_s", 0.0)),
        width=int(getattr(facts, "width", 0)),
        height=int(getattr(facts, "height", 0)),
    )


def record(examined: Examined, *, profile_name: str, profile_version: int) -> Inspection:
    """The Inspection of this file under this profile and these expectations: the one that exists, or a new one."""
    return record_many([(examined, profile_name, profile_version)])[0]


def record_many(judged: Sequence[tuple[Examined, str, int]]) -> list[Inspection]:
    """(examined, profile name, profile version) → their Inspections in the same order; four statements in all."""
    return write(judged) if judged else []


def _measure(path: Path, *, kind: str, thumbnail: Path | None) -> Facts:
    """A thumbnail appears under its name only when it is complete."""
    partial = thumbnail.with_name(f".{thumbnail.name}.part") if thumbnail is not None else None
    try:
        if kind == "image":
            facts: Facts = measure_image(path, thumbnail=partial, thumbnail_width=THUMBNAIL_WIDTH)
        else:
            facts = MEASURES[kind](path)
            if partial is not None and not facts.error:
                _write_poster(path, partial, facts)
        if thumbnail is not None and partial is not None and partial.exists():
            os.replace(partial, thumbnail)
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
    return facts


def _write_poster(path: Path, out: Path, facts: Facts) -> None:
    width, duration_s = getattr(facts, "width", 0), getattr(facts, "duration_s", 0.0)
    if not width:
        return
    try:
        still(path, out, at_s=duration_s * POSTER_AT, width=min(THUMBNAIL_WIDTH, width))
    except BadMedia:  # there is none after that moment: a single frame, or one that is held
        still(path, out, width=min(THUMBNAIL_WIDTH, width))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
