"""The script stage: once its answer is parsed, the scenes are the truth and the file is only kept."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from django.conf import settings

from jobs.many_rows import insert_all
from jobs.models import Asset, Scene, Video
from providers.repeats import repeats
from qc.measure.script import read_script


def apply(video: Video, asset: Asset, now: datetime) -> None:
    """Writes the scenes of a script that passed its checks, and retires those of the one before.

    A model's words order nothing: a --repeat in a prompt counts only where a person wrote it.
    """
    facts = read_script((Path(settings.MEDIA_ROOT) / asset.name).read_text("utf-8", "replace"))
    if facts.error:
        raise ValueError(facts.error)  # only a script that passed its checks gets here
    Scene.objects.filter(video=video, retired_at=None).update(retired_at=now)
    scenes = [
        Scene(
            video=video,
            position=position,
            narration=scene.narration,
            visual_prompt=repeats(scene.visual_prompt)[0],
            seconds=scene.seconds,
            hero=scene.hero,
        )
        for position, scene in enumerate(facts.scenes, start=1)
    ]
    insert_all(Scene, scenes)
    Video.objects.filter(pk=video.pk).update(
        title=facts.title,  # its length was a matter of the checks
        hook=facts.hook,
        description=facts.description,
        hashtags=list(facts.hashtags),
        script_released_at=None,
    )
