from __future__ import annotations

from dataclasses import replace

import pytest

from qc.inspection import record, record_many
from qc.models import CheckResult, Facts, Inspection
from qc.types import Examined, Result, Status

pytestmark = pytest.mark.django_db


def result(name: str = "image.decodes", status: Status = Status.PASSED, sentence: str = "It is.") -> Result:
    return Result(name=name, status=status, measured="1", threshold="at least 1", sentence=sentence)


def examined(number: int = 1, **changes) -> Examined:
    made = Examined(
        file_hash=f"{number:064x}",
        kind="image",
        facts={"width": number},
        results=(result(), result("image.style", Status.SKIPPED, "not run: no model")),
        passed=True,
        expectations_hash="e" * 64,
    )
    return replace(made, **changes)


def recorded(one: Examined, *, name: str = "default", version: int = 1) -> Inspection:
    return record(one, profile_name=name, profile_version=version)


def test_what_was_found_is_kept_whole():
    inspection = recorded(examined())
    assert (inspection.kind, inspection.passed, inspection.profile_name) == ("image", True, "default")
    rows = list(inspection.results.values_list("name", "status", "measured", "threshold", "sentence"))
    assert rows == [
        ("image.decodes", "passed", "1", "at least 1", "It is."),
        ("image.style", "skipped", "1", "at least 1", "not run: no model"),
    ]
    assert Facts.objects.get(file_hash=inspection.file_hash, kind="image").values == {"width": 1}


def test_the_same_file_judged_the_same_way_is_one_inspection():
    assert recorded(examined()) == recorded(examined())
    assert (Inspection.objects.count(), CheckResult.objects.count(), Facts.objects.count()) == (1, 2, 1)


@pytest.mark.parametrize(
    ("changes", "profile"),
    [
        ({"expectations_hash": "f" * 64}, {}),
        ({"kind": "clip"}, {}),
        ({"file_hash": "a" * 64}, {}),
        ({}, {"version": 2}),
        ({}, {"name": "strict"}),
    ],
)
def test_another_file_profile_version_or_expectation_is_another_inspection(changes, profile):
    assert recorded(examined()) != recorded(examined(**changes), **profile)
    assert CheckResult.objects.count() == 4


def test_many_are_written_in_their_order_with_few_queries(django_assert_max_num_queries):
    many = [(examined(n % 150), "default", 1) for n in range(200)]
    with django_assert_max_num_queries(8):
        rows = record_many(many)
    assert [row.file_hash for row in rows] == [one.file_hash for one, _, _ in many]
    assert Inspection.objects.count() == 150 and CheckResult.objects.count() == 300


def test_one_is_written_with_four_queries(django_assert_max_num_queries):
    with django_assert_max_num_queries(6):  # with the savepoint of the test
        recorded(examined())


def test_nothing_to_write_is_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert record_many([]) == []


def test_a_sentence_of_any_length_is_kept_as_far_as_it_fits():
    row = recorded(examined(results=(result(sentence="a" * 5000),))).results.get()
    assert len(row.sentence) == CheckResult.LONG
