"""Caps of a day or a month, caps that begin while work is out, and the nightly look at their sums."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from jobs.engine import books, budgets, worker
from jobs.engine.books import Charge, Kind, Move
from jobs.engine.housekeeping import Housekeeping
from jobs.models import Batch, Budget, LedgerEntry, Notice
from jobs.transactions import atomically
from providers.models import Provider
from tests.factories import a_batch

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PERIODS = list(Budget.Period)
SUMS = ("reserved_micro", "at_risk_micro", "spent_micro")


@pytest.fixture
def batch(db) -> Batch:
    return a_batch("Why bread rises")


def a_cap(micro: int = 1000, *, period: str = "day", **scope) -> Budget:
    budget = Budget(scope=next(iter(scope), "site"), period=period, cap_micro=micro, **scope)
    budgets.begin(budget, NOON)
    return budget


def book(batch: Batch, kind: Kind, now: datetime, **micro: int) -> None:
    provider = Provider.objects.order_by("pk").first()
    books.write([Move(kind=kind, attempt=Charge(None, provider.pk, 0), batch=batch, **micro)], now)


def sums(budget: Budget) -> tuple[int, ...]:
    budget.refresh_from_db()
    return tuple(getattr(budget, name) for name in SUMS)


def room(now: datetime) -> int:
    return books.lock_budgets(now)[0].room_micro


@pytest.mark.parametrize(("period", "left"), [("all", 300), ("month", 300), ("day", 900)])
def test_a_new_day_gives_a_daily_cap_its_room_back_but_for_what_is_still_out(batch, period, left):
    budget = a_cap(period=period)
    book(batch, Kind.ADJUST, NOON, spent_micro=600)
    book(batch, Kind.RESERVE, NOON, reserved_micro=100)
    assert room(NOON) == 300
    assert room(NOON + DAY) == left
    assert sums(budget)[:2] == (100, 0)


def test_a_new_month_gives_a_monthly_cap_its_room_back(batch):
    a_cap(period="month")
    book(batch, Kind.ADJUST, NOON, spent_micro=600)
    assert room(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == 400
    assert room(datetime(2026, 12, 1, 0, 0, tzinfo=UTC)) == 1000


@pytest.mark.parametrize(
    ("zone", "moment", "start"),
    [
        ("Europe/Berlin", datetime(2026, 11, 21, 22, 59, tzinfo=UTC), datetime(2026, 11, 20, 23, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 11, 21, 23, 0, tzinfo=UTC), datetime(2026, 11, 21, 23, tzinfo=UTC)),
        # the two days on which the clocks change have 23 and 25 hours
        ("Europe/Berlin", datetime(2026, 3, 29, 21, 59, tzinfo=UTC), datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 25, 22, 59, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)),
        ("America/Los_Angeles", datetime(2026, 11, 21, 7, 59, tzinfo=UTC), datetime(2026, 11, 20, 8, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_midnight_of_the_site(settings, zone, moment, start):
    settings.TIME_ZONE = zone
    assert Budget(scope="site", period="day").counts_from(moment) == start


def test_what_was_spent_before_midnight_and_is_booked_by_a_slow_clock_counts_for_the_day_before(batch):
    budget = a_cap()
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    books.lock_budgets(midnight)
    book(batch, Kind.ADJUST, midnight - timedelta(seconds=2), spent_micro=10)
    book(batch, Kind.ADJUST, midnight, spent_micro=20)
    assert sums(budget) == (0, 0, 20)
    assert budgets.differences() == []


@pytest.mark.parametrize(("period", "ahead"), [("day", DAY), ("month", 30 * DAY)])
def test_a_clock_that_was_ahead_for_a_moment_takes_nothing_from_a_cap_for_good(batch, period, ahead):
    budget = a_cap(period=period)
    book(batch, Kind.ADJUST, NOON, spent_micro=600)
    book(batch, Kind.ADJUST, NOON + ahead, spent_micro=10)
    assert sums(budget) == (0, 0, 10)
    book(batch, Kind.ADJUST, NOON, spent_micro=300)
    assert sums(budget) == (0, 0, 910)
    assert room(NOON) == 90
    assert budgets.differences() == []


def test_a_claim_after_the_clock_was_put_right_sees_what_the_day_has_spent(batch):
    a_cap()
    book(batch, Kind.ADJUST, NOON, spent_micro=600)
    assert [room(NOON + DAY), room(NOON)] == [1000, 400]


def test_what_was_booked_too_far_ahead_counts_on_its_own_day_as_well(batch):
    budget = a_cap()
    book(batch, Kind.ADJUST, NOON + DAY, spent_micro=10)
    assert [room(NOON), room(NOON + DAY)] == [990, 990]
    assert sums(budget) == (0, 0, 10)
    assert budgets.differences() == []


@pytest.mark.parametrize("scope", ["site", "project", "batch", "provider"])
def test_a_cap_begun_anew_counts_its_own_entries_alone(batch, scope):
    other, provider = a_batch("Why bees dance"), Provider.objects.order_by("pk").first()
    whose = {"project": batch.project, "batch": batch, "provider": provider}
    budget = a_cap(**({} if scope == "site" else {scope: whose[scope]}))
    book(batch, Kind.ADJUST, NOON, spent_micro=600)
    book(other, Kind.ADJUST, NOON, spent_micro=5)
    spent = 600 if scope in ("batch", "project") else 605
    assert [room(NOON + DAY), room(NOON)] == [1000, 1000 - spent]
    assert sums(budget) == (0, 0, spent)


@pytest.mark.parametrize("scope", ["site", "project", "batch", "provider"])
def test_a_cap_that_begins_while_work_is_out_counts_it_and_never_falls_below_zero(batch, scope):
    other = a_batch("Why bees dance")
    book(batch, Kind.RESERVE, NOON, reserved_micro=700)
    book(other, Kind.RESERVE, NOON, reserved_micro=5)
    provider = Provider.objects.order_by("pk").first()
    whose = {"project": batch.project, "batch": batch, "provider": provider}
    budget = a_cap(period="all", **({} if scope == "site" else {scope: whose[scope]}))
    assert sums(budget)[0] == (700 if scope in ("project", "batch") else 705)
    book(batch, Kind.SETTLE, NOON, reserved_micro=-700, spent_micro=400)
    assert sums(budget)[0] in (0, 5)
    assert budgets.differences() == []


def test_a_daily_cap_that_begins_at_noon_knows_what_the_morning_cost(batch):
    book(batch, Kind.ADJUST, NOON - DAY, spent_micro=1)
    book(batch, Kind.ADJUST, NOON - timedelta(hours=3), spent_micro=30)
    assert sums(a_cap()) == (0, 0, 30)


def test_the_guard_in_the_statement_refuses_what_a_wrong_count_would_let_through(batch):
    budget = a_cap(100, period="all")
    with pytest.raises(books.CapPassed):
        book(batch, Kind.RESERVE, NOON, reserved_micro=101)
    book(batch, Kind.RESERVE, NOON, reserved_micro=100)
    assert sums(budget) == (100, 0, 0)


def test_a_cap_lowered_below_what_is_spent_stops_what_is_new_and_nothing_else(batch):
    budget = a_cap(1000, period="all")
    book(batch, Kind.RESERVE, NOON, reserved_micro=600)
    Budget.objects.update(cap_micro=100)
    assert room(NOON) == -500
    book(batch, Kind.SETTLE, NOON, reserved_micro=-600, spent_micro=650)
    assert sums(budget) == (0, 0, 650)


def test_money_that_nobody_ordered_counts_for_the_site_and_its_provider_alone(batch):
    provider = Provider.objects.order_by("pk").first()
    of_all = [a_cap(period="all", **scope) for scope in ({}, {"provider": provider}, {"batch": batch})]
    orphan = Move(kind=Kind.ORPHAN, attempt=Charge(None, provider.pk, 0), batch=None, spent_micro=7, external_id="x")
    books.write([orphan], NOON)
    assert [sums(budget)[2] for budget in of_all] == [7, 7, 0]


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_that_is_not_that_of_its_entries_is_told_and_not_repaired(batch, name):
    budget = a_cap(period="all", batch=batch)
    book(batch, Kind.ADJUST, NOON, spent_micro=30)
    assert budgets.differences() == []
    Budget.objects.update(**{name: 99})
    [said] = budgets.differences()
    assert "says 99" in said
    assert getattr(Budget.objects.get(pk=budget.pk), name) == 99


def test_an_entry_that_was_taken_out_of_the_ledger_is_told(batch):
    a_cap(period="all")
    book(batch, Kind.ADJUST, NOON, spent_micro=30)
    LedgerEntry.objects.all().delete()
    assert len(budgets.differences()) == 1


@pytest.mark.django_db(transaction=True)
def test_once_a_day_one_drive_compares_and_raises_the_alarm(batch):
    budget = a_cap(period="all")
    Budget.objects.update(spent_micro=5)
    now = [NOON]
    houses = [Housekeeping(worker.enlist("generation", NOON), lambda: now[0]) for _ in range(2)]

    def keep(hours: int) -> int:
        now[0] = NOON + timedelta(hours=hours)
        for house in houses:
            house._looked = float("-inf")
            house.keep()
        return Notice.objects.filter(text__contains=f"{budget}: spent says 5, the ledger 0").count()

    assert [keep(hours) for hours in (0, 1, 23, 24, 25, 48)] == [1, 1, 1, 2, 2, 3]
    for house in houses:
        worker.let_go(str(house.worker.pk))


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_caps_that_begin_in_the_middle_of_the_rush_miss_nothing(batch):
    """What is reserved before a cap begins is in its sums, what comes after goes through it, and nobody hangs."""
    provider = Provider.objects.order_by("pk").first()
    trouble: list[Exception] = []
    ready = threading.Barrier(5)

    def rush() -> None:
        try:
            ready.wait(10)
            for _ in range(25):
                _spend_a_little(batch, provider)
        except Exception as error:
            trouble.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=rush) for _ in range(4)]
    for thread in threads:
        thread.start()
    ready.wait(10)
    scopes = ({}, {"project": batch.project}, {"batch": batch}, {"provider": provider})
    for n in range(8):
        scope = scopes[n % 4]
        budgets.begin(Budget(scope=next(iter(scope), "site"), cap_micro=10**9, **scope), NOON)
    for thread in threads:
        thread.join(60)
    assert trouble == []
    assert budgets.differences() == []
    assert set(Budget.objects.values_list("reserved_micro", "spent_micro")) == {(0, 4 * 25 * 7)}


@atomically
def _spend_a_little(batch: Batch, provider: Provider) -> None:
    """As a claim and a settlement do: the provider is locked, then the entries, then the caps."""
    Provider.objects.select_for_update().get(pk=provider.pk)
    books.lock_budgets(NOON)
    charge = Charge(None, provider.pk, 10)
    books.write([Move(kind=Kind.RESERVE, attempt=charge, batch=batch, reserved_micro=10)], NOON)
    books.write([Move(kind=Kind.SETTLE, attempt=charge, batch=batch, reserved_micro=-10, spent_micro=7)], NOON)
