"""How lanes and quotas stand, as the batch page tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.models import Attempt, Step
from jobs.queries.gauges import gauges_of, read_market
from jobs.queries.queues import Queue, queues_of
from jobs.settings_types import BatchSettings
from providers.models import Lane, Offer, Price, Provider, Quota, Usage
from tests.factories import a_batch

pytestmark = pytest.mark.django_db
NOW = datetime(2030, 1, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def batch():
    return a_batch("one", "two", settings=BatchSettings(script_gate=True), now=NOW)


def studio():
    return Provider.objects.get(slug="studio")


def scripts():
    return Lane.objects.select_related("provider", "offer").get(provider__slug="studio", capability="script")


def attempts(count, at, **values):
    step, price = Step.objects.first(), Price.objects.first()
    for n in range(count):
        Attempt.objects.create(
            step=step, no=100 + Attempt.objects.count(), provider=studio(), lane=scripts(), capability="script",
            tag=f"{at:%H%M%S}{n}{values}"[:40], request_hash="", request={}, price=price, sent_at=at,
            send_deadline=at, **{"outcome": "accepted", "ended_at": at, **values},
        )  # fmt: skip


def notes(batch):
    market = read_market(NOW)
    gauges = gauges_of(market, queues_of(batch, market.priced, NOW))
    return [f"{g.label}: {g.used}/{g.limit} {g.unit} {g.note}" for g in gauges]


def test_a_quota_shows_what_is_used_and_what_the_provider_grants(batch):
    Quota.objects.create(provider=studio(), amount=10, window_s=60, learned_amount=4, learned_at=NOW)
    attempts(3, NOW - timedelta(seconds=20))
    attempts(1, NOW - timedelta(seconds=10), outcome="not_sent")
    attempts(1, NOW - timedelta(seconds=11), outcome="rejected", http_status=429)
    said = [note for note in notes(batch) if "requests" in note]
    assert said == ["Studio (offline): 3/4 requests a min resets in 40 s · the provider grants 4, not 10"]


def test_only_quotas_that_the_batch_meets_are_shown_and_each_by_its_name(batch):
    offer = Offer.objects.get(provider=studio(), capability="script")
    for capability, model in (("image", None), ("script", None), ("script", offer)):
        Quota.objects.create(provider=studio(), capability=capability, offer=model, amount=10, window_s=60)
    said = sorted(note for note in notes(batch) if "requests" in note)
    assert said == [
        f"Studio (offline) · {offer.label}: 0/10 requests a min unused",
        "Studio (offline) · script: 0/10 requests a min unused",
    ]


@pytest.mark.parametrize(("cap", "words"), [(9, "allows 2 at once, not 9"), (None, "allows 2 at once")])
def test_a_lane_shows_that_the_vendor_allows_less_at_once(batch, cap, words):
    Lane.objects.filter(pk=scripts().pk).update(max_in_flight=cap, learned_cap=2, learned_cap_at=NOW)
    assert [note for note in notes(batch) if "allows" in note] == [
        f"Studio (offline) · scripts: 0/2 in flight 2 queued · the provider {words}"
    ]
    Lane.objects.filter(pk=scripts().pk).update(max_in_flight=1)
    assert not any("allows" in note for note in notes(batch))


def test_what_others_used_is_part_of_it(batch):
    Quota.objects.create(provider=studio(), amount=10, window_s=60, others_units=6, others_at=NOW)
    assert any(
        "6/10 requests" in note and "6 of them used by others with this account" in note for note in notes(batch)
    )


def test_what_others_used_longer_than_a_window_ago_is_not(batch):
    others = {"others_units": 6, "others_at": NOW - timedelta(seconds=62)}
    Quota.objects.create(provider=studio(), amount=10, window_s=60, **others)
    assert any("0/10 requests a min unused" in note for note in notes(batch))


@pytest.mark.parametrize(("strict", "learned_s"), [(True, 0.0), (False, 1.5)])
def test_a_use_is_counted_for_as_long_as_a_claim_counts_it(batch, strict, learned_s):
    """1.8 s longer than the window where a refusal costs dearly, or as much as was learned."""
    Quota.objects.create(provider=studio(), amount=10, window_s=60, strict=strict)
    Lane.objects.filter(pk=scripts().pk).update(guard_s=learned_s)
    attempts(1, NOW - timedelta(seconds=61))
    assert any("1/10 requests" in note for note in notes(batch))


def test_a_days_quota_is_read_from_hours(batch):
    Quota.objects.create(provider=studio(), amount=1000, window_s=86_400)
    hour = NOW.replace(minute=0)
    for hours, n in ((0, 5), (3, 100), (30, 700)):
        Usage.objects.create(provider=studio(), capability="script", hour=hour - timedelta(hours=hours), requests=n)
    assert any("105/1000 requests a day" in note for note in notes(batch))


def test_a_lane_that_broke_goes_evenly_or_stands_still_says_so(batch):
    Lane.objects.filter(pk=scripts().pk).update(paced=True)
    assert any("scripts go one by one, evenly: a burst was refused" in note for note in notes(batch))
    Lane.objects.filter(pk=scripts().pk).update(failures_in_row=5, broken_until=NOW + timedelta(seconds=10))
    assert any("scripts: 5 calls in a row failed; one is tried in 10 s" in note for note in notes(batch))
    assert "5 calls in a row failed" in read_market(NOW).holds(scripts(), batch, Queue())
    Lane.objects.filter(pk=scripts().pk).update(broken_until=NOW)
    assert any("one is being tried, the others wait for it" in note for note in notes(batch))
    Lane.objects.filter(pk=scripts().pk).update(broken_until=None, max_in_flight=0)
    assert any("is set to 0 calls at once, which stops it" in note for note in notes(batch))


def test_its_queries_do_not_grow(batch):
    counts = []
    for more in (1, 20):
        for n in range(more):
            Quota.objects.create(provider=studio(), amount=10, window_s=60 + n + 100 * more)
            Quota.objects.create(provider=studio(), amount=10, window_s=3600 + n + 100 * more)
        attempts(more, NOW - timedelta(seconds=more))
        with CaptureQueriesContext(
            connection,
        ) as seen:
            notes(batch)
        counts.append(len(seen))
    assert counts[0] == counts[1]
