from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.pipeline import AssetFacts, OpenStep, SceneFacts, VideoFacts, due, fingerprint, length_for, over
from jobs.settings_types import BatchSettings
from jobs.states import Reason, Stage, State, Verdict
from jobs.strategies import NOTHING_OWED

SCENES = tuple(
    SceneFacts(id=n, position=n, narration=f"Words {n}.", visual_prompt=f"A view {n}", seconds=4.0) for n in (1, 2)
)
LENGTHS = (5, 10)


class World:
    """Facts of a video, and what happens when the steps that are due are done."""

    def __init__(self, **settings):
        self.facts = VideoFacts(
            position=1, topic="Bread", settings=BatchSettings(scenes=2, **settings), clip_lengths=LENGTHS
        )
        self.number = 100

    def change(self, **changes):
        self.facts = replace(self.facts, **changes)

    def due(self):
        return due(self.facts)

    def stages(self):
        return sorted((spec.stage, spec.scene_id) for spec in self.due().new)

    def finish(self, *, seconds=4.0, verdict=Verdict.PASSED):
        """Everything that is due is made."""
        for spec in self.due().new:
            self.make(spec, seconds=seconds, verdict=verdict)

    def make(self, spec, *, seconds=4.0, verdict=Verdict.PASSED):
        self.number += 1
        slot = (spec.scene_id, spec.stage)
        asset = AssetFacts(
            id=self.number,
            name=f"{self.number}.bin",
            sha256=f"{self.number:064d}",
            media_type="x/y",
            verdict=verdict,
            stands_for=spec.wanted,
            seconds=seconds,
        )
        rounds = {**self.facts.rounds, slot: spec.round}
        self.change(assets={**self.facts.assets, slot: asset}, rounds=rounds)
        if spec.stage == Stage.SCRIPT:
            self.change(scenes=SCENES, title="Bread rises")

    def run(self):
        for _ in range(10):
            if self.due().finished:
                return self
            self.finish()
        raise AssertionError(self.due())

    def open(self, slot, state, *, wanted="", reason=""):
        step = OpenStep(id=7, wanted=wanted, state=state, reason=reason, message="why")
        self.change(open_steps={slot: step})

    def edit(self, scene, **changes):
        self.change(scenes=tuple(replace(s, **changes) if s.id == scene else s for s in self.facts.scenes))


def test_a_video_goes_stage_by_stage():
    world, seen = World(), []
    while not world.due().finished:
        seen.append(world.stages())
        world.finish()
    assert seen == [
        [("script", None)],
        [("image", 1), ("image", 2), ("voiceover", 1), ("voiceover", 2)],
        [("clip", 1), ("clip", 2)],
        [("render", None)],
    ]
    assert world.due().owes == NOTHING_OWED
    assert world.due().new == []


def test_with_moderation_topic_and_texts_must_pass_first():
    world, seen = World(moderation=True), []
    while not world.due().finished:
        seen.append(world.stages()[0][0])
        world.finish()
    assert seen == ["topic_moderation", "script", "text_moderation", "image", "clip", "render"]


@pytest.mark.parametrize("verdict", [Verdict.FLAGGED])
def test_moderation_that_waits_for_a_reviewer_lets_nothing_on(verdict):
    world = World(moderation=True)
    world.finish(verdict=verdict)
    plan = world.due()
    assert (plan.new, plan.flagged, plan.owes) == ([], [Stage.TOPIC_MODERATION], NOTHING_OWED)


def test_the_script_gate_waits_and_owes_nothing():
    world = World(script_gate=True)
    world.finish()
    plan = world.due()
    assert (plan.new, plan.owes) == ([], NOTHING_OWED)
    assert "read" in plan.gate
    world.change(script_released=True)
    assert len(world.stages()) == 4


def test_the_render_gate_waits_when_all_else_is_made():
    world = World(render_gate=True)
    for _ in range(3):
        world.finish()
    assert world.due().new == []
    assert "your go" in world.due().gate
    world.change(render_released=True)
    assert world.stages() == [("render", None)]


def test_a_flagged_file_waits_and_nothing_is_made_of_it():
    world = World()
    world.finish()
    specs = world.due().new
    for spec in specs:
        world.make(spec, verdict=Verdict.FLAGGED if (spec.stage, spec.scene_id) == ("image", 1) else Verdict.PASSED)
    plan = world.due()
    assert plan.flagged == [Stage.IMAGE]
    assert world.stages() == [("clip", 2)]


@pytest.mark.parametrize("verdict", [Verdict.PASSED, Verdict.APPROVED])
def test_what_is_usable_is_used(verdict):
    world = World()
    world.finish(verdict=verdict)
    assert len(world.stages()) == 4


def test_an_edited_narration_changes_its_voice_and_the_render_and_nothing_else():
    world = World().run()
    world.edit(2, narration="Other words.")
    assert world.stages() == [("voiceover", 2)]
    world.finish(seconds=4.5)  # 5 seconds are sold: the clip still fits
    assert world.stages() == [("render", None)]
    assert world.due().new[0].round == 2


def test_a_voice_that_needs_a_longer_clip_takes_one():
    world = World().run()
    world.edit(2, narration="Far more words.")
    world.finish(seconds=7.0)
    plan = world.due()
    assert [(s.stage, s.scene_id, s.want["seconds"]) for s in plan.new] == [("clip", 2, 10)]
    world.finish()
    assert world.stages() == [("render", None)]


def test_an_edited_prompt_changes_image_clip_and_render_of_that_scene():
    world, seen = World().run(), []
    world.edit(1, visual_prompt="Another view")
    while not world.due().finished:
        seen += world.stages()
        world.finish()
    assert seen == [("image", 1), ("clip", 1), ("render", None)]


def test_what_was_edited_back_is_found_on_the_shelf_and_not_bought_again():
    world = World().run()
    old = dict(world.facts.assets)
    world.edit(1, visual_prompt="Another view")
    world.finish()
    shelf = {(slot, asset.stands_for): asset for slot, asset in old.items()}
    world.change(shelf=shelf)
    world.edit(1, visual_prompt="A view 1")
    plan = world.due()
    assert plan.new == []
    assert plan.revive == [((1, "image"), old[1, "image"].id)]
    assert plan.finished


def images_of_scene_1(world):
    """How many are made before the clip is due."""
    count = 0
    while ("clip", 1) not in world.stages():
        for spec in world.due().new:
            world.make(spec)
            key = ((spec.scene_id, spec.stage), spec.wanted)
            world.change(made={**world.facts.made, key: world.facts.made.get(key, 0) + 1})
            count += (spec.scene_id, spec.stage) == (1, "image")
    return count


@pytest.mark.parametrize(("said", "count"), [("", 1), (" --repeat 1", 1), (" --repeat 3", 3), (" --r 99", 40)])
def test_a_prompt_with_repeat_is_made_so_often_before_the_clip_is_due(said, count):
    world = World()
    world.finish()
    world.edit(1, visual_prompt=f"A view{said}")
    assert images_of_scene_1(world) == count


def test_repeat_is_no_part_of_what_is_wanted_so_that_more_of_it_only_adds():
    plain, repeated = World(), World()
    for world in (plain, repeated):
        world.finish()
        world.edit(1, visual_prompt="A view --repeat 2" if world is repeated else "A view")
        world.finish()
    assert plain.due().wanted[1, "image"] == repeated.due().wanted[1, "image"]


def test_what_a_person_chose_for_a_prompt_with_repeat_is_left_alone():
    world = World()
    world.finish()
    world.finish()
    world.edit(1, visual_prompt="A view 1 --repeat 3")  # none was made for it as it stands: it was put there
    assert world.due().new and ("image", 1) not in world.stages()


@pytest.mark.parametrize("state", [State.READY, State.RUNNING, State.CHECKING])
def test_a_repeat_that_is_under_way_is_awaited_and_one_too_many_is_dropped(state):
    world = World()
    world.finish()
    world.edit(1, visual_prompt="A view 1 --repeat 2")
    world.finish()
    wanted = world.due().wanted[1, "image"]
    world.open((1, "image"), state, wanted=wanted)
    world.change(made={((1, "image"), wanted): 1})
    assert (world.due().stale, ("clip", 1) in world.stages()) == ([], False)
    world.edit(1, visual_prompt="A view 1")
    assert (world.due().stale, ("clip", 1) in world.stages()) == ([7] if state == State.READY else [], True)


def test_a_step_that_is_open_is_not_asked_for_twice():
    world = World()
    wanted = world.due().new[0].wanted
    for state in (State.READY, State.CLAIMED, State.RUNNING, State.FETCHING, State.CHECKING, State.UNKNOWN):
        world.open((None, "script"), state, wanted=wanted)
        plan = world.due()
        assert (plan.new, plan.stale, plan.owes) == ([], [], 0)


def test_a_step_that_needs_a_person_owes_nothing_and_says_so():
    world = World(strategy="parallel")
    world.open((None, "script"), State.ATTENTION, wanted=world.due().new[0].wanted, reason=Reason.FAILED)
    plan = world.due()
    assert (plan.new, plan.owes) == ([], NOTHING_OWED)
    assert [step.message for step in plan.attention] == ["why"]


@pytest.mark.parametrize(
    ("state", "reason", "dropped"),
    [
        (State.READY, "", True),
        (State.ATTENTION, Reason.FAILED, True),
        (State.ATTENTION, Reason.POISON, True),
        (State.ATTENTION, Reason.DECISION, False),
        (State.CLAIMED, "", False),
        (State.RUNNING, "", False),
        (State.UNKNOWN, "", False),
        (State.CHECKING, "", False),
    ],
)
def test_an_idle_step_for_what_nobody_wants_any_more_is_dropped_and_one_that_is_out_is_awaited(state, reason, dropped):
    world = World()
    world.open((None, "script"), state, wanted="of yesterday", reason=reason)
    plan = world.due()
    assert plan.stale == ([7] if dropped else [])
    assert len(plan.new) == (1 if dropped else 0)
    assert over(world.facts).stale == ([7] if dropped else [])


def test_a_step_whose_inputs_are_usable_no_more_is_dropped():
    world = World().run()
    world.open((2, "clip"), State.READY, wanted="anything")
    assets = dict(world.facts.assets)
    del assets[2, "image"]
    world.change(assets=assets)
    plan = world.due()
    assert plan.stale == [7]
    assert world.stages() == [("image", 2)]


def test_a_step_for_what_already_stands_is_dropped():
    world = World().run()
    world.open((1, "image"), State.READY, wanted=world.due().wanted[1, "image"])
    assert world.due().stale == [7]
    assert world.due().finished


def test_rounds_are_counted_from_the_highest():
    world = World()
    world.change(rounds={(None, "script"): 4})
    assert world.due().new[0].round == 5


def test_owing_is_the_lowest_gate():
    world = World(strategy="parallel")
    assert world.due().owes == 2
    world.finish()
    assert world.due().owes == 4


def test_a_planted_flaw_is_in_what_is_wanted_of_that_scene_only():
    world = World(flaws={"1:image:2": "blank"})
    world.finish()
    assert [s.scene_id for s in world.due().new if s.want.get("flaw") == "blank"] == [2]


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=6))
def test_a_fingerprint_does_not_mind_the_order_and_minds_all_else(want):
    assert fingerprint(want) == fingerprint(dict(reversed(want.items())))
    assert fingerprint(want) != fingerprint({**want, "one more": 1})


@given(st.floats(0.1, 30), st.lists(st.integers(1, 20), min_size=1, max_size=4, unique=True).map(sorted))
def test_the_length_is_the_shortest_that_covers(seconds, lengths):
    length = length_for(seconds, tuple(lengths))
    covering = [n for n in lengths if n >= seconds]
    assert length == (covering[0] if covering else lengths[-1])


def test_where_any_length_is_sold_it_covers_the_voice():
    assert 3.99 <= length_for(3.99, ()) <= 4.1
