from __future__ import annotations

import random

import pytest

from jobs.forecast.road import reached, road_of
from jobs.pipeline import AssetFacts, SceneFacts, VideoFacts, due
from jobs.settings_types import BatchSettings
from jobs.states import Verdict


def slots(road):
    return [(place.scene or None, place.stage) for place in road.places]


@pytest.mark.parametrize("moderation", [False, True])
@pytest.mark.parametrize("scenes", [1, 2, 3, 6])
def test_the_road_has_the_steps_that_due_comes_to(moderation, scenes):
    settings = BatchSettings(moderation=moderation)
    assert set(slots(road_of(settings, scenes))) == reached(settings, scenes=scenes)


@pytest.mark.parametrize("moderation", [False, True])
@pytest.mark.parametrize("scenes", [1, 2, 4])
@pytest.mark.parametrize("seed", range(5))
def test_at_every_moment_the_road_lets_begin_what_due_says(moderation, scenes, seed):
    """A video is made step by step in a random order; after each, both must name the same next steps."""
    road = road_of(BatchSettings(moderation=moderation), scenes)
    names, waits = slots(road), [place.waits_for for place in road.places]
    facts = VideoFacts(position=1, topic="t", settings=BatchSettings(moderation=moderation))
    done, order = set(), random.Random(seed)
    while len(done) < len(names):
        plan = due(facts)
        assert {(spec.scene_id, spec.stage) for spec in plan.new} == {
            name for number, name in enumerate(names) if not waits[number] and name not in done
        }
        spec = order.choice(plan.new)
        slot = (spec.scene_id, spec.stage)
        done.add(slot)
        for after in road.places[names.index(slot)].then:
            waits[after] -= 1
        facts = with_step_done(facts, spec, scenes)
    assert due(facts).finished


def with_step_done(facts, spec, scenes):
    made = AssetFacts(
        id=1, name="", sha256="", media_type="", verdict=Verdict.PASSED, stands_for=spec.wanted, seconds=4.0
    )
    told = facts.scenes
    if spec.stage == "script":
        told = tuple(
            SceneFacts(id=n, position=n, narration=f"n{n}", visual_prompt=f"v{n}", seconds=4.0)
            for n in range(1, scenes + 1)
        )
    return VideoFacts(
        position=1,
        topic="t",
        settings=facts.settings,
        scenes=told,
        assets={**facts.assets, (spec.scene_id, spec.stage): made},
    )


def test_heads_and_tails_follow_the_longest_way():
    road = road_of(BatchSettings(), 3)
    seconds = {"script": 10.0, "voiceover": 3.0, "image": 5.0, "clip": 100.0, "render": 7.0}
    assert road.heads(seconds) == {"script": 0, "voiceover": 10, "image": 10, "clip": 15, "render": 115}
    assert road.tails(seconds) == {"render": 0, "clip": 7, "image": 107, "voiceover": 107, "script": 112}
