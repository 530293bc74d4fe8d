"""Edits of a video: what is wanted, or what is current, changes; `advance` sees to the rest, and to nothing else."""

from __future__ import annotations

from datetime import datetime

from jobs.advance import advance, plan_of
from jobs.control import Refused
from jobs.models import Asset, Scene, Video
from jobs.states import USABLE, Stage, Verdict
from jobs.transactions import atomically

MOST_NARRATION = 2000
MOST_PROMPT = 2000


@atomically
def edit_scene(scene: Scene, now: datetime, *, narration: str, visual_prompt: str) -> bool:
    """True when something changed: then what is made of it is due again."""
    narration, visual_prompt = narration.strip(), visual_prompt.strip()
    for text, most, what in ((narration, MOST_NARRATION, "narration"), (visual_prompt, MOST_PROMPT, "visual prompt")):
        if not text:
            raise Refused(f"Scene {scene.position} needs a {what}: it was left empty.")
        if len(text) > most:
            raise Refused(f"The {what} of scene {scene.position} has {len(text)} characters; {most} is the most.")
    video = _lock(scene.video)
    changed = Scene.objects.filter(pk=scene.pk, retired_at=None).exclude(
        narration=narration, visual_prompt=visual_prompt
    )
    if not changed.update(narration=narration, visual_prompt=visual_prompt):
        return False
    advance([video.pk], now)
    return True


@atomically
def regenerate(video: Video, now: datetime, *, stage: str, scene: Scene | None = None) -> None:
    """Sets the current file aside: it is made anew, and all that depends on it, and nothing else."""
    if stage not in Stage.values:
        raise Refused(f"There is no stage named {stage!r}.")
    video = _lock(video)
    if video.cancelled_at is not None:
        raise Refused("This video was cancelled; nothing of it is made any more.")
    slot = Asset.objects.filter(video=video, scene=scene, kind=stage, current=True)
    if not slot.update(current=False, stands_for=""):
        raise Refused("There is nothing to make again here: it is being made, or waits for what it needs.")
    Asset.objects.filter(video=video, scene=scene, kind=stage).update(stands_for="")
    Video.objects.filter(pk=video.pk).update(finished_at=None)
    advance([video.pk], now)


@atomically
def choose_version(asset: Asset, now: datetime) -> None:
    """Puts an older version back into its slot; what was made of another one is due again, or found on the shelf."""
    if asset.kind == Asset.Kind.SCRIPT:
        raise Refused("An older script cannot be put back: its scenes are gone. Edit the scenes, or make a new script.")
    video = _lock(asset.video)
    slot = (asset.scene_id, asset.kind)
    wanted = plan_of(video).wanted.get(slot, asset.made_for)
    others = Asset.objects.filter(video=video, scene=asset.scene_id, kind=asset.kind).exclude(pk=asset.pk)
    others.filter(current=True).update(current=False)
    others.filter(stands_for=wanted).update(stands_for="")
    verdict = asset.verdict if asset.verdict in USABLE else Verdict.APPROVED
    Asset.objects.filter(pk=asset.pk).update(current=True, stands_for=wanted, verdict=verdict)
    advance([video.pk], now)


def _lock(video: Video) -> Video:
    return Video.objects.select_for_update(of=("self",)).select_related("batch").get(pk=video.pk)
