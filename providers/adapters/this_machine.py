"""Renders on this machine: fits, joins and levels what the vendors made. Free, and may be done again at will."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from providers.base import Adapter
from providers.exceptions import CallError, NotSent, Rejected, Unknown
from providers.media.assemble import Rendered, RenderSettings, ScenePart, render
from providers.media.errors import DiskFull, MediaError, MediaTimeout, ProgramMissing, Stopped
from providers.offer_spec import OfferSpec
from providers.types import Capability, Finished, Output, Recovery, Request

SMALLEST, LARGEST = 64, 4096
FRAME_RATES = range(10, 61)
LONGEST_CROSSFADE_S = 5.0


class ThisMachine(Adapter):
    slug = "this_machine"
    label = "This machine"
    capabilities = frozenset({Capability.RENDER})
    offers = (OfferSpec(capability=Capability.RENDER, name="render", label="Render"),)
    recovery = {Capability.RENDER: Recovery.FREE}
    deadline_s = {Capability.RENDER: 600.0}
    local = True

    def submit(self, request: Request) -> Finished:
        settings, parts = settings_of(request), parts_of(request)
        self.on_wire()
        try:
            made = render(parts, settings, self.workdir)
        except MediaError as error:
            raise _call_error(error) from error
        return Finished(outputs=_outputs(made), units={"renders": 1})


def settings_of(request: Request) -> RenderSettings:
    """Numbers are cast here, so that nothing but numbers reaches a filter."""
    extra = request.extra
    if any(side % 2 or not SMALLEST <= side <= LARGEST for side in (request.width, request.height)):
        raise Rejected(
            f"A video of {request.width} by {request.height} pixels cannot be made: "
            f"choose even numbers from {SMALLEST} to {LARGEST}."
        )
    fps = int(_number(extra, "fps", 25))
    if fps not in FRAME_RATES:
        raise Rejected(f"{fps} frames per second cannot be made: choose {FRAME_RATES[0]} to {FRAME_RATES[-1]}.")
    return RenderSettings(
        width=request.width,
        height=request.height,
        fps=fps,
        crossfade_s=min(max(_number(extra, "crossfade_s", 0.0), 0.0), LONGEST_CROSSFADE_S),
        burn_captions=bool(extra.get("burn_captions", False)),
        overlay_text=str(extra.get("overlay_text", "")),
        language=str(extra.get("language") or request.language),
    )


def parts_of(request: Request) -> list[ScenePart]:
    scenes = list(request.extra.get("scenes", ()))
    if not scenes:
        raise Rejected("There is no scene to render. Make the script first.")
    files = {source.role: source.path for source in request.inputs}
    return [_part(number, scene, files) for number, scene in enumerate(scenes)]


def _part(number: int, scene: Mapping[str, Any], files: Mapping[str, Path]) -> ScenePart:
    clip = files.get(f"clip:{number}")
    if clip is None:
        raise Rejected(f"Scene {number + 1} has no clip. Make it, then render again.")
    voiceover, voice_s = files.get(f"voiceover:{number}"), _number(scene, "voice_s", 0.0)
    if voiceover is None and voice_s <= 0:
        raise Rejected(f"Scene {number + 1} has no voiceover and no length. Make its voiceover, then render again.")
    narration = str(scene.get("narration", ""))
    return ScenePart(clip=clip, voiceover=voiceover, narration=narration, voice_s=voice_s)


def _number(values: Mapping[str, Any], name: str, default: float) -> float:
    value = values.get(name, default)
    if not re.fullmatch(r"\d+(\.\d+)?", str(value)):
        raise Rejected(f"The render setting {name} is no number: {str(value)[:40]!r}.")
    return float(value)


def _outputs(made: Rendered) -> tuple[Output, ...]:
    return (
        Output(path=made.video, media_type="video/mp4"),
        Output(path=made.srt, role="srt", media_type="application/x-subrip"),
        Output(path=made.vtt, role="vtt", media_type="text/vtt"),
        Output(path=made.poster, role="poster", media_type="image/jpeg"),
    )


def _call_error(error: MediaError) -> CallError:
    """What passes by itself is tried again, the rest goes to a person."""
    if isinstance(error, ProgramMissing):  # once it is installed, the same can be asked again
        return Unknown(error.message, detail=error.detail)
    passes = isinstance(error, Stopped | MediaTimeout | DiskFull)
    return (NotSent if passes else Rejected)(error.message, detail=error.detail)
