from __future__ import annotations

from datetime import timedelta

import pytest

from jobs import review
from jobs.control import Refused
from jobs.models import Asset, Review, Step, Video
from jobs.states import State, Verdict
from tests.factories import a_user

from .conftest import NOW

LATER = NOW + timedelta(minutes=1)
pytestmark = [pytest.mark.engine, pytest.mark.django_db]


@pytest.fixture
def flagged(made):
    """A video whose pictures wait for a reviewer."""
    world = made()
    world.step()
    world.step(image="flagged")
    assert world.video.state == Video.State.REVIEW
    return world


def test_what_was_approved_is_used_a_little_later(flagged):
    picture = flagged.current("image", 1)
    review.approve(picture, a_user(group="reviewer"), LATER)
    assert flagged.due() == [("clip", 1)]
    assert Step.objects.get(stage="clip").not_before == LATER + timedelta(seconds=10)


def test_what_was_sent_back_is_made_again_and_nothing_else(flagged):
    picture = flagged.current("image", 1)
    review.send_back(picture, a_user(group="reviewer"), LATER, reason="style")
    assert flagged.due() == [("image", 1)]
    assert Step.objects.get(state=State.READY).round == 2


def test_a_reason_must_be_one_of_the_list(flagged):
    with pytest.raises(Refused, match="Choose a reason"):
        review.send_back(flagged.current("image", 1), a_user(), LATER, reason="ugly")


def test_of_two_reviewers_the_second_is_told_who_was_first(flagged):
    picture, first = flagged.current("image", 1), a_user()
    review.approve(picture, first, LATER)
    with pytest.raises(Refused, match=first.username):
        review.send_back(picture, a_user(), LATER, reason="style")
    assert Review.objects.count() == 1


@pytest.mark.parametrize("verb", ["approve", "send_back"])
def test_a_decision_can_be_taken_back_while_nothing_has_followed(flagged, verb):
    picture, by = flagged.current("image", 1), a_user()
    if verb == "approve":
        made_review = review.approve(picture, by, LATER)
    else:
        made_review = review.send_back(picture, by, LATER, reason="content")
    review.undo(made_review, LATER)
    picture.refresh_from_db()
    assert (picture.verdict, picture.current) == (Verdict.FLAGGED, True)
    assert flagged.due() == []
    with pytest.raises(Refused, match="already been taken back"):
        review.undo(made_review, LATER)
    review.approve(picture, by, LATER)
    assert flagged.due() == [("clip", 1)]


def test_it_is_too_late_when_the_next_step_has_begun(flagged):
    decision = review.approve(flagged.current("image", 1), a_user(), LATER)
    Step.objects.filter(stage="clip").update(state=State.CLAIMED)
    with pytest.raises(Refused, match="Too late"):
        review.undo(decision, LATER)


def test_what_goes_on_in_another_scene_is_not_in_the_way(flagged):
    decision = review.approve(flagged.current("image", 1), a_user(), LATER)
    review.approve(flagged.current("image", 2), a_user(), LATER)
    Step.objects.filter(stage="clip", scene__position=2).update(state=State.CLAIMED)
    review.undo(decision, LATER)
    assert flagged.current("image", 1).verdict == Verdict.FLAGGED


def test_it_is_too_late_when_another_version_stands_there(flagged):
    picture = flagged.current("image", 1)
    decision = review.send_back(picture, a_user(), LATER, reason="style")
    Step.objects.filter(state=State.READY).update(state=State.CANCELLED)
    Asset.objects.create(
        video=flagged.video, scene=picture.scene, kind="image", name="x", sha256="x", size=1, current=True
    )
    with pytest.raises(Refused, match="another version"):
        review.undo(decision, LATER)


def test_an_approved_script_gives_its_scenes_and_taking_it_back_retires_them(made):
    world = made()
    world.step(script="flagged")
    decision = review.approve(world.current("script"), a_user(), LATER)
    assert len(world.due()) == 4
    review.undo(decision, LATER)
    assert world.due() == []
    assert not world.video.scenes.filter(retired_at=None).exists()


def test_a_file_is_claimed_by_one_reviewer_for_five_minutes(flagged):
    picture, one, two = flagged.current("image", 1), a_user(), a_user()
    assert review.claim(picture, one, LATER) is None
    assert review.claim(picture, one, LATER) is None
    assert review.claim(picture, two, LATER) == one
    assert review.claim(picture, two, LATER + timedelta(seconds=301)) is None
