"""What happens to money: rows of the ledger, and the sums of the budgets beside them. Nothing else writes either."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from django.db.models import F, Sum

from jobs.many_rows import insert_rows
from jobs.models import Batch, Budget, LedgerEntry
from jobs.models.work import CLOCK_SKEW
from jobs.prepared import question

Kind = LedgerEntry.Kind
ENTRY_FIELDS = (
    "kind",
    "attempt",
    "project",
    "batch",
    "provider",
    "reserved_micro",
    "at_risk_micro",
    "spent_micro",
    "at",
    "note",
    "external_id",
)


class CapPassed(RuntimeError):
    """A reserve that no cap has room for was about to be written: the claim is undone, and nothing is sent."""


class Charged(Protocol):
    """Attempt, as far as its money goes."""

    @property
    def pk(self) -> Any: ...
    @property
    def provider_id(self) -> int: ...
    @property
    def reserved_micro(self) -> int: ...


class Charge(NamedTuple):
    """An attempt that was written a moment ago."""

    pk: int | None
    provider_id: int
    reserved_micro: int


class Move(NamedTuple):
    """What happens to the money of one attempt; an orphan or a trial has neither attempt nor batch."""

    kind: Kind
    attempt: Charged
    batch: Batch | None
    reserved_micro: int = 0
    at_risk_micro: int = 0
    spent_micro: int = 0
    note: str = ""
    external_id: str = ""

    @property
    def place(self) -> dict[str, Any]:
        """What a budget asks to know whether it covers this."""
        batch = self.batch
        return {
            "project_id": batch.project_id if batch else None,
            "batch_id": batch.pk if batch else None,
            "provider_id": self.attempt.provider_id,
        }


def jobs_of_no_step(provider_id: int, external_ids: Sequence[str]) -> set[str]:
    """Those that are booked, though no attempt has them."""
    kinds = (Kind.ORPHAN, Kind.TRIAL)
    found = LedgerEntry.objects.filter(provider=provider_id, kind__in=kinds, external_id__in=external_ids)
    return set(found.values_list("external_id", flat=True))


def lock_budgets(now: datetime) -> list[Budget]:
    """All caps, locked in the order of their ids; last in the lock order, and held shortest.

    Where a new day or month has begun since one was last looked at, what is spent counts anew; so it does where a clock
    that was ahead had begun one too early. What is reserved or at risk stays: it is money that can still go.
    """
    return [budget for budget, _ in _locked(now)]


def _locked(now: datetime) -> list[tuple[Budget, bool]]:
    """(cap, whether what is spent was just added up from the ledger)"""
    budgets: list[Budget] = _all_budgets()
    return [(budget, _begins_anew(budget, now)) for budget in budgets]


@question
def _all_budgets() -> Any:
    return Budget.objects.select_for_update().order_by("pk")


def _begins_anew(budget: Budget, now: datetime) -> bool:
    start, known = budget.counts_from(now), budget.period_start
    if start is None or start == known:
        return False
    if known is not None and start < known <= now + CLOCK_SKEW:  # ours is a little behind the clock that began it
        return False
    budget.period_start, budget.spent_micro = start, _spent_since(budget, start)
    Budget.objects.filter(pk=budget.pk).update(period_start=start, spent_micro=budget.spent_micro)
    return True


def _spent_since(budget: Budget, start: datetime) -> int:
    entries = LedgerEntry.objects.filter(at__gte=start).order_by()
    if budget.scope != Budget.Scope.SITE:
        entries = entries.filter(**{budget.scope: getattr(budget, f"{budget.scope}_id")})
    return entries.aggregate(spent=Sum("spent_micro", default=0))["spent"]  # type: ignore[no-any-return]


def write(moves: Sequence[Move], now: datetime) -> None:
    """Books the moves and brings the budgets' sums along. Settling never fails: money that is gone is booked.

    The entries come first: a cap that begins meanwhile waits for them, or they for it (`engine/budgets.py`).
    """
    insert_rows(LedgerEntry, ENTRY_FIELDS, [_entry(move, now) for move in moves])
    paid = [move for move in moves if move.reserved_micro or move.at_risk_micro or move.spent_micro]
    for budget, is_added_up in _locked(now) if paid else ():
        mine = [move for move in paid if budget.covers(**move.place)]
        if mine:
            _bring_along(budget, mine, now, spent_too=not is_added_up)


def _bring_along(budget: Budget, moves: Sequence[Move], now: datetime, *, spent_too: bool) -> None:
    """Not `spent_too`: the entries of these moves are in it already."""
    reserved, at_risk, spent = (
        sum(getattr(move, name) for move in moves) for name in ("reserved_micro", "at_risk_micro", "spent_micro")
    )
    is_late = budget.period_start is not None and now < budget.period_start  # a clock that is behind: of the day before
    if is_late or not spent_too:
        spent = 0
    row = Budget.objects.filter(pk=budget.pk)
    if asked := sum(move.reserved_micro for move in moves if move.kind == Kind.RESERVE):
        row = row.filter(cap_micro__gte=F("spent_micro") + F("reserved_micro") + F("at_risk_micro") + asked)
    written = row.update(
        reserved_micro=F("reserved_micro") + reserved,
        at_risk_micro=F("at_risk_micro") + at_risk,
        spent_micro=F("spent_micro") + spent,
    )
    if asked and not written:
        raise CapPassed(f"{budget} has no room for {asked}.")


def _entry(move: Move, now: datetime) -> tuple[object, ...]:
    place = move.place
    return (
        move.kind,
        move.attempt.pk,
        place["project_id"],
        place["batch_id"],
        place["provider_id"],
        move.reserved_micro,
        move.at_risk_micro,
        move.spent_micro,
        now,
        move.note[:300],
        move.external_id,
    )


def reserved(attempt: Charged, batch: Batch, note: str = "") -> Move:
    return Move(kind=Kind.RESERVE, attempt=attempt, batch=batch, reserved_micro=attempt.reserved_micro, note=note)


def released(attempt: Charged, batch: Batch) -> Move:
    return Move(kind=Kind.RELEASE, attempt=attempt, batch=batch, reserved_micro=-attempt.reserved_micro)


def put_at_risk(attempt: Charged, batch: Batch) -> Move:
    micro = attempt.reserved_micro
    return Move(kind=Kind.AT_RISK, attempt=attempt, batch=batch, reserved_micro=-micro, at_risk_micro=micro)


def put_at_risk_again(attempt: Charged, batch: Batch) -> Move:
    """Of a lost answer that was found: that it came to be at risk stands in the ledger once."""
    return put_at_risk(attempt, batch)._replace(kind=Kind.RESOLVE, note="at risk again")


def settled(attempt: Charged, batch: Batch, micro: int, *, was_at_risk: bool = False) -> list[Move]:
    """The bill is known. What is above the maximum price is booked as overrun, never hidden."""
    within = min(micro, attempt.reserved_micro)
    if was_at_risk:
        first = Move(
            kind=Kind.RESOLVE,
            attempt=attempt,
            batch=batch,
            at_risk_micro=-attempt.reserved_micro,
            spent_micro=within,
        )
    else:
        first = Move(
            kind=Kind.SETTLE,
            attempt=attempt,
            batch=batch,
            reserved_micro=-attempt.reserved_micro,
            spent_micro=within,
        )
    if micro == within:
        return [first]
    return [first, Move(kind=Kind.OVERRUN, attempt=attempt, batch=batch, spent_micro=micro - within)]
