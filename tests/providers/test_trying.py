"""manage.py try_provider and the button in the admin, against the simulator."""

from __future__ import annotations

import io
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command

from providers import registry, trying
from providers.base import Adapter
from providers.exceptions import NotSent, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from providers.models import Provider
from providers.sync import sync_providers
from providers.trying import CannotTry, try_provider

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def runway(vendors, monkeypatch):
    sync_providers("runway")
    monkeypatch.setenv("RUNWAYML_API_SECRET", "a-key")
    monkeypatch.setenv("VIDBATCH_URL_RUNWAY", f"{vendors.url}/runway")
    monkeypatch.setattr(trying, "POLL_S", 0.02)
    monkeypatch.setattr(registry.get("runway"), "least_poll_s", 0.02)
    return vendors


def tried(**more):
    return try_provider("runway", poll_s=0.02, **more)


def test_one_smallest_call_says_what_it_cost(runway):
    trial = tried()
    assert (trial.ok, trial.said, trial.micro) == (True, "It works.", 100_000)  # 2 seconds at 5 credits
    assert len(runway.books("runway")["bills"]) == 1
    assert trial.files[0].startswith(runway.url)
    provider = Provider.objects.get()
    assert (provider.tried_note, provider.worked_at is not None) == ("It works.", True)


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [("401", "Check the key"), ("429", "Try again"), ("400", "Try another model"), ("500_after", "vendor's console")],
)
def test_a_failure_says_what_to_do(runway, fault, remedy):
    runway.control("runway", next=[fault])
    trial = tried()
    assert not trial.ok
    assert remedy in trial.said
    assert Provider.objects.get().worked_at is None


def test_what_ended_badly_is_told_and_costs_what_the_vendor_says(runway):
    runway.control("runway", next=["fail_job"])
    trial = tried()
    assert (trial.ok, trial.micro) == (False, 0)
    assert trial.said.startswith("It ended badly")


def test_without_a_key_nothing_is_sent(runway, monkeypatch):
    monkeypatch.delenv("RUNWAYML_API_SECRET")
    with pytest.raises(CannotTry, match="set RUNWAYML_API_SECRET"):
        tried()
    assert runway.books("runway")["requests"] == []


def test_what_it_does_not_sell_is_a_sentence(runway):
    with pytest.raises(CannotTry, match=r"clip gen4_turbo"):
        tried(offer="gen9")
    with pytest.raises(CannotTry, match="no provider 'acme'"):
        try_provider("acme")


def test_the_command_tells_it(runway):
    out = io.StringIO()
    call_command("try_provider", "runway", stdout=out)
    assert "Runway: It works." in out.getvalue()
    assert "cost:   $0.1000" in out.getvalue()
    with pytest.raises(CommandError, match="no such offer"):
        call_command("try_provider", "runway", offer="gen9", stdout=out)


@pytest.mark.parametrize("error", [Unauthorised, OutOfCredit, RateLimited, Rejected, NotSent, Unknown])
def test_every_error_has_a_remedy(error):
    assert trying.remedy_of(error("x")).endswith(".")


KEYS = {"leonardo": "7d1f0c52-8a3e-4b6f-9f0e-2a41c0b9d111"}
LOOK = sorted(slug for slug, adapter in registry.all_adapters().items() if adapter.account is not Adapter.account)


@pytest.fixture
def at_simulator(vendors, monkeypatch):
    def point(slug, key):
        adapter = registry.get(slug)
        monkeypatch.setenv(adapter.key_env, key)
        monkeypatch.setenv(f"VIDBATCH_URL_{slug.upper()}", f"{vendors.url}/{slug}{urlsplit(adapter.base_url).path}")
        sync_providers(slug)

    return point


def test_most_vendors_can_be_asked_for_nothing():
    assert {"elevenlabs", "kling", "leonardo", "openai", "replicate", "runway", "stability"} <= set(LOOK)


@pytest.mark.parametrize("slug", LOOK)
def test_a_look_at_the_account_costs_nothing_and_says_what_is_left(at_simulator, vendors, slug):
    at_simulator(slug, KEYS.get(slug, "a-key"))
    trial = trying.look_at_account(slug)
    assert trial.ok, trial.said
    assert "The key works" in trial.said or "left" in trial.said
    assert vendors.books(slug)["bills"] == []


@pytest.mark.parametrize("slug", LOOK)
def test_a_wrong_key_is_said_so(at_simulator, slug):
    at_simulator(slug, "bad")
    trial = trying.look_at_account(slug)
    assert not trial.ok
    assert "Check the key" in trial.said


def test_one_that_cannot_be_asked_for_nothing_names_the_command(at_simulator):
    at_simulator("haiper", "a-key")
    with pytest.raises(CannotTry, match="manage.py try_provider haiper"):
        trying.look_at_account("haiper")
