"""The risk allowance of a batch: how much may be paid twice before a person is asked.

Where nobody can know whether a call was made, asking about a picture of four cents costs more than the picture. So a
batch may send cheap ones again by itself, up to a share of its cap. What the first try may have cost stays at risk, and
counts against the caps, until a bill or a person says what became of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min, Sum

from jobs.models import Attempt, Batch, Budget, Decision, RiskPolicy, Step

MOST_TIMES = 2  # a vendor that never answers about a step is not cured by a third try


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    total_micro: int
    per_call_micro: int
    used_micro: int
    is_own: bool  # set for this batch, not by the policy of the site

    @property
    def left_micro(self) -> int:
        return max(0, self.total_micro - self.used_micro)

    @property
    def always_asks(self) -> bool:
        return not self.total_micro or not self.per_call_micro

    def allows(self, micro: int) -> bool:
        return not self.always_asks and micro <= min(self.per_call_micro, self.left_micro)


def allowance_of(batch: Batch) -> Allowance:
    policy = RiskPolicy.current()
    taken = Decision.objects.filter(kind=Decision.Kind.ACCEPT_DUPLICATE, step__batch=batch)
    total = batch.risk_micro
    if total is None:
        caps = Budget.objects.filter(scope=Budget.Scope.BATCH, batch=batch)
        cap = caps.aggregate(least=Min("cap_micro"))["least"]
        total = policy.without_cap_micro if cap is None else cap * policy.share_percent // 100
    return Allowance(
        total_micro=total,
        per_call_micro=policy.per_call_micro,
        used_micro=taken.aggregate(sum=Sum("amount_micro", default=0))["sum"],
        is_own=batch.risk_micro is not None,
    )


def accept(step: Step, attempt: Attempt, now: datetime) -> bool:
    """True when the step may be sent again: then the decision is written. Within a transaction that does so."""
    batch = Batch.objects.select_for_update(no_key=True).get(pk=step.batch_id)  # so that no two use up the same rest
    micro = attempt.reserved_micro
    times = Decision.objects.filter(kind=Decision.Kind.ACCEPT_DUPLICATE, step=step).count()
    if times >= MOST_TIMES or not allowance_of(batch).allows(micro):
        return False
    Decision.objects.create(
        kind=Decision.Kind.ACCEPT_DUPLICATE,
        step=step,
        attempt=attempt,
        amount_micro=micro,
        at=now,
        note="Within the risk allowance of the batch: sent again without asking.",
    )
    return True
