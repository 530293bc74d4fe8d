"""What speaks against the models of a batch before it starts."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.exceptions import ValidationError

from jobs.advance import _Market
from jobs.intake.estimate import estimate
from jobs.launch import create_batch
from jobs.models import Batch
from jobs.offers import LaunchRefused, choices_for, concerns
from jobs.settings_types import BatchSettings, TopicRow
from jobs.states import Stage
from providers.models import Offer
from providers.sync import sync_providers
from tests.factories import a_project

pytestmark = [pytest.mark.django_db]

TODAY = date(2026, 11, 28)


@pytest.fixture
def runway(monkeypatch):
    sync_providers("studio", "runway")
    monkeypatch.setenv("RUNWAYML_API_SECRET", "a key")
    return {offer.name: offer for offer in Offer.objects.filter(provider__slug="runway")}


def with_clips_by(*offers: Offer) -> BatchSettings:
    return BatchSettings(offers={"clip": [offer.pk for offer in offers]})


def test_a_retired_model_is_refused_with_its_successor(runway):
    found = concerns(with_clips_by(runway["gen3a_turbo"], runway["gen4_turbo"]), TODAY)
    (sentence,) = found.refused
    assert "was switched off on 30 July 2026" in sentence
    assert "Its successor is Gen-4 Turbo (Runway)" in sentence


def test_a_dying_model_is_warned_about(runway):
    Offer.objects.filter(name="gen4_turbo").update(retires_on=date(2027, 1, 6))
    found = concerns(with_clips_by(runway["gen4_turbo"]), TODAY)
    assert found.refused == []
    assert found.warned == ["Gen-4 Turbo (Runway) is switched off on 6 January 2027."]


GEORGE, RACHEL = "JBFqnCBsd6RMkjVDRZzb", "21m00Tcm4TlvDq8ikWAM"


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2026, 10, 1), None),
        (TODAY, "ends on 31 December 2026"),
        (date(2026, 12, 31), "ends on 31 December 2026"),
        (date(2027, 1, 1), "ended on 31 December 2026"),
    ],
)
def test_a_voice_that_ends_is_warned_about(day, words):
    found = concerns(BatchSettings(voice=GEORGE), day)
    said = [f"The voice George of ElevenLabs {words}, it is said. Choose another."] if words else []
    assert (found.refused, found.warned) == ([], said)


@pytest.mark.parametrize("voice", [RACHEL, "", "slt"])
def test_a_voice_that_stays_is_fine(voice):
    assert concerns(BatchSettings(voice=voice), date(2027, 1, 1)).warned == []


def test_one_that_lasts_is_fine(runway):
    found = concerns(with_clips_by(runway["gen4_turbo"]), TODAY)
    assert (found.refused, found.warned) == ([], [])


def test_without_its_key_it_names_the_variable(runway, monkeypatch):
    monkeypatch.delenv("RUNWAYML_API_SECRET")
    (sentence,) = concerns(with_clips_by(runway["gen4_turbo"]), TODAY).refused
    assert "set RUNWAYML_API_SECRET" in sentence


def test_one_of_several_that_cannot_be_used_is_only_told(runway):
    Offer.objects.filter(name="gen4.5").update(enabled=False)
    found = concerns(with_clips_by(runway["gen4.5"], runway["gen4_turbo"]), TODAY)
    assert found.refused == []
    assert "an admin can enable the offer" in found.warned[0]


def test_a_model_that_is_gone_is_said_so(runway):
    assert "not there any more" in concerns(BatchSettings(offers={"clip": 999}), TODAY).refused[0]


def test_a_batch_with_a_retired_model_is_not_started(runway):
    with pytest.raises(LaunchRefused, match="successor"):
        create_batch(
            a_project(),
            name="Late",
            topics=[TopicRow(topic="Tides")],
            settings=with_clips_by(runway["gen3a_turbo"]),
            by=None,
        )
    assert not Batch.objects.exists()


def test_only_what_can_be_used_is_offered_and_what_was_chosen(runway, monkeypatch):
    labels = [label for _, label in choices_for(Stage.CLIP, set(), TODAY)]
    assert labels == ["Gen-4 Turbo (Runway)", "Gen-4.5 (Runway)", "Slow zoom and pan (Studio (offline))"]
    monkeypatch.delenv("RUNWAYML_API_SECRET")
    kept = {runway["gen4_turbo"].pk}
    labels = [label for _, label in choices_for(Stage.CLIP, kept, TODAY)]
    assert labels == ["Gen-4 Turbo (Runway) – cannot be used now", "Slow zoom and pan (Studio (offline))"]


def test_what_has_no_key_is_not_for_use(runway, monkeypatch):
    assert Offer.objects.usable().filter(provider__slug="runway").count() == 2
    monkeypatch.delenv("RUNWAYML_API_SECRET")
    assert not Offer.objects.usable().filter(provider__slug="runway").exists()


def test_what_works_here_comes_first(runway):
    assert Offer.objects.usable().filter(capability="clip").first().provider.slug == "studio"


def test_clips_that_were_made_stay_wanted_when_their_model_is_switched_off(runway):
    both = [runway["gen4_turbo"].pk, Offer.objects.get(provider__slug="studio", capability="clip").pk]
    market, settings = _Market(), BatchSettings(offers={"clip": both})
    assert market.lengths(settings, hero=False) == tuple(range(2, 11))
    Offer.objects.filter(name="gen4_turbo").update(enabled=False)
    assert _Market().lengths(settings, hero=False) == tuple(range(2, 11))


def test_a_key_file_that_is_gone_harms_nobody_else(runway, monkeypatch):
    monkeypatch.setenv("RUNWAYML_API_SECRET_FILE", "/nowhere/secret")
    assert [offer.provider.slug for offer in Offer.objects.usable().filter(capability="clip")] == ["studio"]


def test_the_same_token_gives_the_same_batch_when_its_model_is_gone_by_now(runway):
    order = {
        "name": "A",
        "topics": [TopicRow(topic="Tides")],
        "settings": with_clips_by(runway["gen4_turbo"]),
        "by": None,
        "token": "t" * 30,
    }
    project = a_project()
    batch = create_batch(project, **order)
    Offer.objects.filter(name="gen4_turbo").update(retires_on=TODAY)
    assert create_batch(project, **order) == batch


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("parameters", [1], "guidance"),
        ("lengths", 5, "[5, 10]"),
        ("lengths", ["5"], "[5, 10]"),
        ("lengths", [5, 0], "[5, 10]"),
        ("lengths", [True], "[5, 10]"),
        ("lengths", [float("inf")], "[5, 10]"),
        ("lengths", {"5": 10}, "[5, 10]"),
        ("voices", "nova", "[language, name, label]"),
        ("voices", ["nova"], "[language, name, label]"),
        ("voices", [["en", "nova"]], "[language, name, label]"),
        ("voices", [["en", "nova", 1]], "[language, name, label]"),
    ],
)
def test_what_an_offer_cannot_be_read_with_is_refused_at_its_field_with_an_example(runway, name, value, remedy):
    offer = runway["gen4_turbo"]
    setattr(offer, name, value)
    with pytest.raises(ValidationError) as refused:
        offer.full_clean()
    assert list(refused.value.message_dict) == [name]
    assert remedy in refused.value.message_dict[name][0]
    offer.full_clean(exclude=[name])  # a form without that field has nowhere to say it


@pytest.mark.parametrize(
    ("name", "value"),
    [("parameters", {"guidance": 3}), ("lengths", [5, 7.5]), ("voices", [["en", "nova", "Nova"]])],
)
def test_what_an_offer_is_read_with_is_taken_and_nothing_is_its_default(runway, name, value):
    offer = runway["gen4_turbo"]
    setattr(offer, name, value)
    offer.full_clean()
    setattr(offer, name, None)
    offer.full_clean()
    assert getattr(offer, name) == type(value)()


def test_every_offer_of_an_adapter_can_be_read(db):
    sync_providers()
    for offer in Offer.objects.all():
        offer.full_clean()


def test_the_estimate_counts_hero_scenes_by_their_own_model(runway):
    turbo, dear = runway["gen4_turbo"].pk, runway["gen4.5"].pk

    def micro(**offers):
        settings = BatchSettings(scenes=5, seconds=25, offers=offers)
        return estimate([TopicRow(topic="Bread")] * 3, settings).micro

    all_turbo, all_dear = micro(clip=[turbo]), micro(clip=[dear])
    assert 0 < all_turbo < all_dear
    assert micro(**{"clip": [turbo], "clip:hero": [dear]}) == pytest.approx(0.6 * all_turbo + 0.4 * all_dear, rel=1e-6)
    assert micro(**{"clip": [turbo], "clip:hero": [turbo]}) == pytest.approx(all_turbo, rel=1e-6)
