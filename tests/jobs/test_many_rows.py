"""Rows that go in by a plain statement are those that the ORM would have written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from jobs.many_rows import insert_all
from jobs.models import Scene, Step
from tests.factories import a_batch

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
SAME = ("batch_id", "video_id", "stage", "lane_id", "provider_id", "offer_id")
NOW = datetime(2030, 1, 1, 12, 30, 0, 123_456, tzinfo=UTC)


@pytest.fixture
def step():
    return a_batch().steps.get()


def another(step: Step, no: int, **values: object) -> Step:
    """As `step`, of another round: a value in each kind of column."""
    want = {"prompt": "“Öl” 100 %", "sizes": [1, 2.5, None]}
    same = {name: getattr(step, name) for name in SAME}
    return Step(**same, round=no, wanted="a" * 64, want=want, not_before=NOW, created_at=NOW, rank=7, **values)


def test_what_is_inserted_is_what_the_orm_would_have_inserted(step):
    Step.objects.bulk_create([another(step, 2)])
    insert_all(Step, [another(step, 3)])
    theirs, ours = Step.objects.filter(round__gt=1).order_by("round").values()
    assert ours == {**theirs, "id": ours["id"], "round": 3}


def test_what_is_there_already_is_left_as_it_is_and_the_rest_goes_in(step):
    both = [another(step, 1, message="new"), another(step, 2, message="new")]
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_all(Step, both)
    insert_all(Step, both, if_new=True)
    assert list(Step.objects.order_by("round").values_list("round", "message")) == [(1, ""), (2, "new")]


def test_nothing_is_no_statement(step, django_assert_num_queries):
    with django_assert_num_queries(0):
        insert_all(Scene, [])
