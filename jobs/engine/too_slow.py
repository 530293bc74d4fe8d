"""Lanes that are too slow for the deadline of a batch: which of its steps would be late, and who would be in time.

Reckoned from what waits in a lane now, at its real pace (jobs/forecast/queues.py), and anew at every look: what is to
come later counts once it waits.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime
from itertools import chain, repeat
from math import inf
from typing import NamedTuple

from django.db.models import Count

from jobs.forecast import CannotForecast, Order, Queues
from jobs.models import Attempt, Batch, Step
from jobs.queries.plain_market import plain_of
from jobs.settings_types import BatchSettings
from jobs.states import State
from providers.models import Lane, Offer

AT_ONCE = 200  # steps: more than any vendor makes until the next look
Later = Callable[[Step], Iterable[tuple[Offer, Lane]]]  # the choices after a step's own that are open and fit it


class _Waiting(NamedTuple):
    rank: float
    step: int
    lane: int
    stage: str
    offer: int
    batch: int
    priority: int
    weight: int


def giving_way(batch: Batch, later: Later, now: datetime) -> dict[int, Offer]:
    """step -> the offer that would make it in time. The last steps go, no more than have to, and AT_ONCE at most."""
    choices = _before_another(batch.batch_settings)
    if not choices:
        return {}
    try:
        reckoning = _Reckoning(batch, now)
    except CannotForecast:  # some stage cannot be made at all; the page says so
        return {}
    late = [one for one in reckoning.late() if (one.stage, one.offer) in choices]
    found: dict[int, Offer] = {}
    while late and not found:
        page, late = late[:AT_ONCE], late[AT_ONCE:]
        steps = Step.objects.select_related("video__batch", "scene").in_bulk([one.step for one in page])
        full: set[tuple[str, int]] = set()
        for one in page:
            others = list(later(steps[one.step])) if one.step in steps else []
            for offer, lane in others:
                if lane.pk != one.lane and reckoning.takes_one_more(lane.pk, one.stage, offer.pk):
                    found[one.step] = offer
                    break
            else:
                full |= {(one.stage, one.offer)} if others else set()
        # Those that nobody can take must not hide the others; but where there is no room, there is none for any.
        late = [one for one in late if (one.stage, one.offer) not in full]
    return found


def _before_another(settings: BatchSettings) -> set[tuple[str, int]]:
    """(stage, offer) for every choice after which there is another."""
    lists = [(key.partition(":")[0], chosen) for key, chosen in settings.offers.items() if not isinstance(chosen, int)]
    return {(stage, offer) for stage, chosen in lists for offer in chosen[:-1]}


class _Reckoning:
    """The lanes as they stand, read once."""

    def __init__(self, batch: Batch, now: datetime) -> None:
        assert batch.finish_by is not None
        settings = batch.batch_settings
        plain = plain_of(Order(settings=settings, videos=()), now)
        self.queues = Queues(plain, settings)
        left_s = (batch.finish_by - now).total_seconds()
        self.until_s = {stage: left_s - rest_s for stage, rest_s in self.queues.rests_s().items()}
        self.batch = batch
        self.waiting = _waiting({lane.id for lane in plain.lanes}, {offer.id for offer in plain.offers})
        self.out = dict(Attempt.objects.filter(ended_at=None).values_list("lane").annotate(n=Count("pk")).order_by())
        self.added: Counter[int] = Counter()  # by lane: steps that will go there
        self.room: dict[tuple[int, str, int], int] = {}

    def late(self) -> list[_Waiting]:
        """What the batch would get too late from where it waits, the last by rank first."""
        late = [one for lane, queue in self.waiting.items() for one in self._late_in(lane, queue)]
        return sorted(late, reverse=True)

    def _late_in(self, lane: int, queue: Sequence[_Waiting]) -> list[_Waiting]:
        if not any(one.batch == self.batch.pk for one in queue):
            return []
        turns = _by_turn(queue)
        calls = [(one.stage, one.offer) for one in turns]
        ends = self.queues.ends(lane, calls, out=self.out.get(lane, 0), until_s=max(self.until_s.values()))
        return [
            one
            for one, end in zip(turns, chain(ends, repeat(inf)), strict=False)
            if one.batch == self.batch.pk and end > self.until_s.get(one.stage, inf)
        ]

    def takes_one_more(self, lane: int, stage: str, offer: int) -> bool:
        """Whether a lane would do one more of the batch in time, behind those that it has; and counts it there."""
        key = (lane, stage, offer)
        if key not in self.room:  # with n more the last one is late: so it is with more than n
            self.room[key] = bisect_left(range(1, AT_ONCE + 1), True, key=lambda n: self._is_late_with(n, *key))
        if self.added[lane] >= self.room[key]:
            return False
        self.added[lane] += 1
        return True

    def _is_late_with(self, n: int, lane: int, stage: str, offer: int) -> bool:
        batch = self.batch
        more = _Waiting(inf, 0, lane, stage, offer, batch.pk, batch.priority, batch.weight)
        late = self._late_in(lane, [*self.waiting.get(lane, ()), *[more] * n])
        return more in late


def _waiting(lanes: Container[int], offers: Container[int]) -> dict[int, list[_Waiting]]:
    """What waits in each lane, by rank; batches that are paused wait for something else."""
    ready = Step.objects.filter(state=State.READY, batch__in=Batch.objects.open().filter(paused_at=None))
    fields = ("rank", "pk", "lane", "stage", "offer", "batch", "batch__priority", "batch__weight")
    found: dict[int, list[_Waiting]] = defaultdict(list)
    for row in ready.order_by("rank", "pk").values_list(*fields):
        one = _Waiting(*row)
        if one.lane in lanes and one.offer in offers:
            found[one.lane].append(one)
    return found


def _by_turn(queue: Sequence[_Waiting]) -> list[_Waiting]:
    """Higher priorities first; equal ones by turns, as shares are fair; each batch by rank."""
    turn: Counter[int] = Counter()
    keyed: list[tuple[tuple[float, ...], _Waiting]] = []
    for one in queue:
        keyed.append(((-one.priority, turn[one.batch] / max(1, one.weight), one.batch), one))
        turn[one.batch] += 1
    return [one for _, one in sorted(keyed, key=lambda pair: pair[0])]
