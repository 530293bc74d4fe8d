"""Models are chosen in the project, and go with every batch of it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from jobs.models import Project
from providers.models import Offer
from providers.sync import sync_providers
from tests.factories import LOCAL, a_user

pytestmark = [pytest.mark.django_db]


@pytest.fixture
def runway(monkeypatch):
    monkeypatch.setenv("RUNWAYML_API_SECRET", "a-key")
    sync_providers(*LOCAL, "runway")
    return {offer.name: offer.pk for offer in Offer.objects.filter(provider__slug="runway")}


@pytest.fixture
def boss(client, project):
    client.force_login(a_user(group="admin", project=project, is_superuser=True))
    return client


def values(project, **changes):
    return {
        "name": project.name,
        "aspect_ratio": "16:9",
        "short_side": "720",
        "language": "en",
        "seconds": "20",
        "scenes": "4",
        "auto_retries": "1",
        **changes,
    }


def test_choices_are_kept_in_their_order_and_shown_again(boss, project, runway):
    url = reverse("project_edit", args=[project.pk])
    studio = Offer.objects.get(provider__slug="studio", capability="clip").pk
    chosen = {"clip_first": runway["gen4_turbo"], "clip_second": studio, "clip_hero_first": runway["gen4.5"]}
    answer = boss.post(url, values(project, **chosen, failover="on", takes="4"))
    assert answer.status_code == 302, answer.context["form"].errors
    settings = Project.objects.get().batch_settings()
    assert settings.offers == {"clip": [runway["gen4_turbo"], studio], "clip:hero": [runway["gen4.5"]]}
    assert (settings.takes, settings.failover, settings.declined_elsewhere) == (4, True, False)
    form = boss.get(url).context["form"]
    assert form["clip_second"].value() == studio
    assert form["clip_hero_first"].value() == runway["gen4.5"]


def test_what_is_chosen_for_a_stage_that_the_form_does_not_show_stays(boss, project, runway):
    mine, one = {"render": 7, "image:hero": [8, 9]}, runway["gen4.5"]
    project.defaults = {**project.defaults, "offers": {**mine, "clip": [one], "clip:hero": [one]}}
    project.save()
    boss.post(reverse("project_edit", args=[project.pk]), values(project, clip_first=runway["gen4_turbo"]))
    offers = Project.objects.get().batch_settings().offers
    assert offers == {**mine, "clip": [runway["gen4_turbo"]]}  # what the form showed and was emptied is gone


def test_the_same_model_twice_counts_once(boss, project, runway):
    chosen = {"clip_first": runway["gen4.5"], "clip_second": runway["gen4.5"]}
    boss.post(reverse("project_edit", args=[project.pk]), values(project, **chosen))
    assert Project.objects.get().batch_settings().offers == {"clip": [runway["gen4.5"]]}


def test_what_cannot_be_chosen_is_refused(boss, project, runway):
    chosen = {"clip_first": runway["gen3a_turbo"]}
    answer = boss.post(reverse("project_edit", args=[project.pk]), values(project, **chosen))
    assert "clip_first" in answer.context["form"].errors


def test_moderation_is_one_choice_for_both_of_its_stages(boss, project, runway):
    words = Offer.objects.get(provider__slug="studio", capability="moderation").pk
    boss.post(reverse("project_edit", args=[project.pk]), values(project, moderation_first=words))
    assert Project.objects.get().batch_settings().offers == {"topic_moderation": [words], "text_moderation": [words]}
