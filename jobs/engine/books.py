"""Prices and caps at a claim; the ledger itself is `jobs/ledger.py`. Every attempt is closed exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from jobs.ledger import CapPassed as CapPassed
from jobs.ledger import Charge as Charge
from jobs.ledger import Kind as Kind
from jobs.ledger import Move as Move
from jobs.ledger import lock_budgets as lock_budgets
from jobs.ledger import put_at_risk as put_at_risk
from jobs.ledger import put_at_risk_again as put_at_risk_again
from jobs.ledger import released as released
from jobs.ledger import reserved as reserved
from jobs.ledger import settled as settled
from jobs.ledger import write as write
from jobs.models import Attempt, Budget
from jobs.prepared import question
from providers.models import Price, PriceQuerySet
from providers.pricing import cost as cost


def valid_prices(provider_id: int, now: datetime) -> list[Price]:
    return _valid_prices(provider_id, now)


@question
def _valid_prices(provider: Any, now: Any) -> Any:
    prices: PriceQuerySet = Price.objects.filter(provider=provider)
    return prices.valid(now)


def promised_of(attempt: Attempt) -> dict[str, int]:
    """What the vendor said it would bill when it accepted the job, where it says nothing at the end."""
    return {name: count for name, count in attempt.units.items() if name != "listings_without"}


def billed(attempt: Attempt, units: dict[str, int]) -> int:
    """What the vendor bills for it; where it did not say how many of the priced unit, the most that was reserved."""
    price = attempt.price
    has_rate = price.micro or any(price.beside.values())
    if has_rate and price.unit != "calls" and price.unit not in units:
        return attempt.reserved_micro
    if "output_tokens" in price.beside and "output_tokens" not in units:
        return attempt.reserved_micro  # half of a bill
    return cost(price, units)


def admit(budgets: Sequence[Budget], *, micro: int, project_id: int, batch_id: int, provider_id: int) -> Budget | None:
    """Takes the amount out of every cap that covers it; or returns the cap that has no room, touching none."""
    covering = [
        budget for budget in budgets if budget.covers(project_id=project_id, batch_id=batch_id, provider_id=provider_id)
    ]
    full = next((budget for budget in covering if micro > 0 and budget.room_micro < micro), None)
    if full is None:
        for budget in covering:
            budget.reserved_micro += micro
    return full
