"""All that the workbench shows of one video: its scenes, the slots of each, versions, checks, attempts and cost."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass

from jobs.models import Asset, Attempt, Scene, Step, Video
from jobs.pipeline import planned_slots
from jobs.queries.videos import has_picture
from jobs.settings_types import BatchSettings
from jobs.states import OPEN, USABLE, Stage, State, Verdict
from qc.models import CheckResult

Key = tuple[int | None, str]  # (scene id or None, kind)
SCENE_STAGES = (Stage.IMAGE, Stage.VOICEOVER, Stage.CLIP)
SEVERITY = {"failed": 0, "skipped": 1, "passed": 2}
REMADE = {
    Stage.SCRIPT: "A new script: all its scenes with their voices, images and clips, and the render.",
    Stage.IMAGE: "The image is made again, then the scene's clip and the render. Nothing else changes.",
    Stage.VOICEOVER: "The voice is made again, then the render; the clip only if its length no longer fits.",
    Stage.CLIP: "The clip is made again, then the render. Nothing else changes.",
    Stage.RENDER: "The video is put together again from the same clips and voices.",
    Stage.TOPIC_MODERATION: "The topic is checked again.",
    Stage.TEXT_MODERATION: "All texts are checked again.",
}
FOLLOWS: dict[str, tuple[str, ...]] = {
    Stage.IMAGE: (Stage.CLIP, Stage.RENDER),
    Stage.VOICEOVER: (Stage.RENDER,),
    Stage.CLIP: (Stage.RENDER,),
}
MOST_ATTEMPTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    asset: Asset
    cost_micro: int
    results: list[CheckResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place for one file, with all that was ever made for it."""

    kind: str
    scene: Scene | None
    current: Version | None
    versions: list[Version]  # newest first
    step: Step | None  # that works on it just now, or waits for a person
    remade: str  # what follows from making it again
    about_micro: int  # … and what that cost the last time

    @property
    def word(self) -> str:
        return Stage(self.kind).label

    @property
    def state(self) -> str:
        if self.step is not None:
            return self.step.state
        return self.current.asset.verdict if self.current else "planned"

    @property
    def needs(self) -> int:
        """0 calls for a person, 1 is under way or to come, 2 is made."""
        if self.state in (State.ATTENTION, State.UNKNOWN, "flagged"):
            return 0
        return 2 if self.state in USABLE else 1

    @property
    def best(self) -> Version | None:
        """What there is to look at: the current one, or else the newest."""
        return self.current or (self.versions[0] if self.versions else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneView:
    scene: Scene
    slots: dict[str, Slot]
    here: bool

    @property
    def state(self) -> str:
        first = min(self.slots.values(), key=lambda slot: slot.needs)
        return "done" if first.needs == 2 else first.state

    @property
    def picture(self) -> Asset | None:
        found = (self.slots[kind].best for kind in (Stage.CLIP, Stage.IMAGE))
        return next((version.asset for version in found if version and has_picture(version.asset)), None)

    @property
    def seconds(self) -> float:
        voice = self.slots[Stage.VOICEOVER].current
        return voice.asset.seconds if voice and voice.asset.seconds else self.scene.seconds

    @property
    def waiting(self) -> int | None:
        """The file of this scene that waits for a reviewer."""
        found = (slot.current.asset for slot in self.slots.values() if slot.current)
        return next((asset.pk for asset in found if asset.verdict == Verdict.FLAGGED), None)

    @property
    def in_order(self) -> list[Slot]:
        return [self.slots[stage] for stage in SCENE_STAGES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    video: Video
    scenes: list[SceneView]
    here: SceneView | None
    render: Slot
    script: Slot
    moderation: list[Slot]
    beside: dict[str, Asset]  # captions and poster
    attention: list[Step]
    attempts: list[Attempt]
    attempt_count: int
    costs: list[tuple[str, int]]
    cost_micro: int
    made: int
    planned: int
    gate: str  # "script", "render" or none
    version: str  # changes when anything of this does

    @property
    def here_text(self) -> str:
        return str(self.here.scene.pk) if self.here else ""

    @property
    def still_to_make(self) -> int:
        return max(0, self.planned - self.made)

    @property
    def language(self) -> str:
        return self.video.effective_settings().language

    @property
    def is_over(self) -> bool:
        """Nothing will change by itself."""
        return self.video.state in (Video.State.DONE, Video.State.CANCELLED) and not self.running

    @property
    def running(self) -> bool:
        slots = [self.render, self.script, *self.moderation, *(s for v in self.scenes for s in v.slots.values())]
        return any(slot.step is not None and slot.step.state != State.ATTENTION for slot in slots)


def workbench(video: Video, scene_id: int | None = None) -> Workbench:
    """Five queries, however many scenes, versions and attempts."""
    scenes = list(video.scenes.filter(retired_at=None))
    assets = list(
        video.assets.select_related("inspection", "step").prefetch_related("inspection__results").order_by("-pk")
    )
    steps = list(Step.objects.filter(video=video, state__in=OPEN).select_related("provider", "scene").order_by("pk"))
    attempts = list(
        Attempt.objects.filter(step__video=video)
        .select_related("step__scene", "step__instead_of__provider", "provider", "offer__provider")
        .order_by("-pk")
    )
    for asset in assets:
        asset.video = video
    slots = _Slots(scenes, assets, steps, attempts)
    chosen = next((scene for scene in scenes if scene.pk == scene_id), None)
    views = [
        SceneView(scene=scene, slots={s: slots.of(scene, s) for s in SCENE_STAGES}, here=False) for scene in scenes
    ]
    if chosen is None and views:
        chosen = min(views, key=lambda view: min(slot.needs for slot in view.slots.values())).scene
    views = [SceneView(scene=v.scene, slots=v.slots, here=v.scene == chosen) for v in views]
    settings = video.effective_settings()
    by_stage: dict[str, int] = defaultdict(int)
    for attempt in attempts:
        by_stage[attempt.step.stage] += attempt.cost_micro
    current = [slots.of(None, stage).current for stage in (Stage.SCRIPT, Stage.RENDER)]
    current += [slot.current for view in views for slot in view.slots.values()]
    plan = dict(planned_slots(settings, len(scenes) or settings.scenes))
    moderation = [Stage.TOPIC_MODERATION, Stage.TEXT_MODERATION] if settings.moderation else []
    planned = sum(plan.get(stage, 0) for stage in (Stage.SCRIPT, *SCENE_STAGES, Stage.RENDER))
    return Workbench(
        video=video,
        scenes=views,
        here=next((view for view in views if view.here), None),
        render=slots.of(None, Stage.RENDER),
        script=slots.of(None, Stage.SCRIPT),
        moderation=[slots.of(None, stage) for stage in moderation],
        beside={a.kind: a for a in assets if a.current and not a.scene_id and a.kind in ("srt", "vtt", "poster")},
        attention=[step for step in steps if step.state == State.ATTENTION],
        attempts=attempts[:MOST_ATTEMPTS],
        attempt_count=len(attempts),
        costs=[(Stage(stage).label, micro) for stage in Stage if (micro := by_stage.get(stage, 0))],
        cost_micro=sum(by_stage.values()),
        made=sum(1 for version in current if version and version.asset.verdict in USABLE),
        planned=planned,
        gate=_gate(video, settings),
        version=_version(video, scenes, assets, steps, attempts),
    )


def _gate(video: Video, settings: BatchSettings) -> str:
    if video.state != Video.State.GATE:
        return ""
    return "script" if settings.script_gate and video.script_released_at is None else "render"


class _Slots:
    """Sorts what was read into slots."""

    def __init__(self, scenes: list[Scene], assets: list[Asset], steps: list[Step], attempts: list[Attempt]) -> None:
        self.scenes = {scene.pk: scene for scene in scenes}
        self.assets: dict[Key, list[Asset]] = defaultdict(list)
        for asset in assets:
            asset.scene = self.scenes.get(asset.scene_id) if asset.scene_id in self.scenes else None
            self.assets[asset.scene_id, asset.kind].append(asset)
        self.steps: dict[Key, Step] = {(step.scene_id, step.stage): step for step in steps}
        self.costs: dict[int, int] = defaultdict(int)
        for attempt in attempts:
            self.costs[attempt.step_id] += attempt.cost_micro

    def of(self, scene: Scene | None, stage: str) -> Slot:
        versions = [self._version(asset) for asset in self.assets[scene.pk if scene else None, stage]]
        return Slot(
            kind=stage,
            scene=scene,
            current=next((version for version in versions if version.asset.current), None),
            versions=versions,
            step=self.steps.get((scene.pk if scene else None, stage)),
            remade=REMADE[Stage(stage)],
            about_micro=self._about(scene, stage),
        )

    def _version(self, asset: Asset) -> Version:
        return Version(asset=asset, cost_micro=self.costs.get(asset.step_id or 0, 0), results=sorted_checks(asset))

    def _about(self, scene: Scene | None, stage: str) -> int:
        """What the files that would be made again cost the last time."""
        if stage == Stage.SCRIPT:
            keys: set[Key] = {(s, k) for s in self.scenes for k in SCENE_STAGES} | {(None, Stage.RENDER)}
        else:
            keys = {(None if k == Stage.RENDER or scene is None else scene.pk, k) for k in FOLLOWS.get(stage, ())}
        keys.add((scene.pk if scene else None, stage))
        newest = (next(iter(self.assets.get(key, ())), None) for key in keys)
        return sum(self.costs.get(asset.step_id or 0, 0) for asset in newest if asset)


def sorted_checks(asset: Asset) -> list[CheckResult]:
    """Failed ones first; what did not run stays visible."""
    if asset.inspection is None:
        return []
    return sorted(asset.inspection.results.all(), key=lambda result: (SEVERITY[result.status], result.pk))


def _version(video: Video, scenes: list[Scene], assets: list[Asset], steps: list[Step], attempts: list[Attempt]) -> str:
    seen = [
        (video.state, video.state_note, video.title),
        [(s.pk, s.position, s.narration, s.visual_prompt) for s in scenes],
        [(a.pk, a.verdict, a.current, a.thumbnail) for a in assets],
        [(s.pk, s.state, s.message) for s in steps],
        [(a.pk, a.outcome, a.cost_micro) for a in attempts],
    ]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]
