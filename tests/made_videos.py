"""Videos as the engine leaves them, made without it: steps are done by hand, files are a few bytes or a real film."""

from __future__ import annotations

import hashlib
import io
import subprocess
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from PIL import Image

from jobs.advance import advance
from jobs.models import Asset, Scene, Step, Video
from jobs.states import State, Verdict
from qc.models import CheckResult, Inspection

ENDINGS = {"image": "jpg", "clip": "mp4", "render": "mp4", "voiceover": "wav", "script": "json"}
TYPES = {"jpg": "image/jpeg", "mp4": "video/mp4", "wav": "audio/wav", "json": "application/json", "vtt": "text/vtt"}
VTT = b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n"
_film: list[bytes] = []


def stored(content: bytes, ending: str) -> tuple[str, str]:
    """(name in the media store, SHA-256)"""
    sha256 = hashlib.sha256(content).hexdigest()
    path = Path(settings.MEDIA_ROOT) / sha256[:2] / f"{sha256}.{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path.relative_to(settings.MEDIA_ROOT)), sha256


def a_film() -> bytes:
    """Four seconds of a real MP4."""
    if not _film:
        path = Path(settings.WORK_ROOT) / "film.mp4"
        source = ["-f", "lavfi", "-i", "testsrc=s=320x180:r=25:d=4", "-f", "lavfi", "-i", "sine=d=4"]
        coding = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart", "-y", str(path)]
        subprocess.run(["ffmpeg", "-v", "error", *source, *coding], check=True, timeout=60)
        _film.append(path.read_bytes())
    return _film[0]


def a_picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 36), "#a67c52").save(file, "JPEG")
    return file.getvalue()


def an_asset(video: Video, *, kind: str, content: bytes = b"bytes", ending: str = "", **values) -> Asset:
    ending = ending or ENDINGS.get(kind, kind)
    name, sha256 = stored(content, ending)
    given = {"size": len(content), "media_type": TYPES.get(ending, "text/plain"), "current": True, "verdict": "passed"}
    return Asset.objects.create(video=video, kind=kind, name=name, sha256=sha256, **{**given, **values})


def an_inspection(asset: Asset, *, failed: int) -> Inspection:
    inspection = Inspection.objects.create(
        file_hash=asset.sha256,
        kind="image",
        profile_name="default",
        profile_version=1,
        expectations_hash=f"{asset.pk}-{failed}",
        passed=not failed,
    )
    for number in range(max(failed, 1)):
        CheckResult.objects.create(
            inspection=inspection,
            name=f"image.check_{number}",
            status="failed" if failed else "passed",
            measured="contrast 0.4",
            threshold="at least 2.5",
            sentence="The picture is blank.",
        )
    CheckResult.objects.create(
        inspection=inspection, name="image.style", status="skipped", sentence="not run: there are no references"
    )
    Asset.objects.filter(pk=asset.pk).update(inspection=inspection)
    return inspection


def make(video: Video, *, flagged: Iterable[tuple[str, int]] = (), scenes: int = 2, film: bytes = b"film") -> Video:
    """Does all that is due, again and again, until the video is finished or waits for somebody."""
    flagged = set(flagged)
    now = timezone.now()
    Step.objects.filter(video=video).exists() or advance([video.pk], now)
    while steps := list(Step.objects.filter(video=video, state=State.READY).select_related("scene")):
        for step in steps:
            _do(step, video, step.scene.position if step.scene else 0, flagged, scenes, film)
        Step.objects.filter(pk__in=[step.pk for step in steps]).update(state=State.DONE, finished_at=now)
        advance([video.pk], now)
    video.refresh_from_db()
    return video


def _do(step: Step, video: Video, position: int, flagged: set[tuple[str, int]], scenes: int, film: bytes) -> None:
    content = {"image": a_picture(), "clip": film, "render": film}.get(step.stage, b"{}")
    bad = (step.stage, position) in flagged and step.round == 1
    values = {
        "scene": step.scene,
        "step": step,
        "round": step.round,
        "made_for": step.wanted,
        "stands_for": step.wanted,
        "seconds": 4.0,
        "verdict": Verdict.FLAGGED if bad else Verdict.PASSED,
    }
    Asset.objects.filter(video=video, scene=step.scene, kind=step.stage, current=True).update(current=False)
    asset = an_asset(video, kind=step.stage, content=content + f"{step.pk}".encode() * (film == b"film"), **values)
    an_inspection(asset, failed=int(bad))
    if step.stage == "script":
        for place in range(1, scenes + 1):
            Scene.objects.create(
                video=video, position=place, narration=f"Words {place}.", visual_prompt=f"View {place}", seconds=4
            )
    if step.stage == "render":
        Asset.objects.filter(video=video, kind__in=("srt", "vtt", "poster"), current=True).update(current=False)
        an_asset(video, kind="srt", content=b"1\n00:00:00,000 --> 00:00:01,000\nHello\n", step=step)
        an_asset(video, kind="vtt", content=VTT, step=step)
        an_asset(video, kind="poster", content=a_picture(), ending="jpg", step=step)
