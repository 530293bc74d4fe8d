"""Locks of providers and batches keep others from locking them, and nobody from writing rows that belong to them."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from jobs import advance
from jobs.engine import claim
from jobs.models import Batch, Step
from providers.models import Provider
from tests.factories import NOW, a_batch

pytestmark = [pytest.mark.engine, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def lock_provider() -> None:
    assert claim._locked(Provider.objects.get(pk=Step.objects.first().provider_id).slug)


def lock_batch() -> None:
    advance._open_gates(Batch.objects.values_list("pk", flat=True), NOW)


@pytest.mark.parametrize("lock", [lock_provider, lock_batch])
def test_a_step_is_written_while_its_provider_and_its_batch_are_locked(lock):
    """At its commit PostgreSQL looks whether they are there: two that wait for each other so would be a deadlock."""
    a_batch("Why bread rises")
    step, troubles = Step.objects.get(), []

    def write() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout TO '2s'")
                step.pk, step.round, step._state.adding = None, step.round + 1, True
                step.save(force_insert=True)
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except Exception as error:
            troubles.append(error)
        finally:
            connection.close()

    with transaction.atomic():
        lock()
        other = threading.Thread(target=write)
        other.start()
        other.join(10)
    assert troubles == []
    assert Step.objects.count() == 2
