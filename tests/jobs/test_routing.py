from __future__ import annotations

import pytest

from jobs.routing import CAPABILITY_OF, OfferFacts, choose, hero_clips
from jobs.states import Stage

OFFERS = [
    OfferFacts(id=n, provider_id=1, lane_id=1, capability=capability, name=str(n))
    for n, capability in enumerate(["image", "clip", "clip"], start=1)
]


def test_every_stage_has_a_capability():
    assert set(CAPABILITY_OF) == {stage.value for stage in Stage}


def test_the_offer_that_was_chosen_is_taken():
    assert choose("clip", {"clip": 3}, OFFERS).id == 3


def test_without_a_choice_it_is_the_first_that_can():
    assert choose("clip", {}, OFFERS).id == 2


def test_nothing_stands_in_for_a_choice_that_cannot_be_used():
    assert choose("clip", {"clip": 1}, OFFERS) is None


def test_the_first_of_several_that_can_be_used_is_taken():
    assert choose("clip", {"clip": [9, 3, 2]}, OFFERS).id == 3


@pytest.mark.parametrize(("scenes", "heroes"), [(0, 0), (1, 1), (3, 1), (4, 2), (9, 2)])
def test_of_a_video_to_come_one_or_two_scenes_are_heroes(scenes, heroes):
    assert hero_clips({"clip:hero": [3]}, scenes) == heroes
    assert hero_clips({"clip": [2], "clip:hero": []}, scenes) == 0


def test_hero_scenes_have_a_list_of_their_own():
    chosen = {"clip": [2], "clip:hero": [3]}
    assert choose("clip", chosen, OFFERS, hero=True).id == 3
    assert choose("clip", chosen, OFFERS).id == 2
    assert choose("clip", {"clip": [2]}, OFFERS, hero=True).id == 2


def test_nobody_can():
    assert choose("script", {}, OFFERS) is None
