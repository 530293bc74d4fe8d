"""What the batch page says where a cap has no room for the next call."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.models import Budget, Step
from providers.models import Price, Provider
from tests.factories import a_batch, a_project
from tests.jobs.views.asking import page
from tests.jobs.views.situations import workers_are_seen

pytestmark = pytest.mark.django_db


def a_capped_batch(project, *, micro=250_000, cap=1_000_000, **sums):
    """Each call costs at most `micro`."""
    workers_are_seen()
    batch = a_batch("Bread", "Tides", project=project, cap_micro=cap)
    Price.objects.update(unit="calls", micro=micro, per=1)
    batch.budgets.update(**sums)
    return batch


def test_a_cap_with_less_left_than_the_next_call_may_cost_says_so(producer, project):
    batch = a_capped_batch(project, spent_micro=785_500)
    context = page(producer, batch).context
    sentence = "Cap for A batch has $0.21 left and the next script may cost $0.25; raise the cap"
    assert context["holds"] == [sentence]
    assert [item.reason for item in context["items"]] == [f"Its script waits: {sentence}."] * 2
    assert f"{sentence}." in producer.get(reverse("batch_live", args=[batch.pk])).content.decode()


@pytest.mark.parametrize(
    ("micro", "spent"),
    [(250_000, 750_000), (0, 1_000_000)],
    ids=["just enough", "free calls need no room"],
)
def test_a_cap_with_enough_left_says_nothing(producer, project, micro, spent):
    context = page(producer, a_capped_batch(project, micro=micro, spent_micro=spent)).context
    assert context["holds"] == []
    assert context["items"][0].reason == "Its script is next in line at Studio (offline)."


def test_a_cap_that_is_used_up_says_so(producer, project):
    context = page(producer, a_capped_batch(project, spent_micro=1_200_000)).context
    assert context["holds"] == ["Cap for A batch is used up"]


@pytest.mark.parametrize(
    ("reserved", "sentence"),
    [
        (300_000, "Cap for A batch has $0.20 left and the next script may cost $0.25; "
         "$0.30 are reserved for calls that are out"),
        (500_000, "Cap for A batch has nothing left: $0.50 are reserved for calls that are out"),
    ],
)  # fmt: skip
def test_what_calls_that_are_out_may_give_back_is_no_alarm(producer, project, reserved, sentence):
    context = page(producer, a_capped_batch(project, spent_micro=500_000, reserved_micro=reserved)).context
    assert context["holds"] == []
    assert context["items"][0].reason == f"Its script waits: {sentence}."


def test_every_cap_that_covers_the_batch_counts_and_no_other(producer, project):
    batch = a_capped_batch(project)
    Budget.objects.create(scope="project", project=a_project(), cap_micro=0)
    Budget.objects.create(scope="provider", provider=Provider.objects.get(slug="this_machine"), cap_micro=0)
    assert page(producer, batch).context["holds"] == []
    Budget.objects.create(scope="site", period="day", cap_micro=100_000)
    said = "Cap for everything each day has $0.10 left and the next script may cost $0.25; raise the cap"
    assert page(producer, batch).context["holds"] == [said]


def test_what_was_spent_before_today_leaves_a_daily_cap_alone(producer, project):
    batch = a_capped_batch(project)
    cap = Budget.objects.create(scope="site", period="day", cap_micro=300_000, spent_micro=300_000)
    Budget.objects.filter(pk=cap.pk).update(period_start=cap.counts_from(timezone.now()))
    assert page(producer, batch).context["holds"] == ["Cap for everything each day is used up"]
    Budget.objects.filter(pk=cap.pk).update(period_start=cap.counts_from(timezone.now() - timedelta(days=1)))
    assert page(producer, batch).context["holds"] == []


def test_what_may_not_start_yet_waits_for_no_cap(producer, project):
    batch = a_capped_batch(project, spent_micro=1_000_000)
    Step.objects.filter(batch=batch).update(gate=5)
    assert page(producer, batch).context["holds"] == []


def test_what_caps_have_no_room_for_takes_the_same_queries_for_many_rows(producer, project):
    counts = []
    for size in (2, 40):
        batch = a_batch(*(f"Topic {n}" for n in range(size)), project=project, cap_micro=100)
        Price.objects.update(unit="calls", micro=250_000, per=1)
        page(producer, batch)
        with CaptureQueriesContext(connection) as queries:
            assert page(producer, batch).context["holds"]
        counts.append(len(queries))
    assert counts[0] == counts[1]
