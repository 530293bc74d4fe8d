"""Failover: steps whose lane is stopped for long, or too slow for the deadline of their batch (too_slow.py), go to the
next offer of their project, where that allows it.

What one vendor declined for its content goes to another only where the project says so, too. Steps that are out at a
vendor stay there. What took over for what is kept with the step, and said in the ledger and on the page.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet

from jobs.advance import advance
from jobs.models import Attempt, Batch, Chore, Notice, Step
from jobs.routing import CAPABILITY_OF, Chosen, wishes
from jobs.states import Reason, State
from jobs.transactions import atomically
from providers.models import Lane, Offer, Provider

from .too_slow import giving_way

log = logging.getLogger(__name__)
LONG = timedelta(seconds=60)  # a pause that is shorter is waited for
AT_ONCE = 200
MOST_PAGES = 2  # of so many, in one look: the thread that looks books what comes back, too
LOOK_EVERY = timedelta(seconds=20)  # at deadlines
BESIDE = ("batch", "video__batch", "scene", "offer__provider")
Choose = Callable[["_Market", Step], Offer | None]


def reroute(now: datetime, places: dict[Step.GaveWay, int] | None = None) -> int:
    """How many steps changed their vendor. `places`: where the last look stopped, and this one goes on."""
    places = {} if places is None else places
    willing = Batch.objects.filter(finished_at=None, cancelled_at=None, paused_at=None)
    failing, declining = willing.filter(settings__failover=True), willing.filter(settings__declined_elsewhere=True)
    moved = 0
    if failing.exists() and (stopped := [lane.pk for lane in _lanes() if _is_stopped(lane, now)]):
        stuck = Step.objects.filter(state=State.READY, lane__in=stopped, batch__in=failing)
        if stuck.exists() and (elsewhere := _with_an_open_choice(failing, now)):
            moved += _page_by_page(stuck.filter(elsewhere), now, places, why=Step.GaveWay.STOPPED)
    if declining.exists():
        declined = Step.objects.filter(state=State.ATTENTION, reason=Reason.CONTENT, batch__in=declining)
        moved += _page_by_page(declined, now, places, why=Step.GaveWay.DECLINED)
    hurried = failing.filter(finish_by__gt=now)
    if hurried.exists() and Chore.take("look at deadlines", LOOK_EVERY, now):
        moved += sum(_hurry(batch, now) for batch in hurried.order_by("finish_by"))
    return moved


def _hurry(batch: Batch, now: datetime) -> int:
    """What would be late where it waits goes to a later choice that makes it in time; never back for that reason."""
    market = _Market(now)
    found = giving_way(batch, market.later_for, now)

    def in_time(market: _Market, step: Step) -> Offer | None:
        offer = found[step.pk]
        return next((later for later, _ in market.later_for(step) if later.pk == offer.pk), None)

    ready = Step.objects.filter(state=State.READY, batch=batch, batch__in=Batch.objects.open().filter(paused_at=None))
    return _reroute(ready, sorted(found), now, why=Step.GaveWay.SLOW, choose=in_time) if found else 0


def _with_an_open_choice(batches: Iterable[Batch], now: datetime) -> Q:
    """Steps of stages for which something that was chosen is open; an empty Q where there is no such stage."""
    market = _Market(now)
    by_stages: dict[frozenset[str], list[int]] = defaultdict(list)
    for batch in batches:
        if stages := market.open_stages(batch.batch_settings.offers):
            by_stages[stages].append(batch.pk)
    found = Q()
    for stages, ids in by_stages.items():
        found |= Q(stage__in=stages, batch__in=ids)
    return found


def _page_by_page(steps: QuerySet[Step], now: datetime, places: dict[Step.GaveWay, int], *, why: Step.GaveWay) -> int:
    """Until some were moved or the pages are up: those that nobody can take must not hide the others."""

    def choose(market: _Market, step: Step) -> Offer | None:
        return market.next_for(step, {step.offer_id, *asked.get(step.pk, ())})

    for _ in range(MOST_PAGES):
        later = steps.filter(pk__gt=places.get(why, 0)).order_by("pk")
        ids = list(later.values_list("pk", flat=True)[:AT_ONCE])
        is_last = len(ids) < AT_ONCE
        places[why] = 0 if is_last else ids[-1]
        asked = _asked(ids) if why == Step.GaveWay.DECLINED else {}
        moved = _reroute(steps, ids, now, why=why, choose=choose) if ids else 0
        if moved or is_last:
            return moved
    return 0


@atomically
def _reroute(steps: QuerySet[Step], ids: list[int], now: datetime, *, why: Step.GaveWay, choose: Choose) -> int:
    market = _Market(now)
    _lock_vendors(market, ids)
    found = list(steps.filter(pk__in=ids).select_related(*BESIDE).select_for_update(of=("self",)).order_by("pk"))
    took_over: Counter[tuple[str, str, str]] = Counter()
    videos: set[int] = set()
    for step in found:
        offer = choose(market, step)
        if offer is None or step.offer is None:
            continue
        changes: dict[str, Any] = {"not_before": now} if why == Step.GaveWay.DECLINED else {}
        meant_for = step.instead_of_id or step.offer_id
        is_back = meant_for == offer.pk
        mine = Step.objects.filter(pk=step.pk, fence=step.fence, state=step.state)
        if mine.update(
            state=State.READY,
            reason="",
            message="",
            offer=offer,
            provider=offer.provider,
            lane=market.lane_of(offer),
            instead_of=None if is_back else meant_for,
            gave_way="" if is_back else why,
            fence=F("fence") + 1,
            **changes,
        ):
            took_over[str(step.batch), str(step.offer), str(offer)] += 1
            videos.add(step.video_id)
    for (batch, before, after), count in took_over.items():
        steps_of = f"{count} {'step' if count == 1 else 'steps'} of “{batch}”"
        text = f"{after} takes over {steps_of} from {before}, which {why.label}."
        log.warning(text)
        Notice.objects.create(at=now, text=text[:300])
    if videos:
        advance(videos, now)
    return took_over.total()


def _lock_vendors(market: _Market, ids: list[int]) -> None:
    """Before the steps, as every claim does: what a claim has chosen must not change its vendor under it."""
    sources = set(Step.objects.filter(pk__in=ids).values_list("provider", flat=True))
    targets = {offer.provider_id for offer in market.offers.values()}
    list(Provider.objects.select_for_update(no_key=True).filter(pk__in=sources | targets).order_by("pk"))


def _asked(ids: list[int]) -> dict[int, set[int | None]]:
    """step -> offers that were asked for it already."""
    found: dict[int, set[int | None]] = defaultdict(set)
    for step, offer in Attempt.objects.filter(step__in=ids).values_list("step", "offer"):
        found[step].add(offer)
    return found


class _Market:
    """Offers and their lanes, read once."""

    def __init__(self, now: datetime) -> None:
        self.offers = {offer.pk: offer for offer in Offer.objects.usable().select_related("provider")}
        self.lanes, self.now = list(_lanes()), now

    def lane_of(self, offer: Offer) -> Lane | None:
        fitting = [
            lane
            for lane in self.lanes
            if lane.provider_id == offer.provider_id and lane.matches(offer.capability, offer.pk)
        ]
        return max(fitting, key=lambda lane: (lane.offer_id is not None, bool(lane.capability)), default=None)

    def next_for(self, step: Step, asked: set[int | None]) -> Offer | None:
        """The first of those chosen that is open, fits, and was not asked already."""
        return next((offer for offer, _ in self._open_for(step, _wishes(step)) if offer.pk not in asked), None)

    def later_for(self, step: Step) -> Iterator[tuple[Offer, Lane]]:
        """Those chosen after the one it waits for that are open and fit; none where that one is stopped."""
        chosen, lane = _wishes(step), next((lane for lane in self.lanes if lane.pk == step.lane_id), None)
        if step.offer_id in chosen and lane is not None and not _is_stopped(lane, self.now):
            yield from self._open_for(step, chosen[chosen.index(step.offer_id) + 1 :])

    def open_stages(self, chosen: Chosen) -> frozenset[str]:
        """Those for which at least one of the offers that were chosen is open."""
        keys = ((key, key.partition(":")[0]) for key in chosen)
        return frozenset(stage for key, stage in keys if any(self._open(stage, wishes(key, chosen))))

    def _open(self, stage: str, chosen: Iterable[int]) -> Iterator[tuple[Offer, Lane]]:
        for wish in chosen:
            offer = self.offers.get(wish)
            if offer is None or offer.capability != CAPABILITY_OF[stage]:
                continue
            lane = self.lane_of(offer)
            if lane is not None and not _is_stopped(lane, self.now):
                yield offer, lane

    def _open_for(self, step: Step, chosen: Iterable[int]) -> Iterator[tuple[Offer, Lane]]:
        return ((offer, lane) for offer, lane in self._open(step.stage, chosen) if _covers(offer, step))


def _wishes(step: Step) -> tuple[int, ...]:
    hero = bool(step.scene and step.scene.hero)
    return wishes(step.stage, step.video.effective_settings().offers, hero=hero)


def _lanes() -> Iterable[Lane]:
    """But for those of bulk jobs: what waits there is in no hurry."""
    return Lane.objects.filter(bulk=False).select_related("provider", "offer")


def _is_stopped(lane: Lane, now: datetime) -> bool:
    """For so long that another vendor should take over."""
    until = max((at for at in (lane.paused_until, lane.broken_until, lane.provider.paused_until) if at), default=now)
    provider = lane.provider
    return lane.paused or provider.paused or not provider.enabled or lane.max_in_flight == 0 or until > now + LONG


def _covers(offer: Offer, step: Step) -> bool:
    """A clip must not get shorter than it was to be, and a voice not be another's."""
    voice = step.want.get("voice", "")
    if voice and offer.voices and voice not in {name for _, name, _ in offer.voices}:
        return False
    return not offer.lengths or max(offer.lengths) >= step.want.get("seconds", 0.0)
