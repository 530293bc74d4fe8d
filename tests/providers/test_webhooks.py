from __future__ import annotations

import json
from datetime import timedelta
from importlib import import_module

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from providers import callbacks, checks, credentials, registry, signals, webhooks
from providers.base import Adapter
from providers.exceptions import BadSignature
from providers.models import Provider, WebhookEvent
from providers.types import Capability, WebhookSaid
from vidbatch_site import environment

pytestmark = [pytest.mark.django_db, pytest.mark.engine]
TAG = "a1b2c3"


class Signing(Adapter):
    slug = "signing"
    label = "Signing"
    base_url = "https://signing.example"
    capabilities = frozenset({Capability.CLIP})
    calls_back = True
    webhook_secret_env = "SIGNING_SECRET"

    @classmethod
    def read_webhook(cls, headers, body, secrets, now):
        if headers.get("X-Word") not in secrets:
            raise BadSignature("the word is wrong")
        said = json.loads(body)
        return WebhookSaid(webhook_id=said["event"], external_id=said.get("job"))


class Silent(Signing):
    """Signs nothing: its addresses have to prove themselves."""

    slug = "silent"
    label = "Silent"
    webhook_secret_env = ""
    read_webhook = Adapter.read_webhook


@pytest.fixture(autouse=True)
def _vendors(monkeypatch, settings):
    monkeypatch.setattr(registry, "_extra", {"signing": Signing, "silent": Silent})
    monkeypatch.setattr(webhooks, "counts", webhooks._Counts())
    monkeypatch.setenv("SIGNING_SECRET", "old new")
    settings.PUBLIC_URL = "https://videos.example.org"
    for slug in ("signing", "silent"):
        Provider.objects.create(slug=slug, label=slug)


@pytest.fixture
def heard():
    events = []

    def listen(event, **kwargs):
        events.append((event.provider.slug, event.external_id, event.tag))

    signals.webhook_arrived.connect(listen)
    yield events
    signals.webhook_arrived.disconnect(listen)


def post(url="/webhooks/signing/", *, body: bytes | dict | None = None, word: str = "new", client=None):
    body = body if isinstance(body, bytes) else json.dumps(body or {"event": "e1", "job": "j1"}).encode()
    client = client or Client(enforce_csrf_checks=True)
    return client.post(url, body, content_type="application/json", headers={"X-Word": word})


def path_of(tag: str = TAG, slug: str = "silent") -> str:
    adapter = registry.get(slug)
    return callbacks.url_for(adapter, tag).removeprefix("https://videos.example.org")


def test_one_that_is_signed_is_stored_answered_and_told(heard):
    answer = post()
    assert (answer.status_code, answer.content) == (204, b"")
    assert heard == [("signing", "j1", "")]
    assert WebhookEvent.objects.get().webhook_id == "e1"


@pytest.mark.parametrize("word", ["old", "new"])
def test_both_secrets_count_while_they_are_changed(word, heard):
    assert post(word=word).status_code == 204
    assert heard


def test_a_wrong_signature_is_refused_without_a_word_and_nothing_is_stored(heard):
    answer = post(word="wrong")
    assert (answer.status_code, answer.content) == (401, b"")
    assert not heard
    assert not WebhookEvent.objects.exists()


def test_without_a_secret_nothing_can_be_verified(monkeypatch, heard):
    monkeypatch.delenv("SIGNING_SECRET")
    assert post(word="").status_code == 401
    assert not heard


def test_one_that_comes_again_is_answered_and_changes_nothing(heard):
    assert [post().status_code for _ in range(3)] == [204] * 3
    assert len(heard) == WebhookEvent.objects.count() == 1


def test_the_same_id_of_two_vendors_are_two(heard):
    post(body={"event": f"{TAG}:x", "job": "j"})
    assert post(path_of(), body=b"x").status_code == 204
    assert len(heard) == 2


def test_one_about_nothing_that_is_over_is_stored_and_not_told(heard):
    assert post(body={"event": "e2"}).status_code == 204
    assert WebhookEvent.objects.count() == 1
    assert not heard


def test_one_that_cannot_be_read_is_taken_so_that_it_does_not_come_again(heard, caplog):
    assert post(body=b"\xff\xfe not json").status_code == 204
    assert not heard
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("method", ["get", "put", "delete", "head", "options"])
def test_only_post_is_taken(method):
    assert getattr(Client(), method)("/webhooks/signing/").status_code == 405


@pytest.mark.parametrize("url", ["/webhooks/signing", "/webhooks/nobody/", "/webhooks/studio/", "/webhooks/"])
def test_other_addresses_are_not_found_and_never_redirected(url):
    assert post(url).status_code == 404


def test_a_large_body_is_refused_before_it_is_verified(heard):
    large = b'{"event": "e", "pad": "' + b"x" * webhooks.MOST_BYTES + b'"}'
    assert post(body=large).status_code == 413
    assert post(body=large[: webhooks.MOST_BYTES], word="wrong").status_code == 401
    assert not heard


def test_a_length_that_is_no_number_is_refused():
    answer = Client().post("/webhooks/signing/", b"{}", content_type="application/json", CONTENT_LENGTH="12abc")
    assert answer.status_code == 413


def test_while_the_database_is_away_they_are_asked_to_come_again(monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("gone")

    monkeypatch.setattr(WebhookEvent.objects, "get_or_create", away)
    answer = post()
    assert answer.status_code == 503
    assert answer["Retry-After"] == "10"


def test_an_address_that_we_gave_away_needs_no_signature(heard):
    assert post(path_of(), word="").status_code == 204
    assert heard == [("silent", "", TAG)]
    assert post(path_of(), word="").status_code == 204  # the same again
    assert len(heard) == 1


@pytest.mark.parametrize(
    "changed",
    [
        lambda url: url.replace(TAG, "a1b2c4"),
        lambda url: url[:-2] + ("0" if url[-2] != "0" else "1") + "/",
        lambda url: "/".join(url.split("/")[:-2]) + "/0/",
        lambda url: url.replace("silent", "signing"),
    ],
)
def test_an_address_that_we_did_not_make_is_refused(changed, heard):
    assert post(changed(path_of()), word="").status_code == 401
    assert not heard


def test_a_vendor_that_signs_nothing_has_no_address_for_all():
    assert post("/webhooks/silent/", word="").status_code == 401


def test_the_proof_in_an_address_has_128_bits_at_least():
    assert len(callbacks.mac_of("silent", TAG)) * 4 >= 128


def test_the_addresses_are_those_of_the_view():
    assert callbacks.url_for(Signing, TAG) == "https://videos.example.org" + reverse("webhook", args=["signing"])
    mac = callbacks.mac_of("silent", TAG)
    assert path_of() == reverse("webhook_of_attempt", args=["silent", TAG, mac])


def test_a_vendor_whose_secret_is_not_set_gets_an_address_that_proves_itself(monkeypatch):
    monkeypatch.delenv("SIGNING_SECRET")
    assert TAG in callbacks.url_for(Signing, TAG)


def test_without_an_address_of_ours_nobody_is_asked_to_call(settings):
    settings.PUBLIC_URL = ""
    assert callbacks.url_for(Signing, TAG) == ""
    assert not callbacks.expected(Signing)


def test_a_source_that_comes_too_often_has_to_wait(monkeypatch):
    monkeypatch.setattr(webhooks, "MOST_A_MINUTE", 3)
    answers = [post() for _ in range(4)]
    assert [answer.status_code for answer in answers] == [204, 204, 204, 429]
    other = Client(REMOTE_ADDR="203.0.113.9")
    assert post(client=other).status_code == 204


def test_behind_our_proxy_the_source_is_who_the_proxy_saw(monkeypatch, settings):
    monkeypatch.setattr(webhooks, "MOST_A_MINUTE", 1)
    settings.HTTPS = True
    answers = [
        Client().post("/webhooks/signing/", b"", content_type="x/y", headers={"X-Forwarded-For": f"{n}, 203.0.113.{n}"})
        for n in (1, 2)
    ]
    assert [answer.status_code for answer in answers] == [401, 401]


def test_it_costs_no_session_and_few_queries(django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        answer = post()
    assert not answer.cookies


def test_old_ones_are_forgotten_after_a_week_and_not_before():
    from jobs.engine import hooks

    post(body={"event": "new"})
    for name, days in (("six days", 6.9), ("eight days", 8)):
        post(body={"event": name})
        WebhookEvent.objects.filter(webhook_id=name).update(received_at=timezone.now() - timedelta(days=days))
    hooks.forget_old(timezone.now())
    assert set(WebhookEvent.objects.values_list("webhook_id", flat=True)) == {"new", "six days"}


def test_secrets_may_stand_in_a_file(monkeypatch, tmp_path):
    monkeypatch.delenv("SIGNING_SECRET")
    (tmp_path / "secret").write_text("one\ntwo\n")
    monkeypatch.setenv("SIGNING_SECRET_FILE", str(tmp_path / "secret"))
    assert credentials.webhook_secrets_of(Signing) == ["one", "two"]


@pytest.mark.parametrize("raw", ["videos.example.org", "ftp://x", "https://", "https://x/?a=b"])
def test_an_address_that_is_none_stops_the_start_with_a_sentence(monkeypatch, raw):
    monkeypatch.setenv("VIDBATCH_PUBLIC_URL", raw)
    with pytest.raises(ImproperlyConfigured, match="VIDBATCH_PUBLIC_URL .*https://videos.example.org"):
        environment.address("VIDBATCH_PUBLIC_URL")


def test_a_slash_at_the_end_of_the_address_is_taken_off(monkeypatch):
    monkeypatch.setenv("VIDBATCH_PUBLIC_URL", "https://videos.example.org/")
    assert environment.address("VIDBATCH_PUBLIC_URL") == "https://videos.example.org"


def test_the_view_is_the_only_one_without_protection_against_forged_forms():
    exempt = []
    for module in ("jobs.urls", "providers.urls"):
        for pattern in import_module(module).urlpatterns:
            if getattr(pattern.callback, "csrf_exempt", False):
                exempt.append(pattern.name)
    assert exempt == ["webhook", "webhook_of_attempt"]


@pytest.mark.parametrize(
    ("url", "hosts", "ids"),
    [
        ("", [], []),
        ("https://videos.example.org", ["videos.example.org"], []),
        ("https://videos.example.org", ["localhost"], ["providers.W001"]),
        ("http://videos.example.org", [".example.org"], ["providers.W002"]),
        ("http://127.0.0.1:8000", ["127.0.0.1"], []),
    ],
)
def test_settings_with_which_no_webhook_would_arrive_are_pointed_out(settings, url, hosts, ids):
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = url, hosts
    assert [problem.id for problem in checks.vendors_can_call(None)] == ids
