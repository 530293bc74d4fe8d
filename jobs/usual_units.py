"""What one call of a stage may be billed for in the vendor's own units (credits, pixels, output tokens), before any was
measured: the most that its adapter expects of an ordinary request."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.pipeline import length_for
from jobs.settings_types import BatchSettings
from providers import registry
from providers.types import Capability, Request

CHARACTERS_PER_S = 15  # of narration
PROMPT = "x" * 150


def usual_units(
    slug: str, capability: str, name: str, settings: BatchSettings, *, lengths: tuple[int, ...] = (), takes: int = 1
) -> Mapping[str, int]:
    adapter = registry.all_adapters().get(slug)
    if adapter is None or adapter.local:
        return {}
    scene_s = settings.seconds / max(1, settings.scenes)
    width, height = settings.size
    kind = Capability(capability)
    request = Request(
        capability=kind,
        offer=name,
        prompt="x" * round(scene_s * CHARACTERS_PER_S) if kind is Capability.VOICEOVER else PROMPT,
        width=width,
        height=height,
        seconds=length_for(scene_s + settings.crossfade_s, lengths) if kind is Capability.CLIP else 0.0,
        takes=min(settings.takes, takes) if kind is Capability.IMAGE else 1,
        extra={"scenes": settings.scenes, "seconds": settings.seconds} if kind is Capability.SCRIPT else {},
    )
    return adapter.most_units(request)
