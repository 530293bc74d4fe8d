"""The part of a project's form in which its models are chosen: for each stage one, and one that takes over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from django import forms

from jobs.offers import choices_for
from jobs.routing import Chosen, wishes
from jobs.settings_types import BatchSettings
from jobs.states import Stage

ROWS: tuple[tuple[str, str, tuple[Stage, ...]], ...] = (  # (name, label, stages that go by it)
    ("script", "Script", (Stage.SCRIPT,)),
    ("voiceover", "Voiceover", (Stage.VOICEOVER,)),
    ("image", "Image", (Stage.IMAGE,)),
    ("clip", "Clip", (Stage.CLIP,)),
    ("clip_hero", "Hero clip", (Stage.CLIP,)),
    ("moderation", "Moderation", (Stage.TOPIC_MODERATION, Stage.TEXT_MODERATION)),
)
PLACES = ("first", "second", "third")


def fields_for(settings: BatchSettings, today: date) -> Iterator[tuple[str, forms.Field]]:
    """(name, field with its initial value) of every place of every row."""
    for name, label, stages in ROWS:
        chosen = _chosen(settings, name, stages)
        choices = choices_for(stages[0], set(chosen), today)
        for place, wish in zip(PLACES, [*chosen, *(None for _ in PLACES)], strict=False):
            words = label if place == "first" else f"{label}: {place} choice"
            usual = "None"
            if place == "first":
                usual = "As other clips" if name == "clip_hero" else "Any that can"
            yield (
                f"{name}_{place}",
                forms.TypedChoiceField(
                    choices=[("", usual), *choices],
                    coerce=int,
                    empty_value=None,
                    required=False,
                    label=words,
                    initial=wish,
                ),
            )


def offers_of(values: Mapping[str, Any], before: Chosen) -> dict[str, int | Sequence[int]]:
    """As BatchSettings.offers has it. What was chosen for stages that the form does not show stays."""
    found = dict(before)
    for name, _, stages in ROWS:
        wished = [values.get(f"{name}_{place}") for place in PLACES]
        chosen = list(dict.fromkeys(wish for wish in wished if wish is not None))
        for key in ["clip:hero"] if name == "clip_hero" else [stage.value for stage in stages]:
            found.pop(key, None)
            if chosen:
                found[key] = chosen
    return found


def _chosen(settings: BatchSettings, name: str, stages: tuple[Stage, ...]) -> tuple[int, ...]:
    return wishes("clip:hero" if name == "clip_hero" else stages[0], settings.offers)[: len(PLACES)]
