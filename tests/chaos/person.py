"""Somebody who looks after a batch: decides by what the vendor's books say, reviews, lifts pauses and caps."""

from __future__ import annotations

from random import Random
from typing import Any

from django.contrib.auth.models import User

from jobs import control, review
from jobs.models import Asset, Attempt, Batch, Budget, BulkJob, Step, Video
from jobs.states import TERMINAL, Reason, State, Verdict
from providers.models import Lane, Provider
from tests.chaos import weather
from tests.chaos.ground import PRICES
from tests.simulator.process import Simulator

RAISE_MICRO = 2 * max(PRICES.values())  # there must be room for the dearest call
FOLLOWED = ("sim_jobs",)  # vendors whose jobs have a number


class Person:
    def __init__(self, simulator: Simulator, chance: Random) -> None:
        self.simulator, self.chance, self.bills = simulator, chance, {}
        self.user = User.objects.order_by("pk").first()

    def look_after(self) -> None:
        """Whatever waits for a person, once."""
        waiting = list(Step.objects.filter(state=State.ATTENTION).select_related("provider", "video"))
        if any(step.reason == Reason.DECISION for step in waiting):
            self.bills = self.simulator.bills()
        for step in waiting:
            if step.reason == Reason.DECISION:
                self._decide(step)
            elif step.video.cancelled_at is None:
                self._do(control.try_again, step)
        for asset in Asset.objects.filter(verdict=Verdict.FLAGGED, current=True).select_related("video"):
            self._review(asset)
        Provider.objects.filter(paused=True).update(paused=False, pause_reason="")
        Lane.objects.filter(paused=True).update(paused=False)
        Batch.objects.exclude(paused_at=None).update(paused_at=None)
        self._raise_caps()

    def _decide(self, step: Step) -> None:
        attempt = Attempt.objects.filter(step=step, outcome=Attempt.Outcome.UNKNOWN).latest("no")
        is_over = attempt.bulk_id is not None  # before anybody decides about a line: what is not billed then never is
        bills = [
            bill
            for bill in self.bills.get(attempt.tag, ())
            if bill["amount_micro"] or not (is_over or bill["state"] == "failed")
        ]
        if not bills:
            self._do(control.try_again, step)
        elif step.provider.slug in FOLLOWED:
            self._do(control.it_happened, step, external_id=bills[0]["id"])
        else:
            self._do(control.it_happened, step)

    def _do(self, verb: Any, step: Step, **values: Any) -> None:
        try:
            verb(step, self.user, weather.now(), **values)
        except control.Refused:
            return  # somebody was faster

    def _review(self, asset: Asset) -> None:
        if asset.video.cancelled_at is not None:
            return
        try:
            if self.chance.random() < 0.6 and asset.kind != Asset.Kind.SCRIPT:
                review.approve(asset, self.user, weather.now())
            else:
                review.send_back(asset, self.user, weather.now(), reason="content")
        except control.Refused:
            return

    def _raise_caps(self) -> None:
        for budget in Budget.objects.all():
            held = Step.objects.filter(state=State.READY).exists()
            if held and budget.room_micro < RAISE_MICRO:
                budget.cap_micro += RAISE_MICRO
                budget.save(update_fields=["cap_micro"])

    # -- while it storms -------------------------------------------------------------------------

    def meddle(self) -> str:
        """One thing that people do in the middle of it."""
        what = self.chance.choice(("decide", "priority", "review"))
        if what == "decide":
            steps = (
                Step.objects.filter(state=State.ATTENTION).exclude(reason=Reason.DECISION).select_related("provider")
            )
            for step in steps[:2]:
                self._do(control.try_again, step)
        elif what == "review":
            for asset in Asset.objects.filter(verdict=Verdict.FLAGGED, current=True).select_related("video")[:2]:
                self._review(asset)
        else:
            Batch.objects.update(priority=self.chance.choice((-1, 0, 1)))
        return what

    def cancel(self, how: str) -> None:
        batch = Batch.objects.get()
        if how != "video":
            control.cancel(batch, control.Cancel(how), weather.now())
            return
        video = Video.objects.filter(batch=batch, finished_at=None, cancelled_at=None).order_by("?").first()
        if video:
            control.cancel_video(video, weather.now())


def is_over() -> bool:
    """Nothing is left that a machine or a person has to do."""
    open_ = Step.objects.exclude(state__in=TERMINAL).exists()
    waits = Asset.objects.filter(verdict=Verdict.FLAGGED, current=True, video__cancelled_at=None).exists()
    in_bulk = BulkJob.objects.exclude(state=BulkJob.State.OVER).exists()
    return not open_ and not in_bulk and not waits and not Video.objects.filter(needs_advance=True).exists()
