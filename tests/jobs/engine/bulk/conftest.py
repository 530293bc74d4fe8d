"""A vendor that sells scripts in bulk, and batches that want them so."""

from __future__ import annotations

import pytest

from jobs.engine import bulk, bulk_claim, bulk_settle, bulk_take
from jobs.engine import drive as drive_module
from jobs.models import BulkJob, Step
from jobs.states import OPEN
from providers.models import Lane, Price, Provider
from tests.jobs.engine.conftest import LONG_AGO, PRICE

QUICK = {"bulk_validate_s": [0, 0], "bulk_latency_s": [0.1, 0.3], "bulk_finalize_s": 0, "bulk_cancel_s": 0.1}
SLOW = {"bulk_latency_s": [600, 600]}
HALF = PRICE // 2


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    for module, name, seconds in (
        (bulk, "LOOK_EVERY_S", 0.02),
        (bulk, "NO_ROOM_S", 0.05),
        (bulk_claim, "FILL_S", 0.1),
        (bulk_take, "PUT_OFF_S", 0.05),
        (bulk_settle, "POLL_LEAST_S", 0.05),
        (bulk_settle, "READ_AGAIN_S", 0.1),
        (bulk_settle, "RATE_LIMIT_PAUSE_S", 0.1),
        (bulk_settle, "TOO_MUCH_S", 0.1),
        (drive_module, "AGES_S", 0.0),
    ):
        monkeypatch.setattr(module, name, seconds)


def seller(scene, **control) -> Provider:
    provider = scene.vendor("bulk", **{**QUICK, **control})
    Lane.objects.create(provider=provider, capability="script", bulk=True)
    Price.objects.create(
        provider=provider, capability="script", unit="calls", micro=PRICE, per=2, bulk=True, valid_from=LONG_AGO
    )
    return provider


def in_bulk(scene, provider, topics: int = 3, **values):
    settings = {"bulk": ("script",), **values.pop("settings", {})}
    return scene.batch(*(f"topic {n}" for n in range(topics)), provider=provider, settings=settings, **values)


def all_done() -> bool:
    out = BulkJob.objects.exclude(state=BulkJob.State.OVER)
    return not out.exists() and not Step.objects.filter(state__in=OPEN).exists()


def has(**what):
    return lambda: BulkJob.objects.filter(**what).exists()


def creates(scene):
    return [row["verdict"] for row in scene.submits() if row["path"].endswith("bulks")]
