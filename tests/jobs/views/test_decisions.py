"""The page where lost answers are decided."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.models import Attempt, Decision, LedgerEntry, Step, Video
from jobs.states import State
from providers import registry
from providers.models import Lane
from tests.factories import a_batch, a_project, a_provider, a_user
from tests.invariants import assert_invariants
from tests.jobs.engine.listed_vendor import Listed
from tests.jobs.views.situations import a_lost_answer, a_stuck_step, money_left_at_risk

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
LIST, MAKE = "decision_list", "decision_make"
SENT = {"prompt": "A <b>loaf</b>", "offer": "model-7", "width": 1280, "height": 720, "seconds": 5.0, "seed": 42}


@pytest.fixture
def project():
    return a_project()


@pytest.fixture
def producer(client, project):
    client.force_login(a_user(project=project))
    return client


@pytest.fixture
def batch(project):
    return a_batch("Bread", "Bees", "Tides", project=project)


def text_of(client, **query) -> str:
    return client.get(reverse(LIST), query).content.decode()


def said(answer) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def say(client, verb: str, **values):
    return client.post(reverse(MAKE), {"verb": verb, **values})


def at_listed(attempt: Attempt) -> Attempt:
    """The same question about a vendor whose jobs have ids."""
    provider = a_provider("listed", micro=40_000)
    lane = Lane.objects.get(provider=provider)
    Step.objects.filter(pk=attempt.step_id).update(provider=provider, lane=lane)
    Attempt.objects.filter(pk=attempt.pk).update(provider=provider, lane=lane)
    LedgerEntry.objects.filter(attempt=attempt).update(provider=provider)
    return Attempt.objects.get(pk=attempt.pk)


@pytest.fixture
def listed():
    registry.register(Listed)
    yield Listed
    registry._extra.pop("listed", None)


# -- what it shows -----------------------------------------------------------------------------------------------------


def test_each_shows_its_money_the_request_as_sent_and_what_to_look_for(producer, batch):
    sent = datetime(2026, 11, 21, 14, 3, 22, tzinfo=UTC)
    attempt = a_lost_answer(batch, request=SENT, sent_at=sent)
    text = text_of(producer)
    for words in ("up to $0.04", "model-7", "1280×720", "5 s", "42", f"tag{attempt.step_id}"):
        assert words in text
    assert "A &lt;b&gt;loaf&lt;/b&gt;" in text, "harmless"
    assert f"Open the history of your account at {attempt.provider}." in text
    assert "Look for a script made on 21 November at 14:03:22 or a little later, with this prompt." in text


def test_a_vendor_says_itself_where_to_look(producer, batch, listed, monkeypatch):
    monkeypatch.setattr(listed, "where_to_look", "Open https://listed.example/history")
    at_listed(a_lost_answer(batch))
    assert "Open https://listed.example/history. Look for a script" in text_of(producer)


def test_those_of_one_cause_stand_together_across_batches(producer, batch, project):
    other = a_batch("Cats", project=project)
    for attempt_of in (batch, other):
        a_lost_answer(attempt_of)
    a_lost_answer(batch, position=2, message="It broke off.")
    groups = producer.get(reverse(LIST)).context["groups"]
    assert [(group.what, group.micro, len(group.questions)) for group in groups] == [
        ("1 script", 40_000, 1),
        ("2 scripts", 80_000, 2),
    ]
    assert "None of the 2 happened: try again" in text_of(producer)
    assert [group.what for group in producer.get(reverse(LIST), {"batch": other.pk}).context["groups"]] == ["1 script"]


def test_where_nothing_waits_it_says_so(producer):
    assert "Nothing needs a decision" in text_of(producer)


def test_what_a_stranger_needs_is_neither_shown_nor_decided(producer, batch):
    a_lost_answer(batch)
    foreign = a_lost_answer(a_batch("Secret", project=a_project()))
    assert producer.get(reverse(LIST)).context["total"]["count"] == 1
    assert producer.get(reverse(LIST), {"batch": foreign.step.batch_id}).status_code == 404
    for named in ({"step": foreign.step_id}, {"like": foreign.step_id}):
        answer = say(producer, "again", **named)
        assert said(answer)[-1].startswith("Nothing waits for that decision")
    assert Step.objects.get(pk=foreign.step_id).state == State.ATTENTION


def test_like_means_what_the_person_may_see(producer, batch):
    mine = a_lost_answer(batch)
    foreign = a_lost_answer(a_batch("Secret", project=a_project()))
    say(producer, "again", like=mine.step_id)
    assert Step.objects.get(pk=mine.step_id).state == State.READY
    assert Step.objects.get(pk=foreign.step_id).state == State.ATTENTION


@pytest.mark.parametrize("group", ["viewer", "reviewer"])
def test_who_may_not_decide_sees_no_buttons(client, project, batch, group):
    a_lost_answer(batch)
    client.force_login(a_user(group=group, project=project))
    text = text_of(client)
    assert reverse(MAKE) not in text
    assert "A producer or an admin decides." in text
    assert say(client, "again", step=1).status_code == 403


def test_its_queries_do_not_grow_with_what_waits(producer, project):
    def fill(count: int) -> None:
        batch = a_batch(*["Bread"] * count, project=project)
        for position in range(1, count + 1):
            a_lost_answer(batch, position=position, message=f"Cause {position % 3}")
            money_left_at_risk(a_batch("Cats", project=project))

    fill(2)
    producer.get(reverse(LIST))  # what is read once a session is read
    before = queries_of(producer)
    fill(9)
    assert queries_of(producer) == before


def queries_of(client) -> int:
    with CaptureQueriesContext(connection) as queries:
        client.get(reverse(LIST))
    return len(queries)


def test_a_long_list_has_pages_and_its_groups_count_all(producer, project):
    batch = a_batch(*["Bread"] * 25, project=project)
    for position in range(1, 26):
        a_lost_answer(batch, position=position)
    first, second = (producer.get(reverse(LIST), {"page": n}).context["groups"] for n in (1, 2))
    assert (first[0].count, len(first[0].questions), len(second[0].questions)) == (25, 20, 5)


# -- the three words ---------------------------------------------------------------------------------------------------


def test_it_did_not_happen_frees_the_money_and_sends_it_again(producer, batch):
    attempt = a_lost_answer(batch)
    answer = say(producer, "again", step=attempt.step_id)
    assert said(answer) == ["Nothing is booked, and it is sent again."]
    step = Step.objects.get(pk=attempt.step_id)
    assert (step.state, step.reason) == (State.READY, "")
    assert_invariants(files=False)
    assert Decision.objects.get().kind == "try_again"


def test_it_did_happen_books_the_price_and_makes_it_anew(producer, batch):
    attempt = a_lost_answer(batch)
    say(producer, "happened", step=attempt.step_id, external_id="typed, but another button was pressed")
    attempt.refresh_from_db()
    assert (attempt.cost_micro, attempt.external_id, attempt.step.state) == (40_000, "", State.READY)
    assert_invariants(files=False)


def test_with_the_vendors_id_its_job_is_followed(producer, batch, listed):
    attempt = at_listed(a_lost_answer(batch))
    assert "It did: fetch this job" in text_of(producer)
    answer = say(producer, "happened", step=attempt.step_id, external_id=" job-7 ", follow="yes")
    assert said(answer) == ["The job job-7 is followed now; its price is booked when it ends."]
    attempt.refresh_from_db()
    assert (attempt.external_id, attempt.outcome, attempt.step.state) == ("job-7", "adopted", State.RUNNING)
    assert_invariants(files=False)


def test_following_a_job_needs_its_id(producer, batch, listed):
    attempt = at_listed(a_lost_answer(batch))
    answer = say(producer, "happened", step=attempt.step_id, external_id=" ", follow="yes")
    assert said(answer) == ["Give the provider's id of the job, or book it as paid without one."]
    assert Attempt.objects.get(pk=attempt.pk).outcome == "unknown"


def test_giving_up_cancels_the_video_and_leaves_the_money_at_risk(producer, batch):
    attempt = a_lost_answer(batch)
    answer = say(producer, "give_up", step=attempt.step_id)
    assert said(answer) == ["Given up: it is not made. What the lost answer may have cost stays at risk."]
    step = Step.objects.select_related("video").get(pk=attempt.step_id)
    assert (step.state, step.video.state) == (State.CANCELLED, Video.State.CANCELLED)
    assert Video.objects.filter(batch=batch, state=Video.State.CANCELLED).count() == 1
    assert_invariants(files=False)
    assert "Decided, and still at risk" in text_of(producer)


def test_of_a_video_that_was_cancelled_before_only_the_question_is_given_up(producer, batch):
    attempt = a_lost_answer(batch)
    producer.post(reverse("video_cancel", args=[attempt.step.video_id]))
    say(producer, "give_up", step=attempt.step_id)
    assert Step.objects.get(pk=attempt.step_id).state == State.CANCELLED
    assert_invariants(files=False)


@pytest.mark.parametrize(
    ("verb", "state"), [("again", State.READY), ("happened", State.READY), ("give_up", State.CANCELLED)]
)
def test_one_word_answers_for_all_of_one_cause_and_for_no_other(producer, batch, verb, state):
    first, second = a_lost_answer(batch), a_lost_answer(batch, position=2)
    other = a_lost_answer(batch, position=3, message="It broke off.")
    say(producer, verb, like=first.step_id)
    states = dict(Step.objects.values_list("pk", "state"))
    assert (states[first.step_id], states[second.step_id], states[other.step_id]) == (state, state, State.ATTENTION)
    assert_invariants(files=False)


def test_a_second_press_is_told_that_it_is_done(producer, batch):
    attempt = a_lost_answer(batch)
    say(producer, "happened", step=attempt.step_id)
    answer = say(producer, "again", step=attempt.step_id)
    assert said(answer)[-1] == "Nothing waits for that decision any more; somebody has already made it."
    attempt.refresh_from_db()
    assert attempt.cost_micro == 40_000


def test_a_step_that_waits_for_something_else_is_not_decided_here(producer, batch):
    step = a_stuck_step(batch)
    say(producer, "give_up", step=step.pk)
    step.refresh_from_db()
    assert step.state == State.ATTENTION


@pytest.mark.parametrize("values", [{}, {"verb": "nonsense"}, {"verb": "again"}, {"verb": "again", "step": "x" * 99}])
def test_nonsense_is_answered_with_a_sentence(producer, batch, values):
    a_lost_answer(batch)
    answer = producer.post(reverse(MAKE), values)
    assert answer.status_code == 302
    assert said(answer)
    assert not Decision.objects.exists()


def test_one_goes_back_to_the_batch_one_came_from(producer, batch):
    attempt = a_lost_answer(batch)
    answer = say(producer, "again", step=attempt.step_id, batch=batch.pk)
    assert answer["Location"] == f"{reverse(LIST)}?batch={batch.pk}"


# -- what was left at risk ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("billed", "micro"), [("yes", 40_000), ("no", 0)])
def test_what_was_left_at_risk_is_settled_by_the_bill(producer, batch, billed, micro):
    attempt = money_left_at_risk(batch)
    assert "Decided, and still at risk" in text_of(producer)
    producer.post(reverse("risk_settle", args=[attempt.pk]), {"billed": billed})
    attempt.refresh_from_db()
    assert (attempt.outcome, attempt.cost_micro) == ("given_up", micro)
    assert Decision.objects.latest("pk").kind == ("billed" if micro else "not_billed")
    assert_invariants(files=False)
    assert "Decided, and still at risk" not in text_of(producer)
    assert producer.post(reverse("risk_settle", args=[attempt.pk]), {"billed": "yes"}).status_code == 404


def test_a_question_is_not_settled_as_if_it_had_been_decided(producer, batch):
    attempt = a_lost_answer(batch)
    assert producer.post(reverse("risk_settle", args=[attempt.pk]), {"billed": "no"}).status_code == 404


def test_what_an_earlier_try_left_at_risk_is_not_the_question(producer, batch):
    earlier = money_left_at_risk(batch)
    question = a_lost_answer(batch, no=2, tag="second")
    assert [group.micro for group in producer.get(reverse(LIST)).context["groups"]] == [40_000]
    say(producer, "happened", step=question.step_id)
    earlier.refresh_from_db()
    question.refresh_from_db()
    assert (earlier.outcome, question.outcome) == ("unknown", "adopted")
    assert_invariants(files=False)
