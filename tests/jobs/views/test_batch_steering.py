"""Verbs of a batch: pause, cancel, priority, try again, the risk allowance, the gates."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from jobs.models import Batch, Decision, Step, Video
from jobs.states import Reason, State
from tests.factories import a_batch, a_project, a_user
from tests.jobs.views.asking import page, said
from tests.jobs.views.situations import (
    a_lost_answer,
    a_script_at_its_gate,
    a_stuck_step,
    money_left_at_risk,
)

pytestmark = pytest.mark.django_db
VERBS = [
    "batch_pause",
    "batch_resume",
    "batch_cancel",
    "batch_priority",
    "batch_finish_by",
    "batch_retry",
    "batch_risk",
    "batch_release",
]


# -- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VERBS)
def test_a_stranger_steers_nothing_and_a_viewer_may_not(client, batch, project, name):
    client.force_login(a_user(project=a_project()))
    assert client.post(reverse(name, args=[batch.pk])).status_code == 404
    client.force_login(a_user(group="viewer", project=project))
    assert client.post(reverse(name, args=[batch.pk])).status_code == 403
    assert client.get(reverse("batch_detail", args=[batch.pk])).status_code == 200


@pytest.mark.parametrize("name", VERBS)
def test_looking_at_the_address_of_a_verb_changes_nothing(producer, batch, name):
    assert producer.get(reverse(name, args=[batch.pk])).status_code == 405


# -- steering ----------------------------------------------------------------------------------------------------------


def test_pause_and_resume(producer, batch):
    answer = producer.post(reverse("batch_pause", args=[batch.pk]))
    assert answer.url == reverse("batch_detail", args=[batch.pk])
    batch.refresh_from_db()
    assert batch.paused_at
    assert "Resume</button>" in page(producer, batch).content.decode()
    producer.post(reverse("batch_resume", args=[batch.pk]))
    batch.refresh_from_db()
    assert batch.paused_at is None


@pytest.mark.parametrize(("how", "left"), [("waiting", 1), ("all_but_running", 0), ("everything", 0)])
def test_cancelling_one_batch_never_touches_another(producer, batch, project, how, left):
    other = a_batch("Cats", "Dogs", project=project)
    batch.videos.filter(position=1).update(started_at=timezone.now(), state=Video.State.RUNNING)
    producer.post(reverse("batch_cancel", args=[batch.pk]), {"how": how})
    assert batch.videos.filter(cancelled_at=None).count() == left
    assert other.videos.filter(cancelled_at=None).count() == 2
    assert Step.objects.filter(batch=other, state=State.READY).count() == 2


def test_cancelling_wants_to_know_what(producer, batch):
    answer = producer.post(reverse("batch_cancel", args=[batch.pk]), {"how": "all of it"}, follow=True)
    assert "Choose what to cancel" in said(answer)[0]
    assert not batch.videos.exclude(cancelled_at=None).exists()


def test_priority_changes_and_knows_three_values(producer, batch):
    producer.post(reverse("batch_priority", args=[batch.pk]), {"priority": "1"})
    batch.refresh_from_db()
    assert batch.priority == 1
    answer = producer.post(reverse("batch_priority", args=[batch.pk]), {"priority": "99"}, follow=True)
    assert said(answer)[-1] == "A priority is low, normal or high."


def test_retry_sends_all_that_failed_but_no_lost_answer(producer, batch, project):
    first, second = a_stuck_step(batch, position=1), a_stuck_step(batch, position=2, message="Another cause.")
    lost = a_stuck_step(batch, position=3, reason=Reason.DECISION)
    other = a_stuck_step(a_batch("Cats", project=project))
    assert "Retry 2 failed" in page(producer, batch).content.decode()
    producer.post(reverse("batch_retry", args=[batch.pk]))
    states = dict(Step.objects.values_list("pk", "state"))
    assert states[first.pk] == states[second.pk] == State.READY
    assert states[lost.pk] == states[other.pk] == State.ATTENTION
    assert Decision.objects.filter(kind="try_again").count() == 2


def test_retry_of_one_cause_or_of_one_step(producer, batch):
    first, second = a_stuck_step(batch, position=1), a_stuck_step(batch, position=2, message="Another cause.")
    third = a_stuck_step(batch, position=3)
    producer.post(reverse("batch_retry", args=[batch.pk]), {"like": first.pk})
    assert list(Step.objects.filter(state=State.ATTENTION)) == [second]
    a_stuck_step(batch, position=3)
    producer.post(reverse("batch_retry", args=[batch.pk]), {"step": second.pk})
    assert list(Step.objects.filter(state=State.ATTENTION)) == [third]


def test_what_was_refused_is_not_retried_with_the_rest_and_what_was_declined_never(producer, batch):
    refused = a_stuck_step(batch, position=1, reason=Reason.REJECTED, message="No such model.")
    declined = a_stuck_step(batch, position=2, reason=Reason.CONTENT, message="Declined by policy.")
    text = page(producer, batch).content.decode()
    assert "failed</button>" not in text, "nothing can be retried as it is"
    assert f'name="like" value="{declined.pk}"' not in text
    assert "Edit the prompt" in text
    assert "It was changed: ask again" in text
    producer.post(reverse("batch_retry", args=[batch.pk]))
    assert set(Step.objects.filter(batch=batch, state=State.ATTENTION)) == {refused, declined}
    producer.post(reverse("batch_retry", args=[batch.pk]), {"like": refused.pk})
    assert list(Step.objects.filter(batch=batch, state=State.ATTENTION)) == [declined]
    assert producer.post(reverse("batch_retry", args=[batch.pk]), {"like": declined.pk}).status_code == 404


def test_lost_answers_lead_to_the_page_where_they_are_decided(producer, batch):
    for position in (1, 2):
        lost = a_lost_answer(batch, position=position)
    text = page(producer, batch).content.decode()
    assert f"2 scripts</strong> · {lost.provider} never answered" in text
    assert "It may have cost up to $0.08" in text
    assert f'href="{reverse("decision_list")}?batch={batch.pk}"' in text


def test_a_lost_answer_waits_for_its_decision_when_the_batch_is_cancelled(producer, batch):
    lost = a_lost_answer(batch)
    a_stuck_step(batch, position=2)
    producer.post(reverse("batch_cancel", args=[batch.pk]), {"how": "everything"})
    assert [cause.step_id for cause in page(producer, batch).context["causes"]] == [lost.step_id]
    assert [need.batch for need in producer.get("/").context["needs"]] == [batch]


# -- the risk allowance ------------------------------------------------------------------------------------------------


def test_the_risk_allowance_and_what_it_has_used_are_shown(producer, batch):
    money_left_at_risk(batch)
    text = page(producer, batch).content.decode()
    assert "$0.04 of $0.50" in text
    assert "up to $0.10" in text
    assert "by the site" in text


@pytest.mark.parametrize(("given", "micro"), [("0.25", 250_000), ("$2", 2_000_000), ("0", 0), ("", None)])
def test_the_risk_allowance_is_set_and_written_down(producer, batch, given, micro):
    Batch.objects.filter(pk=batch.pk).update(risk_micro=7)
    producer.post(reverse("batch_risk", args=[batch.pk]), {"dollars": given})
    batch.refresh_from_db()
    assert batch.risk_micro == micro
    assert Decision.objects.get().kind == "allowance"


@pytest.mark.parametrize("given", ["-1", "much", "NaN", "1e309", "Infinity", "1,5", "9999999999"])
def test_an_allowance_that_is_no_amount_is_refused_with_a_sentence(producer, batch, given):
    answer = producer.post(reverse("batch_risk", args=[batch.pk]), {"dollars": given}, follow=True)
    assert said(answer) == ["An allowance is an amount in dollars, such as 0.50. 0: always ask a person."]
    batch.refresh_from_db()
    assert batch.risk_micro is None


# -- the gate ----------------------------------------------------------------------------------------------------------


def test_scripts_are_read_and_released_one_by_one_or_all(producer, project):
    batch = a_script_at_its_gate("Bread", "Tides", "Locks", project=project)
    assert "Read 3 scripts" in page(producer, batch).content.decode()
    text = producer.get(reverse("batch_scripts", args=[batch.pk])).content.decode()
    assert text.count("Bread rises.") == 6
    assert "Release all 3" in text
    first = batch.videos.first()
    answer = producer.post(reverse("batch_release", args=[batch.pk]), {"what": "scripts", "video": first.pk})
    assert answer.url == reverse("batch_scripts", args=[batch.pk])
    assert list(Video.objects.exclude(script_released_at=None)) == [first]
    answer = producer.post(reverse("batch_release", args=[batch.pk]), {"what": "scripts"})
    assert answer.url == reverse("batch_detail", args=[batch.pk])
    assert not batch.videos.filter(script_released_at=None).exists()
    assert Step.objects.filter(batch=batch, stage="image", state=State.READY).count() == 6
    answer = producer.post(reverse("batch_release", args=[batch.pk]), {"what": "scripts"}, follow=True)
    assert "somebody has released it already" in said(answer)[-1]
