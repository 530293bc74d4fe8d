"""The sums of a budget, from the entries: at its beginning, and every night to see that they still agree."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from jobs.models import Budget, LedgerEntry
from jobs.transactions import atomically

SUMS = ("reserved_micro", "at_risk_micro", "spent_micro")


@atomically
def begin(budget: Budget, now: datetime) -> None:
    """Saves a new budget, or one with another period, with the sums of what is booked already.

    What is reserved when a cap begins is released later: without it in the sums, that would take them below 0.
    """
    budget.period_start = budget.counts_from(now)
    if budget.pk is None:
        budget.save()  # first: nobody who holds what it points at may wait for the table
        _nothing_is_booked_meanwhile()
    else:
        _nothing_is_booked_meanwhile()  # first: nobody who books may wait for this row
        budget.save()
    row = _with_sums(budget).get()
    Budget.objects.filter(pk=budget.pk).update(**{name: getattr(row, f"real_{name}") for name in SUMS})


def _nothing_is_booked_meanwhile() -> None:
    """Until the end of the transaction. On SQLite there is one writer at a time anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # Else foreign keys are checked at the commit: under this lock, waiting for rows of those who wait for it.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"LOCK TABLE {LedgerEntry._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")


def _with_sums(budget: Budget) -> QuerySet[Any]:
    """The budget beside the sums of its entries, in one statement: each comes from the same moment."""
    scope = budget.scope
    entries = LedgerEntry.objects.order_by()
    if scope != Budget.Scope.SITE:
        entries = entries.filter(**{scope: OuterRef(scope)})
    spent = entries if budget.period == Budget.Period.ALL else entries.filter(at__gte=OuterRef("period_start"))
    of = {"reserved_micro": entries, "at_risk_micro": entries, "spent_micro": spent}
    return Budget.objects.filter(pk=budget.pk).annotate(**{f"real_{name}": _sum(of[name], name) for name in SUMS})


def _sum(entries: QuerySet[LedgerEntry], name: str) -> Coalesce:
    one = entries.annotate(one=Value(1)).values("one").annotate(n=Sum(name)).values("n")
    return Coalesce(Subquery(one), Value(0), output_field=BigIntegerField())


def differences() -> list[str]:
    """Budgets whose sums are not those of their entries: an alarm for people, never repaired by itself."""
    found = []
    for budget in Budget.objects.select_related("project", "batch", "provider").order_by("pk"):
        row = _with_sums(budget).get()
        wrong = [
            f"{name.removesuffix('_micro').replace('_', ' ')} says {getattr(row, name)}, the ledger "
            f"{getattr(row, f'real_{name}')}"
            for name in SUMS
            if getattr(row, name) != getattr(row, f"real_{name}")
        ]
        if wrong:
            found.append(f"{budget}: {'; '.join(wrong)} (millionths).")
    return found
