"""Failover: steps whose lane is stopped for long go to the next offer of their project, where that allows it.

What one vendor declined for its content goes to another only where the project says so, too. Steps that are out at a
vendor stay there. What took over for what is kept with the step, and said in the ledger and on the page.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet

from jobs.advance import advance
from jobs.models import Attempt, Batch, Notice, Step
from jobs.routing import CAPABILITY_OF, wishes
from jobs.states import Reason, State
from jobs.transactions import atomically
from providers.models import Lane, Offer, Provider

log = logging.getLogger(__name__)
LONG = timedelta(seconds=60)  # a pause that is shorter is waited for
AT_ONCE = 200
BESIDE = ("batch", "video__batch", "scene", "offer__provider")
WHY = {"stopped": "is stopped", "declined": "declined the content"}


def reroute(now: datetime) -> int:
    """How many steps changed their vendor."""
    willing = Batch.objects.filter(finished_at=None, cancelled_at=None, paused_at=None)
    failing, declining = willing.filter(settings__failover=True), willing.filter(settings__declined_elsewhere=True)
    moved = 0
    if failing.exists() and (stopped := [lane.pk for lane in _lanes() if _is_stopped(lane, now)]):
        stuck = Step.objects.filter(state=State.READY, lane__in=stopped, batch__in=failing)
        moved += _page_by_page(stuck, now, why="stopped")
    if declining.exists():
        declined = Step.objects.filter(state=State.ATTENTION, reason=Reason.CONTENT, batch__in=declining)
        moved += _page_by_page(declined, now, why="declined")
    return moved


def _page_by_page(steps: QuerySet[Step], now: datetime, *, why: str) -> int:
    """Until some were moved or none is left: those that nobody can take must not hide the others."""
    last = 0
    while ids := list(steps.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        last = ids[-1]
        if moved := _reroute(steps, ids, now, why=why):
            return moved
    return 0


@atomically
def _reroute(steps: QuerySet[Step], ids: list[int], now: datetime, *, why: str) -> int:
    market = _Market(now)
    _lock_vendors(market, ids)
    found = list(steps.filter(pk__in=ids).select_related(*BESIDE).select_for_update(of=("self",)).order_by("pk"))
    asked = _asked(ids) if why == "declined" else {}
    took_over: Counter[tuple[str, str, str]] = Counter()
    videos: set[int] = set()
    for step in found:
        offer = market.next_for(step, {step.offer_id, *asked.get(step.pk, ())})
        if offer is None or step.offer is None:
            continue
        changes: dict[str, Any] = {"not_before": now} if why == "declined" else {}
        meant_for = step.instead_of_id or step.offer_id
        mine = Step.objects.filter(pk=step.pk, fence=step.fence, state=step.state)
        if mine.update(
            state=State.READY,
            reason="",
            message="",
            offer=offer,
            provider=offer.provider,
            lane=market.lane_of(offer),
            instead_of=None if meant_for == offer.pk else meant_for,
            fence=F("fence") + 1,
            **changes,
        ):
            took_over[str(step.batch), str(step.offer), str(offer)] += 1
            videos.add(step.video_id)
    for (batch, before, after), count in took_over.items():
        steps_of = f"{count} {'step' if count == 1 else 'steps'} of “{batch}”"
        text = f"{after} takes over {steps_of} from {before}, which {WHY[why]}."
        log.warning(text)
        Notice.objects.create(at=now, text=text[:300])
    if videos:
        advance(videos, now)
    return took_over.total()


def _lock_vendors(market: _Market, ids: list[int]) -> None:
    """Before the steps, as every claim does: what a claim has chosen must not change its vendor under it."""
    sources = set(Step.objects.filter(pk__in=ids).values_list("provider", flat=True))
    targets = {offer.provider_id for offer in market.offers.values()}
    list(Provider.objects.select_for_update().filter(pk__in=sources | targets).order_by("pk"))


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
        settings = step.video.effective_settings()
        for wish in wishes(step.stage, settings.offers, hero=bool(step.scene and step.scene.hero)):
            offer = self.offers.get(wish)
            if offer is None or wish in asked or offer.capability != CAPABILITY_OF[step.stage]:
                continue
            lane = self.lane_of(offer)
            if lane is not None and not _is_stopped(lane, self.now) and _covers(offer, step):
                return offer
        return None


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
