"""How databases find rows where one state has very many of them; `make bench ONLY=F` measures what that costs."""

from __future__ import annotations

import re

import pytest
from django.db import connection

from jobs.engine.claim import _batches_with_work
from jobs.engine.rows import in_state
from jobs.models import Step
from jobs.states import State

pytestmark = [pytest.mark.engine, pytest.mark.django_db]


@pytest.fixture
def plan_of():
    """In an empty database PostgreSQL prefers to read the whole table: here it may not."""

    def plan(steps) -> str:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan TO OFF; SET LOCAL enable_bitmapscan TO OFF")
        return steps.explain()

    return plan


def test_steps_are_found_by_their_keys_however_many_are_in_that_state(plan_of):
    found = in_state(list(range(1, 200)), State.READY).filter(fence=3)
    assert re.search(r"USING INTEGER PRIMARY KEY|Index Scan using jobs_step_pkey", plan_of(found))


def test_asked_plainly_they_would_be_found_by_their_state(plan_of):
    found = Step.objects.filter(pk__in=list(range(1, 200)), state=State.READY)
    assert re.search(r"step_by_\w+", plan_of(found))


def test_for_each_batch_one_step_is_looked_for_not_all_of_them_joined(plan_of):
    batches = _batches_with_work._make(1, [1], "2026-01-01T00:00Z", alone_only=False)
    plan = plan_of(batches)
    assert re.search(r"step_by_rank \(state=\? AND provider_id=\? AND batch_id=\?\)|SubPlan", plan)
    assert "Join" not in plan
