"""How long a batch still takes, as its page tells it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from jobs.models import Attempt, Batch, Step, Video
from jobs.queries import eta
from jobs.states import State
from providers.models import Lane, Offer, Price, Provider
from tests.jobs.views.asking import page
from tests.jobs.views.situations import workers_are_seen

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def attempts_of(batch, count, *, seconds=10):
    now = timezone.now()
    step = Step.objects.filter(batch=batch).first()
    for stage in ("script", "voiceover", "image", "clip", "render"):
        lane = Lane.objects.get(capability=stage)
        for n in range(count):
            donor = Step.objects.create(
                batch=batch, video=step.video, stage=stage, round=10 + n, wanted="x", want={}, lane=lane,
                provider=lane.provider, state=State.DONE,
            )  # fmt: skip
            Attempt.objects.create(
                step=donor, no=1, provider=lane.provider, lane=lane, capability=stage, tag=f"{stage}{batch.pk}{n}",
                offer=Offer.objects.filter(provider=lane.provider, capability=stage).first(),
                request_hash="x", request={}, price=Price.objects.filter(provider=lane.provider).first(),
                sent_at=now - timedelta(seconds=seconds), ended_at=now, send_deadline=now, outcome="accepted",
            )  # fmt: skip


def test_time_left_is_estimated_only_after_five_of_the_slowest_stage(producer, batch):
    workers_are_seen()
    Provider.objects.update(max_in_flight=2)
    assert page(producer, batch).context["left"].words == "Estimating"
    attempts_of(batch, 4)
    assert page(producer, batch).context["left"].words == "Estimating"


def test_time_left_is_work_over_places(producer, batch):
    """Studio: 3 scripts and 6 of each per scene, 10 s each, two at a time: 105 s, then the end."""
    workers_are_seen()
    Provider.objects.update(max_in_flight=2)
    attempts_of(batch, 5)
    left = page(producer, batch).context["left"]
    assert left.seconds == pytest.approx((3 + 6 + 6 + 6) * 10 / 2 + left.seconds - 105, abs=0.1)
    assert 105 < left.seconds < 150
    assert left.words == "about 2 min"
    Provider.objects.update(max_in_flight=1)
    assert page(producer, batch).context["left"].seconds > 210


@pytest.fixture
def foreseen(producer, batch, monkeypatch):
    """How often it was foreseen."""
    workers_are_seen()
    Provider.objects.update(max_in_flight=2)
    attempts_of(batch, 5)
    asked, foresee = [], eta.seconds_left_of
    monkeypatch.setattr(eta, "seconds_left_of", lambda *values: asked.append(1) or foresee(*values))
    return asked


def later(seconds):
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=False)


def test_what_was_foreseen_is_kept_a_while_and_counts_down(producer, batch, foreseen):
    first = page(producer, batch).context["left"].seconds
    with later(8):
        assert page(producer, batch).context["left"].seconds == pytest.approx(first - 8, abs=1)
    assert len(foreseen) == 1


def test_what_is_older_is_told_once_more_and_renewed_when_the_answer_is_on_its_way(producer, batch, foreseen):
    first = page(producer, batch).context["left"].seconds
    with later(15):
        assert page(producer, batch).context["left"].seconds == pytest.approx(first - 15, abs=1)
        assert len(foreseen) == 2
        assert page(producer, batch).context["left"].seconds == pytest.approx(first, abs=1), "nothing was done since"
    assert len(foreseen) == 2


def test_nobody_is_told_what_was_foreseen_long_ago(producer, batch, foreseen):
    first = page(producer, batch).context["left"].seconds
    with later(60):
        workers_are_seen()
        assert page(producer, batch).context["left"].seconds == pytest.approx(first, abs=1)


def test_a_batch_that_was_paused_says_so_at_once(producer, batch, foreseen):
    page(producer, batch)
    Batch.objects.update(paused_at=timezone.now())
    assert page(producer, batch).context["left"].words == "Paused"


@pytest.mark.parametrize(
    ("values", "words"),
    [({"paused_at": timezone.now()}, "Paused"), ({"cancelled_at": timezone.now()}, "—"), ({}, "Waits for you")],
)
def test_time_left_says_when_there_is_none(producer, batch, values, words):
    workers_are_seen()
    Batch.objects.filter(pk=batch.pk).update(**values)
    batch.videos.update(state=Video.State.GATE)
    assert page(producer, batch).context["left"].words == words
