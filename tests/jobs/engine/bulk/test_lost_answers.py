"""A bulk job is handed in, and the answer is lost on the way, or is a no."""

from __future__ import annotations

import pytest

from jobs.models import Attempt, BulkJob, Step
from jobs.states import Reason, State
from providers.models import Provider, Usage
from tests.simulator_adapter import SimBulk

from .conftest import all_done, creates, has, in_bulk, seller

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.mark.parametrize("fault", ["lose_after_accept", "500_after", "reset_after_accept"])
def test_a_lost_answer_is_found_by_its_tag_and_nothing_is_sent_twice(scene, fault):
    in_bulk(scene, seller(scene, next=[fault]))
    scene.drive_until(has(state=BulkJob.State.UNKNOWN))
    scene.drive_until(all_done)
    assert creates(scene) == ["accepted"]
    assert BulkJob.objects.get().external_id
    scene.check()


def test_one_that_no_listing_shows_was_not_sent_and_is_sent_again(scene):
    in_bulk(scene, seller(scene, next=["lose_before_accept"]))
    scene.drive_until(all_done)
    assert len(creates(scene)) == 2
    assert sum(Usage.objects.values_list("requests", flat=True)) == 1
    assert len([row for row in scene.submits() if row["path"].endswith("files")]) == 1
    scene.check()


def test_a_listing_that_fails_says_nothing(scene):
    in_bulk(scene, seller(scene, next=["lose_after_accept"], next_get=["500", "lose", "429"]))
    scene.drive_until(all_done)
    assert creates(scene) == ["accepted"]
    scene.check()


def test_a_429_costs_no_line_a_try(scene):
    in_bulk(scene, seller(scene, next=["429"]))
    scene.drive_until(all_done)
    assert Attempt.objects.count() == 3
    assert creates(scene)[-1] == "accepted"
    scene.check()


def test_a_refused_order_waits_for_a_person_with_all_its_lines(scene):
    in_bulk(scene, seller(scene, next=["400"]))
    scene.drive_until(lambda: Step.objects.filter(state=State.ATTENTION, reason=Reason.REJECTED).count() == 3)
    scene.check()
    assert not scene.books()["bills"]


def test_a_file_whose_name_is_too_long_to_be_kept_waits_for_a_person(scene, monkeypatch):
    monkeypatch.setattr(SimBulk, "bulk_upload", lambda self, content, tag: "x" * 201)
    in_bulk(scene, seller(scene))
    scene.drive_until(lambda: Step.objects.filter(state=State.ATTENTION, message__contains="too long").count() == 3)
    scene.check()


def test_a_key_that_is_not_accepted_pauses_the_provider_and_keeps_the_lines(scene):
    provider = seller(scene, next=["401"])
    in_bulk(scene, provider)
    scene.drive_until(lambda: Provider.objects.get(pk=provider.pk).paused)
    assert BulkJob.objects.get().state == BulkJob.State.CLOSED
    Provider.objects.filter(pk=provider.pk).update(paused=False)
    scene.drive_until(all_done)
    scene.check()
