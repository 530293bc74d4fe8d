"""The real engine on a real database, its clock, its vendors and its processes in the hands of hypothesis.

After every move all that must hold is asked; at the end the vendors behave, a person decides by their books, and
everything must come to its end.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from jobs import control
from jobs.engine import calls, housekeeping, suspects
from jobs.engine import clock as engine_clock
from jobs.launch import create_batch
from jobs.models import Asset, Attempt, Batch, Budget, Step, Video
from jobs.settings_types import BatchSettings, TopicRow
from jobs.states import TERMINAL, Reason, State, Verdict
from providers import downloads, registry
from providers.models import Lane, Offer, Price, Provider
from providers.types import Output
from tests import invariants
from tests.chaos import at_rest, history
from tests.factories import a_project, a_provider
from tests.properties.hand_cranked import Clock, Hand
from tests.properties.memory_vendor import (
    ADAPTERS,
    FAILED,
    FAULTS,
    FOLLOWED,
    LISTINGS,
    PRICE,
    MemoryVendors,
    content_of,
)

pytestmark = [pytest.mark.engine]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ROLES = ("generation", "generation", "media")
ROUNDS_TO_THE_END = 60
CAP = 12 * PRICE
number = some.integers(0, 7)
PARTS = 4  # of the long walk, for as many processes


def rows_written() -> object:
    """Grows with every row that this connection writes; PostgreSQL does not count so."""
    return connection.connection.total_changes if connection.vendor == "sqlite" else object()


class Engine(RuleBasedStateMachine):
    """One world an example; all of it is rolled back afterwards."""

    clock: Clock
    vendors: MemoryVendors

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        type(self).clock.at = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
        for attribute, value in (("jobs", {}), ("fault", ""), ("listing", "complete"), ("download", "ok")):
            setattr(self.vendors, attribute, value)
        self.user = User.objects.create_user(username="somebody")
        self.hands: list[Hand] = []
        self.looked_at: object = None
        self.went_back = False

    @initialize(topics=some.integers(1, 2), moderation=some.booleans(), by_link=some.booleans())
    def launch(self, topics: int, moderation: bool, by_link: bool) -> None:
        self.vendors.by_link = by_link
        project = a_project()
        for adapter in ADAPTERS:
            offer = Offer.objects.get(provider__slug=adapter.slug, capability="script")
            judge = Offer.objects.get(provider__slug=adapter.slug, capability="moderation")
            offers = {"script": offer.pk, "topic_moderation": judge.pk, "text_moderation": judge.pk}
            create_batch(
                project,
                name=adapter.label,
                topics=[TopicRow(topic=f"{adapter.label} {n}") for n in range(topics)],
                settings=BatchSettings(
                    scenes=2, seconds=8, script_gate=True, offers=offers, moderation=moderation, auto_retries=0
                ),
                by=self.user,
                cap_micro=CAP,
                now=self.clock.now(),
            )
        self.hands = [Hand(role, self.clock) for role in ROLES]

    # -- the engine ------------------------------------------------------------------------------

    def hand(self, which: int) -> Hand:
        return self.hands[which % len(self.hands)]

    @rule(who=number)
    def claim(self, who: int) -> None:
        self.hand(who).begin()

    @rule(who=number, which=number, fault=some.sampled_from(FAULTS))
    def call(self, who: int, which: int, fault: str) -> None:
        self.vendors.fault = fault
        self.hand(who).pool.crank(which)
        self.vendors.fault = ""

    @rule(who=number)
    def book(self, who: int) -> None:
        self.hand(who).book()

    @rule(who=number)
    def one_round(self, who: int) -> None:
        hand = self.hand(who)
        hand.begin()
        while hand.pool.waiting:
            hand.pool.crank(0)
        hand.book()

    @rule(who=number)
    def keep_house(self, who: int) -> None:
        self.hand(who).keep_house()

    @rule(who=number)
    def kill_and_start(self, who: int) -> None:
        """The others may stand still for as long as they are not chosen."""
        hand = self.hand(who)
        hand.die()
        self.hands[self.hands.index(hand)] = Hand(hand.role, self.clock)

    @rule()
    def restart_everything(self) -> None:
        for hand in list(self.hands):
            hand.die()
        self.hands = [Hand(role, self.clock) for role in ROLES]

    # -- the world -------------------------------------------------------------------------------

    @rule(seconds=some.sampled_from((0.5, 3.0, 15.0, 70.0, 400.0, 3 * 3600.0)))
    def time_passes(self, seconds: float) -> None:
        self.clock.pass_s(seconds)

    @rule(seconds=some.sampled_from((1.0, 20.0)))
    def clock_goes_back(self, seconds: float) -> None:
        self.went_back = True
        self.clock.pass_s(-seconds)

    @rule(which=number, state=some.sampled_from(("succeeded", "succeeded", "failed", "moderated", "odd", "running")))
    def job_goes_on(self, which: int, state: str) -> None:
        """Not one that was given up: it is booked as paid, and nobody follows what becomes of it."""
        given_up = set(Attempt.objects.filter(outcome="given_up").values_list("external_id", flat=True))
        going = [job for job in self.vendors.jobs.values() if job.state in ("running", "odd")]
        running = [job for job in going if job.id not in given_up]
        if running:
            job = running[which % len(running)]
            job.state = state
            if state in FAILED:
                job.billed_micro = 0

    @rule(how=some.sampled_from(LISTINGS))
    def listing(self, how: str) -> None:
        self.vendors.listing = how

    @rule()
    def listing_catches_up(self) -> None:
        for job in self.vendors.jobs.values():
            job.is_listed = True

    @rule(how=some.sampled_from(("ok", "ok", "cut", "expired", "full")))
    def downloads_are(self, how: str) -> None:
        self.vendors.download = how

    # -- people ----------------------------------------------------------------------------------

    @rule(which=number)
    def person_decides(self, which: int) -> None:
        waiting = list(Step.objects.filter(state=State.ATTENTION).select_related("provider").order_by("pk"))
        if waiting:
            self._decide(waiting[which % len(waiting)])

    @rule()
    def account_is_paid(self) -> None:
        Provider.objects.filter(paused=True).update(paused=False)

    @rule(which=number)
    def pause_or_resume(self, which: int) -> None:
        batch = list(Batch.objects.order_by("pk"))[which % len(ADAPTERS)]
        if batch.paused_at is None:
            control.pause(batch, self.clock.now())
        else:
            control.resume(batch)

    @rule(which=number, everything=some.booleans())
    def cancel(self, which: int, everything: bool) -> None:
        if which == 0:  # else little would be left to do
            batch = Batch.objects.order_by("pk").last()
            control.cancel(batch, control.Cancel("everything" if everything else "all_but_running"), self.clock.now())

    @rule(which=number)
    def cap_is_raised(self, which: int) -> None:
        budget = list(Budget.objects.order_by("pk"))[which % len(ADAPTERS)]
        budget.cap_micro += PRICE
        budget.save(update_fields=["cap_micro"])

    def _decide(self, step: Step) -> None:
        """By the books of the vendor, as a person who looks there does."""
        if step.reason != Reason.DECISION:
            control.try_again(step, self.user, self.clock.now())
            return
        attempt = Attempt.objects.filter(step=step, outcome=Attempt.Outcome.UNKNOWN).latest("no")
        job = next((job for job in self.vendors.jobs.values() if job.tag == attempt.tag), None)
        if job and step.provider.slug in FOLLOWED:
            control.it_happened(step, self.user, self.clock.now(), external_id=job.id)
        elif job and self.vendors.bill_for(job):
            control.it_happened(step, self.user, self.clock.now())
        else:
            control.try_again(step, self.user, self.clock.now())

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def everything_holds(self) -> None:
        """Asked anew where a row was written or a vendor's books have changed since the last time."""
        books = self.vendors.books()
        looked_at = (rows_written(), books)
        if looked_at == self.looked_at:
            return
        self.looked_at = looked_at
        said = [
            *invariants.rows_are_sound(datetime.now(UTC)),
            *invariants.money_is_sound(),
            *invariants.billed_once(books),
            *invariants.ledger_is_the_bill(books),
            *history.is_sound(),
            *history.caps_were_kept(),
        ]
        # Leases are looked at by the true clock, and how long nobody came by is for the test to choose.
        said = [s for s in said if "owned for ever" not in s]
        # What came first can be told by times only while these do not go back.
        assert [s for s in said if not (self.went_back and s.startswith("I18"))] == []

    def teardown(self) -> None:
        try:
            if self.hands:
                self._come_to_the_end()
        finally:
            for hand in self.hands:
                hand.die()
            self.atomic.__exit__(ValueError, ValueError(), None)

    def _come_to_the_end(self) -> None:
        self.vendors.listing, self.vendors.download = "complete", "ok"
        self.listing_catches_up()
        Batch.objects.update(paused_at=None)
        Budget.objects.update(cap_micro=10**9)
        for _ in range(ROUNDS_TO_THE_END):
            if self._is_over():
                break
            self._one_good_round()
        left = list(Step.objects.exclude(state__in=TERMINAL).values("stage", "state", "reason", "message"))
        assert self._is_over(), left
        self.everything_holds()
        books = self.vendors.books()
        assert [*at_rest.every_attempt_is_closed(), *at_rest.books_are_equal(books)] == []
        assert [*at_rest.finished_jobs_are_used(books), *at_rest.pages_say_the_same()] == []

    def _one_good_round(self) -> None:
        Provider.objects.filter(paused=True).update(paused=False)
        for job in self.vendors.jobs.values():
            job.state = "succeeded" if job.state in ("running", "odd") else job.state
        for hand in self.hands:
            hand.keep_house()
            self.one_round(self.hands.index(hand))
        for step in Step.objects.filter(state=State.ATTENTION).select_related("provider"):
            self._decide(step)
        for asset in Asset.objects.filter(verdict=Verdict.FLAGGED, current=True):
            raise AssertionError(f"{asset.kind} {asset.pk} was flagged: {asset.inspection}")
        self.clock.pass_s(61.0)

    def _is_over(self) -> bool:
        open_ = Step.objects.exclude(state__in=TERMINAL).exists()
        return not open_ and not Video.objects.filter(needs_advance=True).exists()


@pytest.fixture
def world(db, monkeypatch, tmp_path, settings):
    """Vendors, their rows, and a clock for everything that asks for the time."""
    settings.DATA_DIR, settings.MEDIA_ROOT = tmp_path, tmp_path / "media"
    settings.LOCK_ROOT, settings.WORK_ROOT = tmp_path / "locks", tmp_path / "work"
    for folder in (settings.MEDIA_ROOT, settings.LOCK_ROOT, settings.WORK_ROOT):
        folder.mkdir()
    settings.MIN_FREE_BYTES = 0
    settings.DRIVE_TIMEOUT_S = 0  # who stands still is stuck, and what it brings afterwards comes late
    clock = Clock()
    Engine.clock, Engine.vendors = clock, MemoryVendors(clock.now)
    monkeypatch.setattr(engine_clock, "now_utc", clock.now)
    monkeypatch.setattr(calls, "sleep", lambda seconds: clock.pass_s(max(seconds, 0.001)))
    monkeypatch.setattr(calls, "_refused", {})
    monkeypatch.setattr(downloads, "store", _store_of(Engine.vendors, downloads.store))
    monkeypatch.setattr(suspects, "LOOK_EVERY_S", -1.0)
    monkeypatch.setattr(housekeeping, "RECOVER_EVERY_S", -1.0)
    monkeypatch.setattr(housekeeping, "close_old_connections", lambda: None)  # an example is one transaction
    history.install()
    for adapter in ADAPTERS:
        adapter.vendors = Engine.vendors
        registry.register(adapter)
        a_provider(adapter.slug, "script moderation", micro=adapter.price)
    Price.objects.update(valid_from=LONG_AGO)
    Lane.objects.filter(provider__slug="sim_memlist").update(max_in_flight=3)
    yield
    for adapter in ADAPTERS:
        registry._extra.pop(adapter.slug, None)


def _store_of(vendors: MemoryVendors, store):
    """Downloads that come from memory, or do not."""

    def from_memory(output, **values):
        if not output.url:
            return store(output, **values)
        if vendors.download == "cut":
            raise downloads.DownloadError("It broke off.", retry=True)
        if vendors.download == "expired":
            raise downloads.DownloadError("The link no longer works.", retry=True, expired=True)
        if vendors.download == "full":
            raise downloads.DiskFull("The disk is full.")
        job = vendors.jobs[output.url.rpartition("/")[2]]
        return store(Output(content=content_of(job.request), media_type=output.media_type), **values)

    return from_memory


def explored(examples: int, steps: int):
    return settings(
        phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking rows and files takes far longer than reading
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


@pytest.mark.slow
def test_whatever_happens_in_whatever_order_everything_holds(world):
    run_state_machine_as_test(Engine, settings=explored(4, 30))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_at_length_everything_holds(world, part):
    """A night of it: VIDBATCH_TEST_EXAMPLES=5000 VIDBATCH_TEST_STEPS=120. Steps take far longer on PostgreSQL."""
    usual = 48 if connection.vendor == "sqlite" else 12
    examples = int(os.environ.get("VIDBATCH_TEST_EXAMPLES") or usual)
    steps = int(os.environ.get("VIDBATCH_TEST_STEPS") or 60)
    number = int(os.environ.get("VIDBATCH_TEST_SEED") or secrets.randbelow(10**6))
    print(f"again: VIDBATCH_TEST_SEED={number}")
    walks = seed(PARTS * number + part)(type("Walks", (Engine,), {}))
    run_state_machine_as_test(walks, settings=explored(-(-examples // PARTS), steps))


@pytest.mark.slow
@pytest.mark.parametrize("is_decided_first", [False, True], ids=["decided later", "decided first"])
@pytest.mark.parametrize("state", ["failed", "moderated"])
def test_what_fails_after_its_answer_was_lost_is_booked_as_it_is_billed(world, state, is_decided_first):
    engine = Engine()
    engine.launch(topics=1, moderation=False, by_link=False)
    try:
        engine.claim(who=0)
        for _ in ADAPTERS:
            engine.call(who=0, which=0, fault="read_timeout")
        engine.book(who=0)
        assert {job.vendor for job in engine.vendors.jobs.values()} == {adapter.name for adapter in ADAPTERS}
        if is_decided_first:
            engine.person_decides(which=0)
        for _ in ADAPTERS:
            engine.job_goes_on(which=0, state=state)
        engine.everything_holds()
    finally:
        engine.teardown()


def test_the_clock_of_the_machine_is_the_one_of_the_engine(world):
    Engine.clock.pass_s(100)
    assert engine_clock.now_utc() == Engine.clock.now()
    assert Engine.clock.now() - timedelta(seconds=100) == Clock().now()
