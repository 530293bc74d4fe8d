"""What the next call of a lane may cost: the page must say what the engine asks of the caps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import books
from jobs.engine.requests import request_of
from jobs.models import Step
from jobs.queries.queues import most_micro, queues_of
from jobs.states import State
from providers import registry
from providers.models import Price
from tests.factories import a_batch

pytestmark = pytest.mark.django_db
NOW = datetime(2030, 1, 1, 12, 30, tzinfo=UTC)
WANTS = {
    "script": {"prompt": "A script about bread", "extra": {"max_tokens": 800}},
    "text_moderation": {"prompt": "Is this harmless?"},
    "voiceover": {"prompt": "Bread rises.", "voice": "anna", "seconds": 3.2},
    "image": {"prompt": "A loaf", "width": 640, "height": 360, "seed": 7},
    "clip": {"prompt": "Steam", "seconds": 5.0004, "fps": 25, "inputs": []},
}


@pytest.fixture
def batch():
    return a_batch("one", "two", now=NOW)


def as_engine_reserves(step: Step, price: Price) -> int:
    request = request_of(step)
    return books.cost(price, registry.get(step.provider.slug).most_units(request))


@pytest.mark.parametrize("unit", ["calls", "characters", "seconds", "images", "tokens"])
@pytest.mark.parametrize("stage", WANTS)
def test_the_most_a_call_may_cost_is_what_the_engine_reserves(batch, stage, unit):
    Step.objects.update(stage=stage, want=WANTS[stage])
    price = Price(unit=unit, micro=1_234_567, per=1000)
    step = Step.objects.first()
    assert most_micro(step, price) == as_engine_reserves(step, price)


def queue(batch):
    (found,) = queues_of(batch, Price.objects.valid(NOW), NOW).values()
    return found


def test_next_is_the_first_by_rank_that_may_start(batch):
    first, second = Step.objects.order_by("rank")
    assert (queue(batch).ready, queue(batch).next) == (2, first)
    Step.objects.filter(pk=first.pk).update(not_before=NOW + timedelta(seconds=9))
    assert (queue(batch).ready, queue(batch).next) == (2, second)
    Step.objects.filter(pk=second.pk).update(gate=3)
    assert (queue(batch).ready, queue(batch).next) == (2, None)
    Step.objects.filter(pk=second.pk).update(gate=0, state=State.RUNNING)
    assert (queue(batch).ready, queue(batch).next) == (1, None)


def test_the_price_is_that_of_the_steps_own_offer(batch):
    step = Step.objects.order_by("rank").first()
    Price.objects.all().delete()
    assert queue(batch).price is None
    Price.objects.create(
        provider=step.provider, capability="script", offer=step.offer, unit="calls", micro=7, valid_from=NOW
    )
    assert queue(batch).most_micro == 7
