from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.models import Asset, Review
from jobs.states import State, Verdict
from tests.factories import a_batch, a_project, a_user
from tests.made_videos import an_inspection, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return a_project()


@pytest.fixture
def ana(project):
    return a_user(group="reviewer", project=project, first_name="Ana")


@pytest.fixture
def reviewer(client, ana):
    client.force_login(ana)
    return client


@pytest.fixture
def waiting(project):
    """Three files that wait, in the order of the queue."""
    for video in a_batch("Bread", "Tides", "Locks", project=project).videos.all():
        make(video, flagged=[("image", 1)])
    return list(Asset.objects.filter(verdict="flagged").order_by("pk"))


def text(response):
    return re.sub(r"\s+", " ", response.content.decode())


def url(name, thing):
    return reverse(name, args=[thing.pk])


def verdict(asset):
    asset.refresh_from_db()
    return asset.verdict


# -- the queue


def test_the_queue_lists_what_waits_with_its_worst_check(reviewer, waiting):
    page = text(reviewer.get(reverse("review_queue")))
    assert 'Waiting <span class="vb-tab-count">3</span>' in page
    assert page.count("The picture is blank.") == 3


def test_the_queue_is_sorted_by_worst_check_and_filtered(reviewer, waiting):
    an_inspection(waiting[2], failed=3)
    page = reviewer.get(reverse("review_queue"), {"sort": "worst"})
    assert [tile.asset.pk for tile in page.context["tiles"]] == [waiting[2].pk, waiting[0].pk, waiting[1].pk]
    assert reviewer.get(reverse("review_queue"), {"kind": "clip"}).context["tiles"] == []


def test_decided_files_stand_under_their_tab(reviewer, waiting):
    reviewer.post(url("review_approve", waiting[0]))
    reviewer.post(url("review_send_back", waiting[1]), {"reason": "style", "note": "warmer"})
    for tab, asset in (("approved", waiting[0]), ("sent_back", waiting[1]), ("waiting", waiting[2])):
        tiles = reviewer.get(reverse("review_queue"), {"tab": tab}).context["tiles"]
        assert [tile.asset for tile in tiles] == [asset], tab


def test_the_queue_takes_the_same_queries_for_many_files(reviewer, project, waiting, django_assert_max_num_queries):
    with django_assert_max_num_queries(15) as few:
        reviewer.get(reverse("review_queue"))
    most = len(few)
    for video in a_batch(*"abcd", project=project).videos.all():
        make(video, flagged=[("image", 1), ("voiceover", 2)])
    with django_assert_max_num_queries(most):
        reviewer.get(reverse("review_queue"))


def test_many_are_approved_at_once_but_failed_ones_only_when_named(reviewer, waiting):
    waiting[0].inspection.results.filter(status="failed").update(status="skipped")
    ids = [asset.pk for asset in waiting]
    page = text(reviewer.post(reverse("review_approve_many"), {"asset": ids}, follow=True))
    assert "Approved 1." in page
    assert "2 left out: a check failed." in page
    assert [verdict(asset) for asset in waiting] == ["approved", "flagged", "flagged"]
    reviewer.post(reverse("review_approve_many"), {"asset": ids[1:], "with_failed": "yes"})
    assert [verdict(asset) for asset in waiting] == ["approved"] * 3


# -- one file


def test_the_page_shows_the_file_its_checks_texts_and_place(reviewer, waiting):
    page = text(reviewer.get(url("review_asset", waiting[1])))
    for part in ("2 of 3 waiting", f"/media/{waiting[1].pk}/", "The picture is blank.", "Words 1.", "Off style"):
        assert part in page, part
    assert "Regenerate image of scene 1 · no charge" in page
    assert f'href="{url("review_asset", waiting[2])}" data-vb-key="j"' in page
    assert f'href="{url("review_asset", waiting[0])}" data-vb-key="k"' in page


@pytest.mark.parametrize("flaw", [("voiceover", 2), ("clip", 1), ("render", 0), ("script", 0)])
def test_every_kind_of_file_can_be_looked_at(reviewer, project, flaw):
    video = make(a_batch("Bread", project=project).videos.get(), flagged=[flaw])
    asset = video.assets.get(verdict="flagged")
    page = text(reviewer.get(url("review_asset", asset)))
    assert ("<audio" in page, "<video" in page) == (flaw[0] == "voiceover", flaw[0] in ("clip", "render"))
    assert "Approve" in page


def test_approving_opens_the_next_one_with_a_way_back(reviewer, waiting):
    answer = reviewer.post(url("review_approve", waiting[0]))
    decision = Review.objects.get()
    assert answer["Location"] == f"{url('review_asset', waiting[1])}?done={decision.pk}"
    page = text(reviewer.get(answer["Location"]))
    assert url("review_undo", decision) in page
    reviewer.post(url("review_undo", decision))
    assert verdict(waiting[0]) == "flagged"


def test_the_way_back_is_offered_for_ten_seconds(reviewer, waiting):
    reviewer.post(url("review_approve", waiting[0]))
    Review.objects.update(at=timezone.now() - timedelta(seconds=11))
    page = text(reviewer.get(url("review_asset", waiting[1]), {"done": Review.objects.get().pk}))
    assert "data-vb-decided" not in page


def test_after_the_last_one_comes_the_queue(reviewer, waiting):
    for asset in waiting[:2]:
        reviewer.post(url("review_approve", asset))
    answer = reviewer.post(url("review_approve", waiting[2]))
    assert answer["Location"].startswith(reverse("review_queue") + "?done=")
    assert "Nothing waits for review" in text(reviewer.get(answer["Location"]))


def test_the_filter_travels_along(reviewer, waiting):
    answer = reviewer.post(url("review_approve", waiting[0]) + "?kind=image&sort=worst")
    assert answer["Location"].startswith(url("review_asset", waiting[1]) + "?kind=image&sort=worst&done=")


def test_sending_back_makes_only_this_file_again(reviewer, waiting):
    reviewer.post(url("review_send_back", waiting[0]), {"reason": "style", "note": "warmer"})
    assert verdict(waiting[0]) == Verdict.SENT_BACK
    step = waiting[0].video.steps.get(state=State.READY)
    assert (step.stage, step.scene, step.round) == ("image", waiting[0].scene, 2)
    assert (Review.objects.get().note, Review.objects.get().reason) == ("warmer", "style")


def test_sending_back_without_a_reason_is_refused(reviewer, waiting):
    answer = reviewer.post(url("review_send_back", waiting[0]), {"reason": "bored"}, follow=True)
    assert "Choose a reason: Off style" in text(answer)
    assert verdict(waiting[0]) == "flagged"


def test_a_second_reviewer_sees_who_is_at_it_and_comes_too_late(reviewer, ana, project, waiting):
    reviewer.get(url("review_asset", waiting[0]))
    other = Client()
    other.force_login(a_user(group="reviewer", project=project))
    assert f"{ana} is reviewing" in text(other.get(url("review_asset", waiting[0])))
    assert f"{ana} is reviewing" in text(other.get(reverse("review_queue")))
    assert f"{ana} is reviewing" not in text(reviewer.get(url("review_asset", waiting[0])))
    reviewer.post(url("review_approve", waiting[0]))
    answer = other.post(url("review_approve", waiting[0]), follow=True)
    assert f"{ana} has already decided about this file." in text(answer)


def test_the_next_one_is_one_that_nobody_else_has_open(reviewer, project, waiting):
    Asset.objects.filter(pk=waiting[1].pk).update(
        reviewing_by=a_user(group="reviewer", project=project), reviewing_until=timezone.now() + timedelta(minutes=5)
    )
    answer = reviewer.post(url("review_approve", waiting[0]))
    assert answer["Location"].startswith(url("review_asset", waiting[2]))


def test_a_viewer_looks_without_deciding_or_claiming(client, project, waiting):
    client.force_login(a_user(group="viewer", project=project))
    page = text(client.get(url("review_asset", waiting[0])))
    assert "may look at files, but not decide" in page
    waiting[0].refresh_from_db()
    assert waiting[0].reviewing_by is None
    for name in ("review_approve", "review_send_back", "review_undo"):
        assert client.post(url(name, waiting[0])).status_code == 403
    assert client.post(reverse("review_approve_many")).status_code == 403


def test_a_stranger_finds_nothing(client, waiting):
    client.force_login(a_user(group="reviewer", project=a_project()))
    assert "Nothing waits for review" in text(client.get(reverse("review_queue")))
    for name in ("review_approve", "review_send_back"):
        assert client.post(url(name, waiting[0])).status_code == 404
    assert client.get(url("review_asset", waiting[0])).status_code == 404
    client.post(reverse("review_approve_many"), {"asset": [waiting[0].pk], "with_failed": "yes"})
    assert verdict(waiting[0]) == "flagged"
