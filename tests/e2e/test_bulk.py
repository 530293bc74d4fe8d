"""Scripts and pictures in bulk by OpenAI's protocol: half the price to the millionth, whatever is lost on the way."""

from __future__ import annotations

import pytest

from jobs.engine import bulk, bulk_claim, bulk_settle, failures, reconcile
from jobs.models import Asset, Attempt, BulkJob, Step
from jobs.settings_types import BatchSettings
from providers.models import Offer, Price
from providers.sync import sync_providers
from tests.e2e.test_vendors import drive_until_over, offer, vendors
from tests.factories import LOCAL, a_batch
from tests.invariants import assert_invariants

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
__all__ = ["vendors"]
QUICK = {"bulk_validate_s": [0, 20], "bulk_latency_s": [20, 120], "bulk_finalize_s": 5}  # a hundred times as fast


@pytest.mark.parametrize(
    "trouble",
    [{}, {"next": ["lose_after_accept"]}, {"next_bulk": ["expires"]}],
    ids=["none", "a lost answer", "one that expires"],
)
def test_scripts_and_pictures_come_in_bulk_at_half_the_price(vendors, monkeypatch, trouble):
    for module, name, seconds in (
        (bulk, "LOOK_EVERY_S", 0.05),
        (bulk_claim, "FILL_S", 0.3),
        (bulk_settle, "POLL_LEAST_S", 0.2),
        (failures, "LIST_LAG_S", 0.2),
        (reconcile, "LIST_LAG_S", 0.2),
    ):
        monkeypatch.setattr(module, name, seconds)
    sync_providers(*LOCAL, "openai")
    vendors.control("openai", **QUICK, **trouble)
    Offer.objects.filter(capability="clip").update(enabled=False)  # the road ends behind the pictures
    stages = ("script", "image")
    offers = {stage: [offer("openai", stage)] for stage in stages}
    settings = BatchSettings(scenes=2, seconds=8, offers=offers, bulk=stages)
    batch = a_batch("Why bread rises", "How glass is made", "What bees see", settings=settings)
    drive_until_over(batch)
    told = list(Step.objects.filter(batch=batch).exclude(message="").values_list("stage", "state", "message"))
    assert Asset.objects.filter(video__batch=batch, kind="image", current=True).count() == 6, told
    lines = Attempt.objects.filter(provider__slug="openai")
    assert set(lines.values_list("price__bulk", flat=True)) == {True}
    assert set(BulkJob.objects.values_list("state", flat=True)) == {"over"}
    assert BulkJob.objects.count() < lines.count()
    bills = vendors.books("openai")["bills"]
    assert sum(bill["amount_micro"] for bill in bills) == sum(lines.values_list("cost_micro", flat=True)) > 0
    full, half = (Price.objects.get(offer=offers["script"][0], bulk=in_bulk) for in_bulk in (False, True))
    assert (half.micro, half.per) == (full.micro, 2 * full.per)
    verdicts = [row["verdict"] for row in vendors.books("openai")["requests"]]
    assert not [verdict for verdict in verdicts if verdict.startswith(("429", "bad"))]
    assert_invariants()
