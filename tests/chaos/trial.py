"""One trial: a batch, a storm, then calm; the end must be reached, and everything must hold."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connections

from jobs.engine import worker
from jobs.launch import create_batch
from jobs.models import Attempt, Batch, Decision, Project, Step
from jobs.settings_types import BatchSettings, TopicRow
from jobs.states import OWNED
from providers.models import Offer, Price
from tests import invariants
from tests.chaos import at_rest, bugs, history, pace, weather
from tests.chaos import ground as grounds
from tests.chaos.crew import Crew
from tests.chaos.ground import CANARY, PRICES, Ground
from tests.chaos.person import Person, is_over
from tests.chaos.plan import Plan, order_of
from tests.chaos.storm import Storm
from tests.simulator.process import Simulator

T = TypeVar("T")
CALM_LIMIT_S = 25.0  # on a machine that has nothing else to do
PASS_LIMIT_S = 8.0
OWNED_LIMIT_S = 7.0
LAST_CALLS_S = 0.8  # what was stopped goes on and comes to its end before a person decides
ROUND_S = 0.05
CALM = {"calm": True, "latency_s": [1.0, 5.0], "queue_s": [0.0, 0.0], "list_lag_s": 0.0}
TROUBLE = re.compile(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(\S.*)$", re.M)
PASSED = re.compile(r"failpoint (\w+): ")
EXPECTED = re.compile(  # an outage of the database, of the vendor, or a disturbance of ours
    r"OperationalError|InterfaceError|AdminShutdown|CrashShutdown|CannotConnectNow|Disturbed|no room on purpose"
)


@dataclass(slots=True)
class Result:
    name: str
    violations: list[str]
    wall_s: float
    log: list[str] = field(default_factory=list)
    counts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Trial:
    def __init__(self, plan: Plan, prepared: str, root: Path, *, bug: str = "") -> None:
        self.plan, self.bug = plan, bug
        self.chance = Random(f"during {plan.name}")
        self.folder = root / plan.name
        self.folder.mkdir(parents=True)
        self.simulator = Simulator(self.folder / "books.sqlite", scale=pace.SCALE, seed=self.chance.randrange(10**6))
        name = "t" + re.sub(r"\W", "_", plan.name).lower()
        database = grounds.copy(prepared, name, self.folder)
        self.ground = Ground(
            folder=self.folder, database=database, simulator_url=self.simulator.url, is_free=plan.is_free
        )
        self.broken: list[str] = []
        self.counts: dict[str, Any] = {}
        self.owned: dict[tuple[int, int], float] = {}  # (step, fence) -> seen so since
        self.stuck: set[int] = set()

    def run(self) -> Result:
        began = time.monotonic()
        self.ground.enter()
        weather.make(self.folder)
        weather.feel(self.folder)
        bugs.plant_here(self.bug)
        self.crew = Crew(self.ground)
        self.crew.new_cluster()
        self.person = Person(self.simulator, self.chance)
        self.storm = Storm(self.ground, self.crew, self.simulator, self.person, self.chance)
        try:
            for phase in (self._launch, self._rage, self._settle_down, self._check):
                since = time.monotonic()
                phase()
                self.counts[phase.__name__.strip("_")] = round(time.monotonic() - since, 1)
        finally:
            self._clear_up()
        return Result(
            self.plan.name,
            self.broken,
            round(time.monotonic() - began, 2),
            self.storm.log,
            {**self.counts, "starts": self.crew.starts, "deaths": self.crew.deaths},
        )

    # -- phases ----------------------------------------------------------------------------------

    def _launch(self) -> None:
        for vendor, control in self.plan.controls.items():
            self.simulator.control(vendor, price_micro=0 if self.plan.is_free else PRICES, **control)
        if self.plan.is_free:
            Price.objects.update(micro=0)
        offers = {
            stage: Offer.objects.get(provider__slug=f"sim_{vendor}", capability=_capability(stage)).pk
            for stage, vendor in self.plan.vendor_of.items()
        }
        self.batch = create_batch(
            Project.objects.get(),
            name=self.plan.name,
            topics=[TopicRow(topic=f"Topic {n} of {self.plan.name}") for n in range(self.plan.topics)],
            settings=BatchSettings(offers=offers, **self.plan.settings),
            by=self.person.user,
            cap_micro=self.plan.cap_micro,
        )
        if self.plan.depth == "stills":  # nobody sells clips: the videos end there
            Offer.objects.filter(capability="clip").update(enabled=False)

    def _rage(self) -> None:
        self._wait_for_work()
        began, events = time.monotonic(), list(self.plan.events)
        while (passed := time.monotonic() - began) < self.plan.storm_s or self._must_go_on(passed):
            while events and events[0].at_s <= passed:
                event = events.pop(0)
                self._stubbornly(lambda event=event: self.storm.strike(event.what, event.how))
            self._stubbornly(self.storm.undo_what_is_due)
            self._keep_crew(storming=True)
            time.sleep(ROUND_S)

    def _wait_for_work(self) -> None:
        """The storm begins when something is being made: on a busy machine that takes a while."""
        end = time.monotonic() + PASS_LIMIT_S * _slack()
        while time.monotonic() < end and not self._stubbornly(Attempt.objects.exists):
            self._keep_crew(storming=True)
            time.sleep(ROUND_S)

    def _must_go_on(self, passed: float) -> bool:
        if not self.plan.must_pass or passed > PASS_LIMIT_S * _slack():
            return False
        return self.plan.must_pass not in self._passed()

    def _passed(self) -> set[str]:
        """The failpoints that drives obeyed."""
        return {place for path in self.folder.glob("log-*") for place in PASSED.findall(path.read_text())}

    def _settle_down(self) -> None:
        """All faults off. What was stopped goes on; then a person looks after it until nothing is left to do."""
        self._stubbornly(self.storm.end)
        for vendor in self.plan.controls:
            self.simulator.control(vendor, **CALM)
        calm_at = time.monotonic()
        while not self._stubbornly(is_over):
            passed = time.monotonic() - calm_at
            if passed > CALM_LIMIT_S * _slack():
                self.broken.append(f"liveness: not over {passed:.0f} s after the storm: {_account()}")
                return
            self.crew.wake(all_of_them=True)
            self._keep_crew(storming=False)
            if passed > LAST_CALLS_S:
                self._stubbornly(self.person.look_after)
            self._stubbornly(self._watch_owners)
            time.sleep(ROUND_S)

    def _watch_owners(self) -> None:
        """What somebody owns comes to its end, or is taken up by somebody else, long before its lease is over."""
        now, recoveries = time.monotonic(), self.crew.recoveries()
        for step, said in history.held_by_the_dead(self.crew.died, recoveries):
            if step not in self.stuck:
                self.stuck.add(step)
                self.broken.append(said)
        owned = set(Step.objects.filter(state__in=OWNED).exclude(owner=None).values_list("pk", "fence"))
        self.owned = {key: self.owned.get(key, now) for key in owned}
        for (step, _), since in self.owned.items():
            if now - since > OWNED_LIMIT_S * _slack() and step not in self.stuck:
                self.stuck.add(step)
                self.broken.append(f"I2 step {step} is owned by one and the same for {now - since:.0f} s")

    def _keep_crew(self, *, storming: bool) -> None:
        """As a supervisor does: a role that nobody drives gets a drive."""
        self.crew.bury()
        self.crew.wake()
        for role, wanted in self.plan.crew.items():
            for _ in range((wanted if storming else 1) - len(self.crew.of(role))):
                self.crew.start(
                    role, slice_s=self._slice(storming), failpoints=self._order(role, storming), bug=self.bug
                )

    def _slice(self, storming: bool) -> float:
        return self.chance.choice((0.4, 1.0, 5.0)) if storming else 5.0

    def _order(self, role: str, storming: bool) -> str:
        if role in self.plan.orders:  # each in turn, to every drive until one has obeyed
            passed = self._passed()
            return next((order for order in self.plan.orders[role] if order.partition("=")[0] not in passed), "")
        if not storming:
            return ""
        return order_of(self.chance, role) if self.chance.random() < self.plan.failpoint_share else ""

    def _check(self) -> None:
        """Once nobody drives any more."""
        for role in self.plan.crew:
            (self.folder / f"stop-{role}").touch()
        end = time.monotonic() + 5
        while self.crew.members and time.monotonic() < end:
            self.crew.wake(all_of_them=True)
            self.crew.bury()
            time.sleep(ROUND_S)
        if self.crew.members:
            self.broken.append(f"liveness: {len(self.crew.members)} drives did not end when they were asked to")
            self.crew.kill_all()
        connections.close_all()
        self.counts |= {"steps": Step.objects.count(), "attempts": Attempt.objects.count()}
        self.broken += self._what_does_not_hold(self.simulator.books())
        if self._must_go_on(0.0):
            self.broken.append(f"the failpoint {self.plan.must_pass} was not reached")
        if any(event.what == "clock" and _goes_back(**event.how) for event in self.plan.events):
            self.broken = [said for said in self.broken if not said.startswith("I18")]  # an order of times

    def _what_does_not_hold(self, books: dict[str, Any]) -> list[str]:
        return [
            *invariants.rows_are_sound(datetime.now(UTC)),
            *(said for said in invariants.money_is_sound() if not said.startswith("I11")),  # knows today's cap only
            *history.caps_were_kept(),
            *invariants.files_are_there(),
            *invariants.billed_once(books),
            *invariants.ledger_is_the_bill(books),
            *at_rest.every_attempt_is_closed(),
            *at_rest.vendors_were_sound(books),
            *at_rest.books_are_equal(books),
            *at_rest.finished_jobs_are_used(books),
            *at_rest.nothing_is_bought_twice(books),
            *at_rest.done_steps_have_one_file(),
            *at_rest.pages_say_the_same(),
            *at_rest.webhooks_are_stored_once(),
            *at_rest.pause_meant_pause(self.storm.pauses),
            *at_rest.secret_is_nowhere(CANARY, self.folder),
            *history.is_sound(),
            *self._logs(),
        ]

    def _logs(self) -> list[str]:
        said = [(path.name, line) for path in self.folder.glob("log-*") for line in TROUBLE.findall(path.read_text())]
        return sorted({f"log {name}: {line[:300]}" for name, line in said if not EXPECTED.search(line)})

    def _clear_up(self) -> None:
        self.crew.kill_all()
        worker.let_go(worker.cluster_lock(self.crew.cluster))
        with suppress(Exception):
            self.simulator.kill()
        self.simulator.http.close()
        connections.close_all()

    def remove(self) -> None:
        grounds.remove(self.ground.database)
        grounds.clear(self.folder)

    def _stubbornly(self, work: Callable[[], T]) -> T:
        """What this process wants of the database, again until the database is there."""
        end = time.monotonic() + 15
        while True:
            try:
                return work()
            except (OperationalError, InterfaceError):
                if time.monotonic() > end:
                    raise
                connections.close_all()
                self.crew.wake()  # one that was stopped may hold the lock that is waited for
                time.sleep(0.1)


def _slack() -> float:
    """A busy machine takes longer."""
    return max(1.0, min(6.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


def _goes_back(by_s: float, back_after_s: float | None) -> bool:
    return by_s < 0 or back_after_s is not None


def _capability(stage: str) -> str:
    return "moderation" if stage.endswith("moderation") else stage


def _account() -> str:
    rows = Step.objects.exclude(state__in=("done", "cancelled")).values_list(
        "pk", "stage", "state", "reason", "message", "crash_count", "failures", "owner"
    )
    batch = Batch.objects.get()
    return f"{list(rows[:6])}, gate {batch.open_gate}, {Decision.objects.count()} decisions"
