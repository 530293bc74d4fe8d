"""The finished video from clips and voiceovers: segments, soundtrack, captions, poster, and a check of the result."""

from __future__ import annotations

import math
import wave
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from .audio import measure_loudness
from .captions import Cue, cues, write_ass, write_srt, write_vtt
from .errors import BadMedia, MediaError, ProgramFailed
from .ffmpeg import aac_args, ffmpeg, mp4_args, require_filter, still
from .ffprobe import input_args, probe
from .fonts import require_fonts
from .loudness import SILENT_LUFS, TARGET_LUFS, TOLERANCE_LU, level
from .overlay import Overlay, write_overlay
from .segment import FittedClip, Frame, Segment, fit, write_segment

SAMPLE_RATE = 48000
CHANNELS = 2
BYTES_PER_SAMPLE_TIME = 2 * CHANNELS
DECODE_TIMEOUT_S = 60.0
JOIN_TIMEOUT_S = 120.0
POSTER_AT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenePart:
    clip: Path
    voiceover: Path | None
    narration: str
    voice_s: float  # as measured; a scene lasts at least so long


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderSettings:
    width: int
    height: int
    fps: int = 25
    crossfade_s: float = 0.0
    burn_captions: bool = False
    overlay_text: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    video: Path
    srt: Path
    vtt: Path
    poster: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A scene with its place on the common clock of frames."""

    part: ScenePart
    pcm: Path
    spoken_s: float
    first: int
    frames: int


def render(parts: Sequence[ScenePart], settings: RenderSettings, workdir: Path) -> Rendered:
    """Builds everything in `workdir`, which must be empty."""
    check_texts(parts, settings)
    frame = Frame(width=settings.width, height=settings.height, fps=settings.fps)
    timeline = _timeline(parts, settings.fps, workdir)
    overlay = write_overlay(settings.overlay_text, workdir, width_px=settings.width, height_px=settings.height)
    segments = _segments(timeline, settings, overlay, workdir)
    for number, segment in enumerate(segments):
        with _blamed("clip", number):
            write_segment(segment, workdir / f"segment-{number}.mp4", frame=frame)
    soundtrack = _soundtrack(timeline, settings.fps, workdir)
    video = _joined(len(segments), soundtrack, workdir)
    _check_result(video, settings, timeline)
    return _with_companions(video, timeline, settings, workdir)


def check_texts(parts: Iterable[ScenePart], settings: RenderSettings) -> None:
    """Raises FontMissing, or says what ffmpeg lacks, before any work is done."""
    drawn = [settings.overlay_text]
    if settings.overlay_text.strip():
        require_filter("drawtext")
    if settings.burn_captions:
        require_filter("ass")
        drawn += [part.narration for part in parts]
    require_fonts("\n".join(drawn), language=settings.language)


def columns_for(settings: RenderSettings) -> int:
    """Signs per line of captions: narrower pictures take fewer."""
    ratio = settings.width / settings.height
    return 42 if ratio > 1.2 else 32 if ratio > 0.8 else 26


def _timeline(parts: Sequence[ScenePart], fps: int, workdir: Path) -> list[Timed]:
    decoded = [_decoded(part, number, workdir) for number, part in enumerate(parts)]
    spoken = [max(part.voice_s, _seconds_of(pcm)) for part, pcm in zip(parts, decoded, strict=True)]
    # Rounded up to whole frames, so that no voice loses its end.
    frames = [max(math.ceil(seconds * fps - 1e-6), 1) for seconds in spoken]
    firsts = [0, *accumulate(frames)]
    return [
        Timed(part=part, pcm=pcm, spoken_s=seconds, first=first, frames=count)
        for part, pcm, seconds, first, count in zip(parts, decoded, spoken, firsts, frames, strict=False)
    ]


def _decoded(part: ScenePart, number: int, workdir: Path) -> Path:
    """The voice as raw samples, whose number is its exact length."""
    out = workdir / f"voice-{number}.pcm"
    if part.voiceover is None:
        out.write_bytes(b"")
        return out
    shape = ["-map", "0:a:0", "-ar", str(SAMPLE_RATE), "-ac", str(CHANNELS), "-f", "s16le", f"file:{out.absolute()}"]
    with _blamed("voiceover", number):
        ffmpeg([*input_args(part.voiceover), *shape], timeout_s=DECODE_TIMEOUT_S)
    return out


@contextmanager
def _blamed(what: str, number: int) -> Iterator[None]:
    """Names the scene whose file is at fault, since file names mean nothing to a person."""
    try:
        yield
    except (BadMedia, ProgramFailed) as error:
        message = f"The {what} of scene {number + 1} cannot be used: its file is damaged. Make this {what} again."
        raise BadMedia(message, detail=f"{error.message} {error.detail}") from error


def _seconds_of(pcm: Path) -> float:
    return pcm.stat().st_size / BYTES_PER_SAMPLE_TIME / SAMPLE_RATE


def _segments(
    timeline: Sequence[Timed], settings: RenderSettings, overlay: Overlay | None, workdir: Path
) -> list[Segment]:
    # The overlap is added to a clip's end and lies over the start of the next scene: speech keeps its time.
    overlap = min(round(settings.crossfade_s * settings.fps), min(scene.frames for scene in timeline) // 2)
    segments: list[Segment] = []
    before: FittedClip | None = None
    for number, scene in enumerate(timeline):
        more = overlap if number + 1 < len(timeline) else 0
        with _blamed("clip", number):
            clip = fit(scene.part.clip, frames=scene.frames + more, fps=settings.fps)
        captions = _burned(scene, workdir / f"captions-{number}.ass", settings) if settings.burn_captions else None
        segments.append(
            Segment(clip=clip, frames=scene.frames, before=before, overlap=overlap, captions=captions, overlay=overlay)
        )
        before = clip
    return segments


def _burned(scene: Timed, path: Path, settings: RenderSettings) -> Path:
    own = cues(scene.part.narration, start_s=0, duration_s=scene.spoken_s, columns=columns_for(settings))
    write_ass(path, own, width_px=settings.width, height_px=settings.height)
    return path


def _soundtrack(timeline: Sequence[Timed], fps: int, workdir: Path) -> Path:
    """All voices, each starting exactly with the first frame of its scene, at the target loudness."""
    raw, levelled = workdir / "voices.wav", workdir / "soundtrack.wav"
    samples = _sample_at(timeline[-1].first + timeline[-1].frames, fps)
    with wave.open(str(raw), "wb") as file:
        file.setparams((CHANNELS, 2, SAMPLE_RATE, samples, "NONE", ""))
        for scene in timeline:
            room = _sample_at(scene.first + scene.frames, fps) - _sample_at(scene.first, fps)
            voice = scene.pcm.read_bytes()[: room * BYTES_PER_SAMPLE_TIME]
            file.writeframes(voice.ljust(room * BYTES_PER_SAMPLE_TIME, b"\0"))
    level(raw, levelled, samples=samples)
    return levelled


def _sample_at(frame: int, fps: int) -> int:
    return round(frame * SAMPLE_RATE / fps)


def _joined(count: int, soundtrack: Path, workdir: Path) -> Path:
    """The segments one after the other, not encoded again, with the soundtrack."""
    names = "".join(f"file segment-{number}.mp4\n" for number in range(count))
    (workdir / "segments.txt").write_text(f"ffconcat version 1.0\n{names}")
    pictures = ["-f", "concat", "-protocol_whitelist", "file", "-i", "segments.txt"]
    video = workdir / "video.mp4"
    ffmpeg(
        [*pictures, *input_args(soundtrack), "-map", "0:v:0", "-map", "1:a:0", "-c:v", "copy", *aac_args(),
         *mp4_args(video)],
        timeout_s=JOIN_TIMEOUT_S,
        cwd=workdir,
    )  # fmt: skip
    return video


def _check_result(video: Path, settings: RenderSettings, timeline: Sequence[Timed]) -> None:
    info = probe(video)
    picture, sound = info.video[0], info.audio[0]
    wanted = timeline[-1].first + timeline[-1].frames
    apart_s = abs(picture.duration_s - sound.duration_s)
    if picture.frames != wanted or apart_s > 1 / settings.fps:
        detail = f"{picture.frames} frames of {wanted}, picture and sound {apart_s:.3f} s apart"
        raise MediaError("The render came out with picture and sound of different lengths. Try again.", detail=detail)
    loudness = measure_loudness(video).integrated_lufs
    if loudness > SILENT_LUFS and abs(loudness - TARGET_LUFS) > TOLERANCE_LU:
        raise MediaError("The render missed its loudness. Try again.", detail=f"{loudness:.1f} LUFS")


def _with_companions(video: Path, timeline: Sequence[Timed], settings: RenderSettings, workdir: Path) -> Rendered:
    all_cues: list[Cue] = []
    for scene in timeline:
        all_cues += cues(
            scene.part.narration,
            start_s=scene.first / settings.fps,
            duration_s=scene.spoken_s,
            columns=columns_for(settings),
        )
    made = Rendered(
        video=video, srt=workdir / "captions.srt", vtt=workdir / "captions.vtt", poster=workdir / "poster.jpg"
    )
    write_srt(made.srt, all_cues)
    write_vtt(made.vtt, all_cues)
    whole_s = (timeline[-1].first + timeline[-1].frames) / settings.fps
    still(video, made.poster, at_s=min(POSTER_AT_S, whole_s / 3), width=settings.width)
    return made
