from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.models import Batch, Notice, Review, Step, Video, Worker
from jobs.states import State
from tests.factories import a_batch, a_project, a_user, local_providers
from tests.jobs.views.situations import (
    a_flagged_image,
    a_lost_answer,
    a_script_at_its_gate,
    a_stuck_step,
    workers_are_seen,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return a_project()


@pytest.fixture
def producer(client, project):
    client.force_login(a_user(project=project))
    return client


def text_of(client):
    answer = client.get(reverse("home"))
    assert answer.status_code == 200
    return answer.content.decode()


def test_nobody_looks_without_signing_in(client):
    assert client.get(reverse("home")).url.startswith(reverse("login"))


def test_a_new_place_offers_the_sample_project_as_its_one_main_action(client):
    sample = a_project(is_sample=True)
    client.force_login(a_user(project=sample))
    text = text_of(client)
    assert "Try with five sample topics" in text
    assert reverse("batch_new", args=[sample.pk]) + "?sample" in text
    assert text.count("btn btn-primary") == 1


def test_the_sample_topics_stand_in_the_form_and_become_rows(client):
    sample = a_project(is_sample=True)
    client.force_login(a_user(project=sample))
    form = client.get(reverse("batch_new", args=[sample.pk]) + "?sample").context["form"]
    answer = client.post(reverse("batch_new", args=[sample.pk]), form.initial, follow=True)
    assert answer.context["counts"]["ready"] == 5
    assert [words for _, words in answer.context["shown_columns"]] == ["Topic", "Notes"]


def test_without_a_project_one_is_made_first(client):
    client.force_login(a_user())
    assert reverse("project_new") in text_of(client)
    client.force_login(a_user(group="viewer"))
    assert reverse("project_new") not in text_of(client)


def test_everything_that_needs_a_person_has_its_one_action(producer, project):
    flagged = a_batch("Bread", project=project)
    a_flagged_image(flagged)
    gate = a_script_at_its_gate("Tides", "Locks", project=project)
    stuck = a_batch("Cats", project=project)
    step = a_stuck_step(stuck, message="The studio has no voice for this.")
    lost = a_batch("Dogs", project=project)
    a_lost_answer(lost)
    text = text_of(producer)
    assert "1 file to look at" in text
    assert f'href="{reverse("batch_scripts", args=[gate.pk])}"' in text
    assert "2 scripts to read" in text
    assert "The studio has no voice for this." in text
    assert f'name="like" value="{step.pk}"' in text
    assert f'href="{reverse("decision_list")}?batch={lost.pk}"' in text
    assert "1 needs a decision · $0.04 at risk" in text
    assert [need.batch for need in producer.get("/").context["needs"]][0] == gate, "most first"


def test_what_a_stranger_needs_is_not_shown(producer, project):
    other = a_batch("Secret", project=a_project())
    a_stuck_step(other, message="A secret cause.")
    a_batch("Bread", project=project)
    assert "secret" not in text_of(producer).lower()
    assert "Nothing needs you just now." in text_of(producer)


def test_what_runs_and_what_is_over_stand_apart(producer, project):
    running, over = a_batch("Bread", project=project), a_batch("Tides", project=project)
    Batch.objects.filter(pk=over.pk).update(finished_at=timezone.now())
    context = producer.get("/").context
    assert [row[0] for row in context["running"]] == [running]
    assert [row[0] for row in context["recent"]] == [over]


# -- the engine --------------------------------------------------------------------------------------------------------


def test_it_says_when_work_is_due_and_nobody_does_it(producer, project):
    a_batch("Bread", project=project)
    sentence = "No worker is running. Start one with make run."
    assert sentence in text_of(producer)
    workers_are_seen()
    assert sentence not in text_of(producer)
    Worker.objects.update(seen_at=timezone.now() - timedelta(seconds=21))
    assert sentence in text_of(producer)
    Step.objects.update(state=State.DONE)
    assert sentence not in text_of(producer), "nothing is due"


def test_a_missing_media_worker_is_named(producer, project):
    a_batch("Bread", project=project)
    workers_are_seen()
    Worker.objects.filter(role="media").update(seen_at=timezone.now() - timedelta(minutes=1))
    assert "No media worker" not in text_of(producer)
    Step.objects.update(state=State.CHECKING)
    assert "No media worker is running" in text_of(producer)


def test_the_last_notice_of_the_day_is_shown(producer, project):
    a_batch("Bread", project=project)
    Notice.objects.create(text="Long ago.", at=timezone.now() - timedelta(days=2))
    assert "Nothing out of the ordinary" in text_of(producer)
    Notice.objects.create(text="The media cluster was restarted.", at=timezone.now() - timedelta(hours=2))
    assert "The media cluster was restarted." in text_of(producer)


# -- first steps -------------------------------------------------------------------------------------------------------


def done(client):
    return [step.done for step in client.get("/").context["steps"]]


def test_first_steps_tick_themselves_off_and_then_go(producer, project):
    local_providers()
    assert done(producer) == [True, False, False, False]
    batch = a_batch("Bread", project=project)
    assert done(producer) == [True, True, False, False]
    image = a_flagged_image(batch)
    Video.objects.update(state=Video.State.DONE)
    assert done(producer) == [True, True, True, False]
    Review.objects.create(asset=image, verdict="approved", by=a_user())
    assert done(producer) == []


def test_first_steps_can_be_hidden(producer):
    assert "First steps" in text_of(producer)
    assert producer.post(reverse("home_dismiss")).url == reverse("home")
    assert "First steps" not in text_of(producer)


@pytest.mark.slow
def test_the_number_of_queries_does_not_grow_with_batches(producer, project):
    counts = []
    for _ in range(2):
        for _ in range(3):
            a_stuck_step(a_batch("Bread", "Tides", project=project))
            a_flagged_image(a_batch("Cats", project=project))
        with CaptureQueriesContext(connection) as queries:
            producer.get("/")
        counts.append(len(queries))
    assert counts[0] == counts[1]


# -- help, and the door ------------------------------------------------------------------------------------------------


def test_help_says_how_it_works_which_keys_there_are_and_where_to_change_things(producer):
    text = producer.get(reverse("help")).content.decode()
    for words in ("From a topic to a video", "Keys in Review", "Where to change things", "make run"):
        assert words in text


def test_signing_in_leads_home_and_signing_out_to_the_door(client, project):
    user = a_user(project=project)
    answer = client.post(reverse("login"), {"username": user.username, "password": "a long enough word"})
    assert answer.url == reverse("home")
    assert client.post(reverse("logout")).url == reverse("login")


def test_a_new_password_is_set_and_confirmed(client, project):
    user = a_user(project=project)
    client.force_login(user)
    words = {
        "old_password": "a long enough word",
        "new_password1": "tulips in the rain",
        "new_password2": "tulips in the rain",
    }
    answer = client.post(reverse("password_change"), words, follow=True)
    assert answer.status_code == 200
    user.refresh_from_db()
    assert user.check_password("tulips in the rain")
