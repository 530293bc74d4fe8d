"""Webhooks of a vendor in another process, through the site's own view, to a drive in this one."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import drive as drive_module
from jobs.engine import hooks, polling, settle
from jobs.engine.pool import Pool
from jobs.models import Attempt, LedgerEntry, Step
from jobs.states import State
from providers import callbacks
from providers.models import Lane, WebhookEvent
from providers.signals import webhook_arrived
from tests.simulator_adapter import SimHooks, SimJobs

pytestmark = [pytest.mark.slow, pytest.mark.engine]
SLOW = pytest.mark.slow
OTHER_FAULTS = [pytest.param(f, marks=SLOW) for f in ("reversed", "replayed", "huge", "unknown_job", "unsigned")]
SECRET = "whsec_" + base64.b64encode(b"what only both of us know").decode()
CALM = {"hook_events": "over", "hook_delay_s": [0, 0], "hook_gap_s": 0.2, "hook_tries": 3}


@pytest.fixture
def hooked(scene, live_server, settings, monkeypatch):
    settings.PUBLIC_URL = live_server.url
    monkeypatch.setenv("SIM_HOOKS_SECRET", f"another {SECRET}")
    return scene


def all_done():
    return not Step.objects.exclude(state__in=(State.DONE, State.CANCELLED)).exists()


def ran_for(seconds: float, count: int = 30) -> None:
    """So long jobs took that are known of."""
    Lane.objects.update(durations={"one/0": [seconds + n / 100 for n in range(count)]}, slowest_s=seconds)


def polls(scene) -> int:
    return sum(row["method"] == "GET" and "files" not in row["path"] for row in scene.books()["requests"])


def a_running_step(scene, **vendor) -> Step:
    provider = scene.vendor("hooks", latency_s=[30, 30], **vendor)
    ran_for(40.0)
    scene.batch(provider=provider)
    scene.drive_until(lambda: Step.objects.filter(state=State.RUNNING).exists())
    return Step.objects.get()


def say(*, external_id: str = "", tag: str = "", at: datetime | None = None) -> WebhookEvent:
    event = WebhookEvent.objects.create(
        provider=Step.objects.get().provider,
        webhook_id=f"{external_id}{tag}{at}",
        external_id=external_id,
        tag=tag,
        received_at=at or datetime.now(UTC),
    )
    webhook_arrived.send(sender=WebhookEvent, event=event)
    return event


def test_with_webhooks_two_polls_a_job_are_enough(hooked):
    provider = hooked.vendor("hooks", latency_s=[0.4, 0.8], **CALM)
    ran_for(8.0)
    hooked.batch(*"abcdef", provider=provider)
    hooked.drive_until(all_done)
    assert polls(hooked) <= 12
    assert WebhookEvent.objects.filter(external_id__in=Attempt.objects.values("external_id")).count() == 6
    hooked.check()


@pytest.mark.parametrize("fault", ["doubled", "forged", *OTHER_FAULTS])
def test_whatever_webhooks_say_each_job_is_booked_once_and_by_the_vendors_own_word(hooked, fault):
    control = {**CALM, "hook_events": "all", "replay_s": 0.2, "hook_hold_s": 1.0}
    provider = hooked.vendor("hooks", latency_s=[0.4, 0.8], **control)
    hooked.sim.control("hooks", hook_rates={fault: 1.0})
    ran_for(2.0)
    hooked.batch(*"abc", provider=provider)
    hooked.drive_until(all_done)
    assert LedgerEntry.objects.filter(kind="settle", spent_micro=1000).count() == 3
    assert Attempt.objects.count() == 3
    hooked.check()


def test_with_all_webhooks_lost_everything_is_done_all_the_same(hooked):
    provider = hooked.vendor("hooks", latency_s=[0.3, 0.5], **CALM)
    hooked.sim.control("hooks", hook_rates={"lost": 1.0})
    ran_for(1.0)
    hooked.batch(*"abcdef", provider=provider)
    hooked.drive_until(all_done)
    assert not WebhookEvent.objects.filter(external_id__in=Attempt.objects.values("external_id")).exists()
    assert Lane.objects.get().hooks_missed >= polling.HOOKS_TO_MISS
    hooked.check()


def test_a_vendor_that_signs_nothing_calls_an_address_of_each_job(hooked, monkeypatch):
    monkeypatch.delenv("SIM_HOOKS_SECRET")
    provider = hooked.vendor("hooks", latency_s=[0.4, 0.6], **CALM)
    ran_for(8.0)
    hooked.batch("a", "b", provider=provider)
    hooked.drive_until(all_done)
    assert set(Attempt.objects.values_list("tag")) <= set(WebhookEvent.objects.values_list("tag"))
    assert polls(hooked) <= 4
    hooked.check()


def test_a_webhook_before_the_answer_to_the_submit_is_remembered(hooked, monkeypatch):
    provider = hooked.vendor("hooks", latency_s=[0.2, 0.2])
    ran_for(30.0)
    submit = SimHooks.submit

    def slowly(self, request):
        accepted = submit(self, request)
        end = time.monotonic() + 10
        while not any(
            told["answer"] and told["job"] == accepted.external_id for told in hooked.sim.summary("hooks")["webhooks"]
        ):
            assert time.monotonic() < end
        return accepted

    monkeypatch.setattr(SimHooks, "submit", slowly)
    hooked.batch(provider=provider)
    hooked.drive_until(all_done)
    hooked.check()


def test_a_webhook_while_the_answer_to_the_submit_is_booked_is_seen_afterwards(hooked, monkeypatch):
    provider = hooked.vendor("hooks", latency_s=[0.2, 0.2], hook_rates={"lost": 1.0})
    ran_for(30.0)
    book = settle.Settlement.write

    def told_meanwhile(settlement):
        if not WebhookEvent.objects.exists():
            say(tag=Attempt.objects.get().tag)  # its job is not running yet: nothing to make due
        book(settlement)

    monkeypatch.setattr(settle.Settlement, "write", told_meanwhile)
    hooked.batch(provider=provider)
    hooked.drive_until(all_done)
    hooked.check()


def test_a_webhook_only_makes_the_poll_due(hooked):
    step = a_running_step(hooked)
    before = Attempt.objects.values().get()
    assert step.not_before > datetime.now(UTC) + timedelta(seconds=20)
    event = say(external_id=Attempt.objects.get().external_id)
    after = Step.objects.get()
    assert after.not_before == event.received_at
    assert (after.state, after.fence) == (step.state, step.fence)
    assert Attempt.objects.values().get() == before


def test_it_may_name_the_attempt_by_its_address(hooked):
    a_running_step(hooked)
    event = say(tag=Attempt.objects.get().tag)
    assert Step.objects.get().not_before == event.received_at


@pytest.mark.parametrize("state", [s for s in State if s not in (State.RUNNING, State.UNKNOWN)])
def test_of_a_step_that_does_not_run_nothing_changes(hooked, state):
    a_running_step(hooked)
    Step.objects.update(state=state)
    before = Step.objects.values().get()
    say(external_id=Attempt.objects.get().external_id)
    assert Step.objects.values().get() == before
    Step.objects.update(state=State.RUNNING)


def test_of_a_job_that_is_over_or_unknown_nothing_changes(hooked):
    a_running_step(hooked)
    before = Step.objects.values().get()
    say(external_id="nobody-knows-it")
    say(tag="nor-this")
    Attempt.objects.update(ended_at=datetime.now(UTC))
    say(external_id=Attempt.objects.get().external_id)
    assert Step.objects.values().get() == before
    Attempt.objects.update(ended_at=None)


def test_the_job_of_another_vendor_with_the_same_name_is_not_meant(hooked):
    a_running_step(hooked)
    before = Step.objects.values().get()
    job = Attempt.objects.get().external_id
    other = hooked.vendor("jobs")
    event = WebhookEvent.objects.create(provider=other, webhook_id="x", external_id=job)
    webhook_arrived.send(sender=WebhookEvent, event=event)
    assert Step.objects.values().get() == before


def test_a_webhook_puts_no_poll_off(hooked):
    a_running_step(hooked)
    long_ago = datetime.now(UTC) - timedelta(seconds=9)
    Step.objects.update(not_before=long_ago)
    say(external_id=Attempt.objects.get().external_id)
    assert Step.objects.get().not_before == long_ago


def test_after_one_that_came_too_early_the_job_is_asked_again_soon_but_not_at_every_step(hooked):
    a_running_step(hooked)
    say(external_id=Attempt.objects.get().external_id)
    hooked.drive_until(lambda: Step.objects.get().not_before > datetime.now(UTC))
    wait_s = (Step.objects.get().not_before - datetime.now(UTC)).total_seconds()
    assert 1 < wait_s < 10


def test_when_webhooks_come_again_they_are_trusted_again(hooked):
    a_running_step(hooked)
    Lane.objects.update(hooks_missed=9)
    say(external_id=Attempt.objects.get().external_id)
    assert Lane.objects.get().hooks_missed == 0


def test_a_drive_that_naps_sees_one_soon(hooked, monkeypatch):
    a_running_step(hooked)
    monkeypatch.setattr(drive_module, "LOOK_EVERY_S", 30.0)
    monkeypatch.setattr(drive_module, "NEWS_EVERY_S", 30.0)
    drive = drive_module.Drive("generation", slice_s=60)
    hooked.drives.append(drive)
    gather, job = Pool.gather, Attempt.objects.get().external_id

    def meanwhile(self, timeout_s: float):
        if not WebhookEvent.objects.filter(external_id=job).exists():
            say(external_id=job)
        return gather(self, timeout_s)

    monkeypatch.setattr(Pool, "gather", meanwhile)
    began = time.monotonic()
    assert drive._wait(busy=False) == {}
    assert time.monotonic() - began < 5


def test_without_an_address_of_ours_or_of_theirs_nothing_is_expected(settings):
    settings.PUBLIC_URL = "https://videos.example.org"
    assert callbacks.expected(SimHooks)
    assert not callbacks.expected(SimJobs)
    assert not hooks.is_expected("nobody")
    settings.PUBLIC_URL = ""
    assert not callbacks.expected(SimHooks)
