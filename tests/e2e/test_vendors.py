"""Whole videos by real protocols: the simulator speaks them, with the vendors' own limits, a hundred times as fast.

Each of the five video vendors makes clips, with pictures by two vendors and voices by two; scripts come from OpenAI.
Nothing is refused for haste, and the ledger says what the simulator's books say, vendor by vendor.
`VIDBATCH_TEST_TOPICS=20` makes as many videos by each set of them, `VIDBATCH_TEST_SETS=all` by every set there is.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from itertools import product
from urllib.parse import urlsplit

import pytest

from jobs.engine import drive as drive_module
from jobs.engine import polling
from jobs.engine.drive import Drive
from jobs.models import Asset, Attempt, Step, Video
from jobs.settings_types import BatchSettings
from jobs.states import OPEN
from providers import registry
from providers.models import Offer, Provider, Quota
from providers.sync import sync_providers
from tests.factories import LOCAL, a_batch
from tests.invariants import assert_invariants
from tests.simulator.process import simulator

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

SCALE = 100.0
TOPICS = int(os.environ.get("VIDBATCH_TEST_TOPICS", "1"))
MOST_S = 60 + 20 * TOPICS
KEYS = {"leonardo": "7d1f0c52-8a3e-4b6f-9f0e-2a41c0b9d111"}
MODELS = {
    "openai": {"script": "gpt-6-luna", "voiceover": "gpt-4o-mini-tts", "image": "gpt-image-2"},
    "elevenlabs": {"voiceover": "eleven_multilingual_v2"},
    "stability": {"image": "core"},
    "leonardo": {"image": None},
    "replicate": {"image": None},
    "runway": {"clip": "gen4_turbo"},
    "kling": {"clip": "kling-2.5-turbo"},
    "pika": {"clip": None},
    "luma": {"clip": "ray-3.2"},
    "haiper": {"clip": None},
}
SOME = [  # (clips, pictures, voices)
    ("runway", "stability", "elevenlabs"),
    ("kling", "leonardo", "openai"),
    ("pika", "stability", "openai"),
    ("luma", "leonardo", "elevenlabs"),
    ("haiper", "replicate", "elevenlabs"),
]
ALL = list(product(("runway", "kling", "pika", "luma", "haiper"), ("stability", "leonardo"), ("openai", "elevenlabs")))
SETS = ALL if os.environ.get("VIDBATCH_TEST_SETS") == "all" else SOME


@pytest.fixture
def vendors(tmp_path, monkeypatch):
    with simulator(tmp_path / "books.sqlite", scale=SCALE) as running:
        for slug, adapter in registry.all_adapters().items():
            if slug in MODELS:
                monkeypatch.setenv(adapter.key_env, KEYS.get(slug, "a-key"))
                place = urlsplit(adapter.base_url).path
                monkeypatch.setenv(f"VIDBATCH_URL_{slug.upper()}", f"{running.url}/{slug}{place}")
                monkeypatch.setattr(adapter, "least_poll_s", adapter.least_poll_s / SCALE)
                usual = {kind: (low / SCALE, high / SCALE) for kind, (low, high) in adapter.usual_s.items()}
                monkeypatch.setattr(adapter, "usual_s", usual)
        yield running


def offer(slug: str, capability: str) -> int:
    names = {"name": name} if (name := MODELS[slug][capability]) else {}
    return Offer.objects.filter(provider__slug=slug, capability=capability, **names).order_by("pk").first().pk


def drive_until_over(batch) -> None:
    drives = [Drive(role, slice_s=MOST_S) for role in ("generation", "media")]
    until = time.monotonic() + MOST_S
    try:
        while Step.objects.filter(batch=batch, state__in=OPEN).exists() or batch.videos.filter(needs_advance=True):
            assert time.monotonic() < until, list(
                Step.objects.filter(batch=batch, state__in=OPEN).values_list("stage", "state", "message")
            )
            waiting = Step.objects.filter(batch=batch, state__in=OPEN).exclude(state="attention")
            if not waiting.exists():
                return
            for drive in drives:
                drive.step_once()
    finally:
        for drive in drives:
            drive.close()


@pytest.mark.parametrize(("clips", "pictures", "voices"), SETS)
def test_whole_videos_by(vendors, clips, pictures, voices, monkeypatch):
    monkeypatch.setattr(drive_module, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(polling, "FIRST_GUESS_S", 0.1)
    used = {"openai", clips, pictures, voices}
    sync_providers(*LOCAL, *used)
    Provider.objects.filter(slug__in=used).update(enabled=True)  # those too that are off by default
    for quota in Quota.objects.all():  # the vendor's window passes a hundred times as fast
        Quota.objects.filter(pk=quota.pk).update(window_s=max(0.1, quota.window_s / SCALE))
    models = {"script": "openai", "voiceover": voices, "image": pictures, "clip": clips}
    settings = BatchSettings(
        scenes=2, seconds=8, short_side=480, offers={stage: [offer(slug, stage)] for stage, slug in models.items()}
    )
    batch = a_batch(*(f"Topic {n}" for n in range(1, TOPICS + 1)), settings=settings)
    drive_until_over(batch)
    told = Counter(Step.objects.filter(batch=batch).exclude(message="").values_list("stage", "message"))
    assert set(batch.videos.values_list("state", flat=True)) <= {Video.State.DONE, Video.State.REVIEW}, told
    assert Asset.objects.filter(video__batch=batch, kind="clip", current=True).count() == 2 * TOPICS
    for slug in used:
        verdicts = Counter(row["verdict"] for row in vendors.books(slug)["requests"])
        assert not {verdict: n for verdict, n in verdicts.items() if verdict.startswith(("429", "bad"))}, slug
        billed = sum(bill["amount_micro"] for bill in vendors.books(slug)["bills"])
        booked = sum(Attempt.objects.filter(provider__slug=slug).values_list("cost_micro", flat=True))
        assert (slug, booked) == (slug, billed)
        assert not Attempt.objects.filter(provider__slug=slug, http_status=429).exists()
    assert_invariants()
