from __future__ import annotations

import pytest
from django.db import connection, transaction

from jobs.models import Notice
from jobs.transactions import atomically, forgettably

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]


def durability() -> object:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit" if connection.vendor == "postgresql" else "PRAGMA synchronous")
        return cursor.fetchone()[0]


@pytest.fixture
def _durable():
    """As in production; the tests' own databases wait for no disk."""
    before = durability()
    full, name = (
        ("on", "SET synchronous_commit TO") if connection.vendor == "postgresql" else (2, "PRAGMA synchronous =")
    )
    with connection.cursor() as cursor:
        cursor.execute(f"{name} {full}")
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"{name} {before}")


def levels(decorate, *, fails: bool = False) -> tuple[object, object, object]:
    seen = []

    @decorate
    def work() -> None:
        Notice.objects.create(text="x")
        seen.append(durability())
        if fails:
            raise ValueError

    before = durability()
    if fails:
        with pytest.raises(ValueError):
            work()
    else:
        work()
    return before, seen[0], durability()


@pytest.mark.usefixtures("_durable")
def test_what_may_be_forgotten_does_not_wait_for_the_disk_and_nothing_else_changes():
    full, less = ("on", "off") if connection.vendor == "postgresql" else (2, 1)
    assert levels(atomically) == (full, full, full)
    assert levels(forgettably) == (full, less, full)
    assert Notice.objects.count() == 2


@pytest.mark.usefixtures("_durable")
def test_when_it_fails_nothing_stays_and_the_next_waits_again():
    before, _, after = levels(forgettably, fails=True)
    assert before == after
    assert not Notice.objects.exists()


@pytest.mark.usefixtures("_durable")
def test_within_another_transaction_it_is_as_durable_as_that():
    with transaction.atomic():
        before, inside, _ = levels(forgettably)
    assert before == inside
