"""The steps of one video and what each waits for, read off `pipeline.due` once instead of asked a thousand times.

Two scenes are enough to see which stages wait for each other within a scene and which for all scenes; the road of
any number of scenes is laid by that pattern. Gates where a person says go are taken as open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from jobs.pipeline import AssetFacts, SceneFacts, Slot, VideoFacts, due
from jobs.settings_types import BatchSettings
from jobs.states import Stage, Verdict

PER_SCENE = (Stage.VOICEOVER.value, Stage.IMAGE.value, Stage.CLIP.value)
MOST_TURNS = 20  # stages a video can pass one after the other, and more


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One step to come; scene 0 for what belongs to the whole video."""

    stage: str
    scene: int
    waits_for: int  # how many other places
    then: tuple[int, ...]  # the places that wait for this one


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    places: tuple[Place, ...]

    @property
    def stages(self) -> dict[str, int]:
        """How many steps of each stage a video has."""
        counts: dict[str, int] = {}
        for place in self.places:
            counts[place.stage] = counts.get(place.stage, 0) + 1
        return counts

    def heads(self, seconds: Mapping[str, float]) -> dict[str, float]:
        """The earliest start of a step of each stage, when a step of a stage takes so many seconds."""
        ready = [0.0] * len(self.places)
        heads: dict[str, float] = {}
        for number, place in enumerate(self.places):  # in the order of the road: what comes before is known
            heads[place.stage] = min(heads.get(place.stage, ready[number]), ready[number])
            for after in place.then:
                ready[after] = max(ready[after], ready[number] + seconds.get(place.stage, 0.0))
        return heads

    def tails(self, seconds: Mapping[str, float]) -> dict[str, float]:
        """The least that follows the end of a step of each stage."""
        left = [0.0] * len(self.places)
        tails: dict[str, float] = {}
        for number in range(len(self.places) - 1, -1, -1):
            place = self.places[number]
            left[number] = max((left[n] + seconds.get(self.places[n].stage, 0.0) for n in place.then), default=0.0)
            tails[place.stage] = min(tails.get(place.stage, left[number]), left[number])
        return tails


def road_of(settings: BatchSettings, scenes: int) -> Road:
    return _road(settings.moderation, scenes)


@cache
def _road(moderation: bool, scenes: int) -> Road:
    pairs = _pattern(moderation)
    slots = [(0, stage) for stage in _stages(moderation) if stage not in PER_SCENE and stage != Stage.RENDER]
    slots += [(scene, stage) for scene in range(1, scenes + 1) for stage in PER_SCENE]
    slots.append((0, Stage.RENDER.value))
    then: list[list[int]] = [[] for _ in slots]
    waits = [0] * len(slots)
    for number, (scene, stage) in enumerate(slots):
        for before, (other, earlier) in enumerate(slots):
            if (earlier, stage) in pairs and (scene == other or 0 in (scene, other)):
                then[before].append(number)
                waits[number] += 1
    return Road(
        places=tuple(
            Place(stage=stage, scene=scene, waits_for=waits[number], then=tuple(then[number]))
            for number, (scene, stage) in enumerate(slots)
        )
    )


def _stages(moderation: bool) -> list[str]:
    extra = (Stage.TOPIC_MODERATION, Stage.TEXT_MODERATION)
    return [stage.value for stage in Stage if moderation or stage not in extra]


@cache
def _pattern(moderation: bool) -> frozenset[tuple[str, str]]:
    """(earlier, later) stages, without those that follow from others."""
    settings = BatchSettings(moderation=moderation, script_gate=False, render_gate=False)
    every = reached(settings, scenes=2)
    waits = {slot: every - reached(settings, scenes=2, without=slot) - {slot} for slot in every}  # what it holds up
    direct = set()
    for slot, held in waits.items():
        between = {further for other in held for further in waits[other]}
        direct |= {(slot[1], later[1]) for later in held - between}
    return frozenset(direct)


def reached(settings: BatchSettings, *, scenes: int, without: Slot | None = None) -> frozenset[Slot]:
    """The slots that `due` comes to when every step but `without` is done well."""
    facts = VideoFacts(position=1, topic="t", settings=settings, script_released=True, render_released=True)
    seen: set[Slot] = set()
    for _ in range(MOST_TURNS):
        facts, new = taken_further(facts, scenes=scenes, without=without)
        if not new:
            return frozenset(seen)
        seen |= new
    raise AssertionError("the road of a video has no end")


def taken_further(facts: VideoFacts, *, scenes: int, without: Slot | None = None) -> tuple[VideoFacts, set[Slot]]:
    """Does well what is due, but for one slot; returns what was due."""
    assets, now_scenes, new = dict(facts.assets), facts.scenes, set()
    for spec in due(facts).new:
        slot = (spec.scene_id, spec.stage)
        new.add(slot)
        if slot == without:
            continue
        assets[slot] = AssetFacts(
            id=1, name="", sha256="", media_type="", verdict=Verdict.PASSED, stands_for=spec.wanted, seconds=4.0
        )
        if spec.stage == Stage.SCRIPT:
            now_scenes = tuple(
                SceneFacts(id=n, position=n, narration=f"n{n}", visual_prompt=f"v{n}", seconds=4.0)
                for n in range(1, scenes + 1)
            )
    return replace(facts, assets=assets, scenes=now_scenes), (new - {without} if new == {without} else new)
