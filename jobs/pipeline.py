"""What a video needs next. Pure: `due` looks at plain facts and says which steps should exist now.

An asset stands while the fingerprint it stands for is the one wanted today. So regenerating, editing a prompt or
choosing an older version are one thing: what is wanted, or what is current, changes, and `due` is asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.repeats import repeats

from .settings_types import BatchSettings
from .states import USABLE, Reason, Stage, State, Verdict
from .strategies import NOTHING_OWED, gate_of

Slot = tuple[int | None, str]  # (scene id or None, stage)
Want = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFacts:
    id: int
    position: int
    narration: str
    visual_prompt: str
    seconds: float
    hero: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFacts:
    id: int
    name: str
    sha256: str
    media_type: str
    verdict: str
    stands_for: str
    seconds: float = 0.0

    def as_input(self, role: str) -> dict[str, str]:
        return {"name": self.name, "sha256": self.sha256, "media_type": self.media_type, "role": role}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStep:
    id: int
    wanted: str
    state: str
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    position: int
    topic: str
    settings: BatchSettings
    notes: str = ""
    title: str = ""
    scenes: tuple[SceneFacts, ...] = ()
    assets: Mapping[Slot, AssetFacts] = field(default_factory=dict)  # the current ones
    open_steps: Mapping[Slot, OpenStep] = field(default_factory=dict)
    shelf: Mapping[tuple[Slot, str], AssetFacts] = field(
        default_factory=dict
    )  # usable older ones, by what they stand for
    rounds: Mapping[Slot, int] = field(default_factory=dict)  # the highest so far
    made: Mapping[tuple[Slot, str], int] = field(
        default_factory=dict
    )  # steps that are done, by what they were for; of slots whose prompt has a --repeat
    clip_lengths: tuple[int, ...] = ()  # that the clip offer sells, ascending; () = any
    hero_lengths: tuple[int, ...] = ()  # … and that of hero scenes
    script_released: bool = False
    render_released: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    scene_id: int | None
    scene_position: int
    stage: str
    round: int
    want: Want
    wanted: str


@dataclass(slots=True)
class Plan:
    """What should be done about a video, and what to say of it."""

    new: list[StepSpec] = field(default_factory=list)
    stale: list[int] = field(default_factory=list)  # ids of open steps nobody wants any more
    revive: list[tuple[Slot, int]] = field(
        default_factory=list
    )  # older assets that are wanted again: nothing is bought
    wanted: dict[Slot, str] = field(default_factory=dict)  # today's fingerprint of every slot that was reached
    owes: int = NOTHING_OWED  # the lowest gate it still has work for
    flagged: list[str] = field(default_factory=list)  # stages that wait for a reviewer
    attention: list[OpenStep] = field(default_factory=list)
    gate: str = ""  # the sentence of a gate that waits for a go
    finished: bool = False


CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def fingerprint(want: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON: the order of keys does not matter, any change of meaning does."""
    return sha256(canonical(want))


def canonical(want: Mapping[str, Any]) -> str:
    return CANONICAL.encode(want)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def seed_from(*parts: object) -> int:
    """A 31-bit seed that is the same for the same parts on every machine."""
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()[:4], "big") >> 1


def due(facts: VideoFacts) -> Plan:
    """Walks the road stage by stage; a stage is begun for a scene when all it needs is usable."""
    plan = Plan()
    walk = _Walk(facts, plan)
    walk.walk()
    for slot, step in facts.open_steps.items():
        if slot not in plan.wanted:
            walk.let_go(step)  # its inputs are not usable any more
    return plan


def over(facts: VideoFacts) -> Plan:
    """Of a cancelled video: nothing more is due, and what is idle is dropped."""
    plan = Plan()
    walk = _Walk(facts, plan)
    for step in facts.open_steps.values():
        walk.let_go(step)
    return plan


class _Walk:
    def __init__(self, facts: VideoFacts, plan: Plan) -> None:
        self.facts, self.plan, self.settings = facts, plan, facts.settings
        self.taken: dict[Slot, AssetFacts] = {}  # the asset that stands in each slot

    def walk(self) -> None:
        if self.settings.moderation and not self.slot(None, Stage.TOPIC_MODERATION, self.topic_moderation()):
            return
        if not self.slot(None, Stage.SCRIPT, self.script()) or not self.facts.scenes:
            return
        if self.settings.moderation and not self.slot(None, Stage.TEXT_MODERATION, self.text_moderation()):
            return
        if self.settings.script_gate and not self.facts.script_released:
            self.plan.gate = "The script waits to be read."
            return
        clips = [self.scene(scene) for scene in self.facts.scenes]
        if not all(clips):
            return
        if self.settings.render_gate and not self.facts.render_released:
            self.plan.gate = "Everything is made; the render waits for your go."
            return
        self.plan.finished = bool(self.slot(None, Stage.RENDER, self.render()))

    def scene(self, scene: SceneFacts) -> AssetFacts | None:
        voice = self.slot(scene, Stage.VOICEOVER, self.voiceover(scene))
        image = self.slot(scene, Stage.IMAGE, self.image(scene), repeat=repeats(scene.visual_prompt)[1])
        if voice and image:
            return self.slot(scene, Stage.CLIP, self.clip(scene, image=image, voice=voice))
        return None

    def slot(self, scene: SceneFacts | None, stage: Stage, want: Want, *, repeat: int = 1) -> AssetFacts | None:
        """The usable asset of this slot; when there is none, the plan says what is done about it.

        With `repeat` so many steps make one, one after the other, and there is none before the last of them is done.
        """
        want = {"stage": stage.value, **want}
        wanted, slot = fingerprint(want), (scene.id if scene else None, stage.value)
        asset, step = self.facts.assets.get(slot), self.facts.open_steps.get(slot)
        self.plan.wanted[slot] = wanted
        older = self.facts.shelf.get((slot, wanted))
        if older and (asset is None or asset.stands_for != wanted):
            self.plan.revive.append((slot, older.id))
            asset = older
        # Where none was made for it, a person chose what stands there, and nothing is bought beside it.
        goes_on = asset is not None and asset.verdict in USABLE and 0 < self.facts.made.get((slot, wanted), 0) < repeat
        if asset and asset.stands_for == wanted and not goes_on:
            if step:
                self.let_go(step)
            self.taken[slot] = asset
            if asset.verdict in USABLE:
                return asset
            if asset.verdict == Verdict.FLAGGED:
                self.plan.flagged.append(stage.value)
                return None
        if step and (step.wanted == wanted or not self.let_go(step)):
            self._open(step, stage)
            return None
        self._owe(stage)
        self.plan.new.append(
            StepSpec(
                scene_id=slot[0],
                scene_position=scene.position if scene else 0,
                stage=stage.value,
                round=self.facts.rounds.get(slot, 0) + 1,
                want=want,
                wanted=wanted,
            )
        )
        return None

    def let_go(self, step: OpenStep) -> bool:
        """True when the step could simply be dropped: nothing of it is out, nothing of it is at risk."""
        idle = step.state == State.READY or (step.state == State.ATTENTION and step.reason != Reason.DECISION)
        if idle:
            self.plan.stale.append(step.id)
        return idle

    def _open(self, step: OpenStep, stage: Stage) -> None:
        if step.state == State.ATTENTION:
            self.plan.attention.append(step)
        else:
            self._owe(stage)

    def _owe(self, stage: Stage) -> None:
        self.plan.owes = min(self.plan.owes, gate_of(self.settings, stage=stage.value, video=self.facts.position))

    # -- what is wanted, stage by stage ----------------------------------------------------------

    def topic_moderation(self) -> Want:
        return {"prompt": f"{self.facts.topic}\n{self.facts.notes}".strip(), "language": self.settings.language}

    def script(self) -> Want:
        s = self.settings
        return {
            "prompt": self.facts.topic,
            "language": s.language,
            "seed": seed_from(s.seed, self.facts.topic),
            "extra": {
                "notes": self.facts.notes,
                "scenes": s.scenes,
                "seconds": s.seconds,
                "aspect_ratio": s.aspect_ratio,
            },
        }

    def text_moderation(self) -> Want:
        texts = [self.facts.title, *(f"{s.narration}\n{picture_of(s)}" for s in self.facts.scenes)]
        return {"prompt": "\n".join(texts).strip(), "language": self.settings.language}

    def voiceover(self, scene: SceneFacts) -> Want:
        s = self.settings
        return {
            "prompt": scene.narration,
            "language": s.language,
            "voice": s.voice,
            "seed": seed_from(s.seed, scene.narration),
            "expected_s": scene.seconds,
            **self._flaw(Stage.VOICEOVER, scene),
        }

    def image(self, scene: SceneFacts) -> Want:
        s = self.settings
        width, height = s.size
        return {
            "prompt": ". ".join(part for part in (picture_of(scene).rstrip(". "), s.style) if part),
            "width": width,
            "height": height,
            "seed": seed_from(s.seed, self.facts.topic, picture_of(scene)),
            **({"takes": s.takes} if s.takes > 1 else {}),
            **self._flaw(Stage.IMAGE, scene),
        }

    def clip(self, scene: SceneFacts, *, image: AssetFacts, voice: AssetFacts) -> Want:
        width, height = self.settings.size
        lengths = self.facts.hero_lengths if scene.hero else self.facts.clip_lengths
        return {
            "prompt": picture_of(scene),
            "width": width,
            "height": height,
            "fps": self.settings.fps,
            # The length, not the voice: a new voice that still fits leaves the clip as it is.
            "seconds": length_for(voice.seconds + self.settings.crossfade_s, lengths),
            "seed": seed_from(self.settings.seed, image.sha256),
            "inputs": [image.as_input("image")],
        }

    def render(self) -> Want:
        s = self.settings
        width, height = s.size
        inputs = [
            self.taken[scene.id, stage.value].as_input(f"{stage.value}:{number}")
            for number, scene in enumerate(self.facts.scenes)
            for stage in (Stage.CLIP, Stage.VOICEOVER)
        ]
        return {
            "width": width,
            "height": height,
            "language": s.language,
            "inputs": inputs,
            "expected_s": round(sum(self.taken[x.id, Stage.VOICEOVER].seconds for x in self.facts.scenes), 3),
            "extra": {
                "fps": s.fps,
                "crossfade_s": s.crossfade_s,
                "burn_captions": s.burn_captions,
                "overlay_text": s.overlay_text,
                "scenes": [
                    {"narration": x.narration, "voice_s": self.taken[x.id, Stage.VOICEOVER].seconds}
                    for x in self.facts.scenes
                ],
            },
        }

    def _flaw(self, stage: Stage, scene: SceneFacts) -> Want:
        flaw = self.settings.flaws.get(f"{self.facts.position}:{stage.value}:{scene.position}")
        return {"flaw": flaw} if flaw else {}


def picture_of(scene: SceneFacts) -> str:
    """The prompt as it is sent: how often it is made is no part of it, so that another number makes nothing anew."""
    return repeats(scene.visual_prompt)[0]


def length_for(seconds: float, lengths: tuple[int, ...]) -> float:
    """The shortest length sold that covers so many seconds; the longest where none does (the render slows it)."""
    if not lengths:
        return round(seconds + 0.05, 1)
    return next((length for length in lengths if length >= seconds), lengths[-1])


def planned_slots(settings: BatchSettings, scenes: int) -> Iterator[tuple[str, int]]:
    """(stage, how many assets) of a whole video: what progress bars count against."""
    if settings.moderation:
        yield Stage.TOPIC_MODERATION, 1
    yield Stage.SCRIPT, 1
    if settings.moderation:
        yield Stage.TEXT_MODERATION, 1
    for stage in (Stage.VOICEOVER, Stage.IMAGE, Stage.CLIP):
        yield stage, scenes
    yield Stage.RENDER, 1
