"""The engine in this process, a vendor in another: a batch whose videos need a script and then wait for a go."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import requests
from django.contrib.auth.models import User

from jobs.engine import drive as drive_module
from jobs.engine import failures, polling, reconcile
from jobs.engine.drive import Drive
from jobs.models import Attempt, Batch, Chore, RiskPolicy, Step
from jobs.settings_types import BatchSettings
from providers import registry
from providers.models import Offer, Price, Provider
from tests.factories import a_batch, a_provider
from tests.invariants import assert_invariants
from tests.simulator.limits import most_at_once, most_in_a_window
from tests.simulator.process import simulator
from tests.simulator_adapter import SimBulk, SimHooks, SimInstant, SimJobs, SimKeyed, register_all

PRICE = 1000
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ALIVE = ("queued", "running", "percolating")
VENDORS = {"instant": SimInstant, "keyed": SimKeyed, "jobs": SimJobs, "hooks": SimHooks, "bulk": SimBulk}


@pytest.fixture(scope="session")
def one_simulator(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("books") / "books.sqlite", scale=1.0) as running:
        yield running


def end_what_others_left(sim) -> None:
    """A job that an earlier test left stuck would take one of the vendor's places for ever."""
    for bill in sim.books()["bills"]:
        if bill["state"] in ALIVE:
            answer = requests.delete(f"{sim.url}/{bill['vendor']}/v1/jobs/{bill['id']}", timeout=5)
            assert answer.status_code in (200, 409), answer.text  # 409: it has ended by itself since


class Scene:
    """A vendor, its provider rows, and drives of this process."""

    def __init__(self, sim) -> None:
        end_what_others_left(sim)
        self.sim, self.seen, self.drives = sim, {row["id"] for row in sim.books()["requests"]}, []

    def vendor(self, name: str, *, capability: str = "script", **control) -> Provider:
        settings = {"limits": [], "concurrency": 0, "price_micro": PRICE, "latency_s": [0, 0.05], "list_lag_s": 0.0}
        self.sim.control(name, **{"calm": True, "usual": True, **settings, **control})
        provider = a_provider(f"sim_{name}", capability, micro=PRICE)
        Price.objects.update(valid_from=LONG_AGO)
        return provider

    def batch(self, *topics: str, provider: Provider, **values) -> Batch:
        offer = Offer.objects.get(provider=provider, capability="script")
        settings = values.pop("settings", {})
        wanted = {"scenes": 2, "seconds": 8, "script_gate": True, **settings}
        return a_batch(*topics, settings=BatchSettings(offers={"script": offer.pk}, **wanted), **values)

    def drive_until(self, what: Callable[[], object], *, within_s: float = 12.0) -> None:
        """Drives both roles until it is true; fails with what the steps say when it does not become so.

        The limit is there against hanging, no figure of anything: a busy machine has longer.
        """
        self.drives = self.drives or [Drive(role, slice_s=600) for role in ("generation", "media")]
        busy = os.getloadavg()[0] / (os.cpu_count() or 1)
        end = time.monotonic() + within_s * max(1.0, min(4.0, busy))
        while not what():
            assert time.monotonic() < end, [
                (s.state, s.reason, s.message, s.crash_count, s.not_before) for s in Step.objects.all()[:20]
            ]
            for drive in self.drives:
                drive.step_once()

    def close(self) -> None:
        for drive in self.drives:
            drive.close()

    def books(self):
        """Of this test alone: the vendor has seen others, too."""
        books = self.sim.books()
        tags = set(Attempt.objects.values_list("tag", flat=True))
        books["bills"] = [bill for bill in books["bills"] if bill["tag"] in tags]
        books["requests"] = [row for row in books["requests"] if row["id"] not in self.seen]
        for name, facts in books["vendors"].items():
            bills = [bill for bill in books["bills"] if bill["vendor"] == name]
            facts["billed_micro"] = sum(bill["amount_micro"] for bill in bills)
            facts["high_water"] = most_at_once([(bill["accepted_at"], bill["done_at"]) for bill in bills])
            taken = [r["at"] for r in books["requests"] if (r["vendor"], r["verdict"]) == (name, "accepted")]
            for window in facts["windows"]:
                window["most"] = most_in_a_window(taken, window["per_s"])
        return books

    def submits(self) -> list[dict]:
        return [row for row in self.books()["requests"] if row["method"] == "POST"]

    def verdicts(self) -> list[str]:
        return [row["verdict"] for row in self.submits()]

    def check(self) -> None:
        self.close()
        assert_invariants(books=self.books())


@pytest.fixture
def somebody(transactional_db):
    return User.objects.create_user(username="somebody")


@pytest.fixture
def scene(one_simulator, transactional_db, monkeypatch):
    for module, name, seconds in (
        (failures, "LIST_LAG_S", 0.1),
        (reconcile, "LIST_LAG_S", 0.1),
        (failures, "NOT_SENT_PAUSE_S", 0.1),
        (failures, "FAILURE_PAUSE_S", 0.1),
        (polling, "FIRST_GUESS_S", 0.05),
        (polling, "LEAST_STEP_S", 0.05),
        (drive_module, "LOOK_EVERY_S", 0.05),  # the two roles take turns here, and one naps while the other has work
    ):
        monkeypatch.setattr(module, name, seconds)
    register_all(one_simulator.url)
    for name in VENDORS:  # others have jobs in the same simulator: they would be orphans here
        Chore.objects.create(name=f"sweep sim_{name}", done_at=datetime.now(UTC))
    RiskPolicy.objects.create(share_percent=0, without_cap_micro=0, per_call_micro=0)  # a person is always asked
    made = Scene(one_simulator)
    yield made
    made.close()
    for adapter in VENDORS.values():
        registry._extra.pop(adapter.slug, None)
