"""What the tests of lanes share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from jobs.engine import settle
from jobs.engine.calls import Answer
from jobs.engine.claim import claim
from jobs.settings_types import BatchSettings
from providers.models import Lane
from tests.factories import a_batch

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def batch_of(count):
    return a_batch(*(f"topic {n}" for n in range(count)), settings=BatchSettings(script_gate=True), now=NOW)


def claimed(me, places=16, *, now=NOW, slug="sim_instant", **options):
    return claim(slug, me, places, lambda: now, **options)


def settle_all(tickets, now, **values):
    settle.settle_calls([Answer(ticket=t, on_wire_at=now, ended_at=now, **values) for t in tickets], now)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def lane():
    return Lane.objects.get(offer=None)
