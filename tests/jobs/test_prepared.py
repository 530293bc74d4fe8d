"""Whatever is asked by a statement that is put together once is what the ORM would answer."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Count, F, Max

from jobs.models import Batch, Step, Worker
from jobs.prepared import any_of, change, question
from jobs.states import State
from tests.factories import a_batch

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2030, 1, 1, 12, 30, 0, 123_456, tzinfo=UTC)


@question
def steps_by_id(ids: Any) -> Any:
    return Step.objects.filter(pk__in=ids).order_by("pk").values_list("pk", "state", "not_before", "want")


@question
def due(state: Any, until: Any) -> Any:
    return Step.objects.filter(state=state, not_before__lte=until).order_by("pk").values_list("pk", flat=True)


@question
def of_lanes(lanes: Any, *, most: int) -> Any:
    return Step.objects.filter(any_of("lane", lanes)).order_by("pk").values_list("pk", flat=True)[:most]


@question
def but_for(ids: Any) -> Any:
    return Step.objects.exclude(pk__in=ids).order_by("pk").values_list("pk", flat=True)


@question
def batches(ids: Any) -> Any:
    return Batch.objects.filter(pk__in=ids)


@question
def owned_by(worker: Any) -> Any:
    return Step.objects.filter(owner=worker).values_list("pk", flat=True)


@question
def by_lane(state: Any) -> Any:
    counted = Step.objects.filter(state=state).values_list("lane").annotate(n=Count("pk"), last=Max("not_before"))
    return counted.order_by("lane")


@question
def locked(ids: Any) -> Any:
    return Step.objects.select_for_update().filter(pk__in=ids)


@change
def put_off(ids: Any, until: Any, owner: Any, *, frees: bool) -> Any:
    owned = {"owner": None} if frees else {"owner": owner}
    return Step.objects.filter(pk__in=ids), {"not_before": until, "fence": F("fence") + 1, **owned}


@pytest.fixture
def steps():
    batch = a_batch("One", "Two", "Three")
    found = list(Step.objects.filter(batch=batch).order_by("pk"))
    assert len(found) >= 3
    for number, step in enumerate(found):
        step.not_before, step.want = NOW + timedelta(seconds=number), {"seconds": number, "text": "100 %s"}
        step.save()
    return found


def test_lists_of_any_length_are_asked_for_by_one_question(steps):
    for count in (1, 2, len(steps), 1):
        ids = [step.pk for step in steps[:count]]
        asked = Step.objects.filter(pk__in=ids).order_by("pk").values_list("pk", "state", "not_before", "want")
        assert steps_by_id(ids) == list(asked)
    assert steps_by_id([]) == []
    assert steps_by_id([step.pk for step in steps] * 300)[0][0] == steps[0].pk


def test_values_come_back_as_the_orm_gives_them(steps):
    ((_, state, not_before, want),) = steps_by_id([steps[2].pk])
    assert (state, not_before, want) == (steps[2].state, NOW + timedelta(seconds=2), {"seconds": 2, "text": "100 %s"})


def test_moments_and_states_are_compared_as_they_are_stored(steps):
    assert due(State(steps[0].state), NOW + timedelta(seconds=1)) == [steps[0].pk, steps[1].pk]
    assert due(State(steps[0].state), NOW - timedelta(microseconds=1)) == []
    assert due(State.DONE, NOW + timedelta(days=1)) == []


def test_foreign_keys_are_asked_for_in_lists(steps):
    lanes = sorted({step.lane_id for step in steps})
    assert of_lanes(lanes, most=100) == [step.pk for step in steps]
    assert of_lanes([0, *lanes], most=1) == [steps[0].pk]
    assert of_lanes([0], most=100) == of_lanes([], most=100) == []


def test_nothing_is_left_out_where_the_list_is_empty(steps):
    assert but_for([]) == [step.pk for step in steps]
    assert but_for([steps[0].pk]) == [step.pk for step in steps[1:]]
    assert but_for([]) == [step.pk for step in steps]


def test_whole_rows_come_back_as_models_that_can_be_saved(steps):
    (batch,) = batches([steps[0].batch_id])
    assert batch == Batch.objects.get()
    assert batch.settings == Batch.objects.get().settings
    batch.name = "Another name"
    batch.save()
    assert Batch.objects.get().name == "Another name"


def test_rows_are_counted_by_groups(steps):
    counted = Step.objects.filter(state=steps[0].state).values_list("lane")
    asked = counted.annotate(n=Count("pk"), last=Max("not_before")).order_by("lane")
    assert by_lane(steps[0].state) == list(asked)


def test_a_change_says_how_many_rows_it_found(steps):
    worker = Worker.objects.create(uuid=uuid.uuid4(), role="generation", host="here", pid=1)
    later, ids = NOW + timedelta(hours=1), [steps[0].pk, steps[1].pk, 0]
    assert put_off(ids, later, worker.pk, frees=False) == 2
    assert sorted(owned_by(worker.pk)) == [steps[0].pk, steps[1].pk]
    steps[0].refresh_from_db()
    assert (steps[0].not_before, steps[0].fence) == (later, 1)
    assert put_off(ids[:1], later, worker.pk, frees=True) == 1
    assert owned_by(worker.pk) == [steps[1].pk]
    assert put_off([], later, worker.pk, frees=True) == 0


def test_a_value_that_is_missing_is_an_error_and_no_silent_nothing(steps):
    with pytest.raises(ValueError, match="Nothing equals NULL"):
        due(State.READY, None)


@pytest.mark.django_db(transaction=True)
def test_rows_are_locked_in_a_transaction_or_not_at_all():
    with transaction.atomic():
        assert locked([0]) == []
    if connection.features.has_select_for_update:
        with pytest.raises(transaction.TransactionManagementError):
            locked([0])
    else:
        assert locked([0]) == []
