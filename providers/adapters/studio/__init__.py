"""The studio: every capability on this machine, without a key, a network or a price (docs/studio.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ...base import Adapter
from ...exceptions import CallError, NotSent, Rejected, Unknown
from ...media import sandbox
from ...media.errors import DiskFull, MediaError, Stopped
from ...offer_spec import OfferSpec
from ...types import Capability, Finished, Output, Recovery, Request
from .moderation import moderate
from .offers import LENGTHS, LONGEST_TEXT, OFFERS
from .script import write_script
from .voice import choose_voice, speak

NICE = 19  # far below checks and renders: what is nearer to a finished video goes first
DEADLINE_S = 120.0
SIDES = (64, 4096)  # pixels
HERE = __name__


class Studio(Adapter):
    slug = "studio"
    label = "Studio (offline)"
    local = True
    capabilities = frozenset(
        {Capability.SCRIPT, Capability.IMAGE, Capability.CLIP, Capability.VOICEOVER, Capability.MODERATION}
    )
    recovery: ClassVar[Mapping[Capability, Recovery]] = dict.fromkeys(capabilities, Recovery.FREE)
    deadline_s: ClassVar[Mapping[Capability, float]] = dict.fromkeys(capabilities, DEADLINE_S)
    offers: ClassVar[tuple[OfferSpec, ...]] = OFFERS
    usual_s: ClassVar[Mapping[Capability, tuple[float, float]]] = {  # on two slow cores, two at once
        Capability.SCRIPT: (0.01, 0.05),
        Capability.IMAGE: (0.3, 1.5),
        Capability.CLIP: (2.0, 10.0),
        Capability.VOICEOVER: (0.03, 0.2),
        Capability.MODERATION: (0.001, 0.01),
    }

    def submit(self, request: Request) -> Finished:
        make: Mapping[Capability, Callable[[Request], Finished]] = {
            Capability.SCRIPT: self._script,
            Capability.IMAGE: self._picture,
            Capability.CLIP: self._clip,
            Capability.VOICEOVER: self._voiceover,
            Capability.MODERATION: self._moderation,
        }
        if request.capability not in make:
            raise Rejected(f"The studio cannot make a {request.capability.value}.")
        self.on_wire()
        try:
            self._be_slow()
            return make[request.capability](request)
        except MediaError as error:
            raise _call_error(error) from error

    def _be_slow(self) -> None:
        """Waits in a child, so that what ends children ends the waiting too."""
        slow_s = min(DEADLINE_S / 2, max(0.0, float(self.options.get("slow_s") or 0)))
        if slow_s:
            sandbox.run(["sleep", f"{slow_s:.3f}"], timeout_s=slow_s + 10)

    def _script(self, request: Request) -> Finished:
        return _one(Output(content=write_script(request), media_type="application/json"), units={"requests": 1})

    def _picture(self, request: Request) -> Finished:
        _check_size(request)
        out = self.workdir / "picture.jpg"
        payload = {
            "width": request.width,
            "height": request.height,
            "seed": request.seed,
            "prompt": request.prompt[:20_000],
            "flaw": request.extra.get("flaw", ""),
            "out": str(out),
        }
        self._child("draw", payload)
        return _one(Output(path=out, media_type="image/jpeg"), units={"images": 1})

    def _clip(self, request: Request) -> Finished:
        _check_size(request)
        picture = next((i for i in request.inputs if i.role == "image"), None)
        if picture is None:
            raise Rejected("The studio makes clips from a picture, and this scene has none yet.")
        if not 0 < request.seconds <= LENGTHS[-1]:
            raise Rejected(
                f"The studio makes clips of up to {LENGTHS[-1]} s, and {request.seconds:g} s were asked for."
            )
        sandbox.program("ffmpeg")  # missing, it is named here rather than by the child
        out = self.workdir / "clip.mp4"
        payload = {
            "image": str(picture.path),
            "width": request.width - request.width % 2,
            "height": request.height - request.height % 2,
            "seconds": request.seconds,
            "seed": request.seed,
            "timeout_s": DEADLINE_S * 0.4,
            "out": str(out),
        }
        self._child("move", payload)
        return _one(Output(path=out, media_type="video/mp4"), units={"seconds": round(request.seconds)})

    def _voiceover(self, request: Request) -> Finished:
        if len(request.prompt) > LONGEST_TEXT:
            raise Rejected(
                f"The narration has {len(request.prompt)} characters; the studio reads at most {LONGEST_TEXT}."
            )
        out = self.workdir / "voice.wav"
        speak(
            request.prompt,
            voice=choose_voice(request.voice, request.language),
            out=out,
            timeout_s=DEADLINE_S * 0.4,
            silence=request.extra.get("flaw") == "silence",
        )
        return _one(Output(path=out, media_type="audio/wav"), units={"characters": len(request.prompt)})

    def _moderation(self, request: Request) -> Finished:
        return _one(Output(content=moderate(request.prompt), media_type="application/json"), units={"requests": 1})

    def _child(self, module: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer = sandbox.run_python(f"{HERE}.{module}", payload, timeout_s=DEADLINE_S * 0.45, nice=NICE)
        if "refused" in answer:
            raise Rejected(str(answer["refused"]))
        return answer


def _call_error(error: MediaError) -> CallError:
    """Unknown costs nothing here: it is tried again a few times, then shown to a person. So is a missing program."""
    if isinstance(error, Stopped | DiskFull):
        return NotSent(error.message, detail=error.detail)
    return Unknown(error.message, detail=error.detail)


def _one(output: Output, *, units: Mapping[str, int]) -> Finished:
    return Finished(outputs=(output,), units=units)


def _check_size(request: Request) -> None:
    low, high = SIDES
    if not (low <= request.width <= high and low <= request.height <= high):
        raise Rejected(
            f"The studio makes pictures of {low} to {high} pixels a side; "
            f"{request.width}x{request.height} was asked for."
        )
