"""Answers that could not be booked: kept on the disk, read back whole, booked before anything is concluded."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine import late, recovery, spill, worker
from jobs.engine.calls import Stored
from jobs.engine.spill import Spill
from jobs.models import Attempt, LedgerEntry, Notice, RiskPolicy, Step, Worker
from jobs.states import Reason, State
from providers import exceptions, registry
from providers.types import Failed
from tests.invariants import assert_invariants
from tests.simulator_adapter import URL_VARIABLE

from .listed_vendor import PRICE, Blind, Listed, answered, claimed, concluded_unsent, lost, of_listed

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.django_db(transaction=True)]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LINKS = ({"url": "https://x/y", "media_type": "application/json", "role": ""},)
DRIVE = """
import django; django.setup()
from tests.simulator_adapter import register_all; register_all()
from jobs.engine.drive import Drive; Drive("generation", slice_s=20).run()
"""


@pytest.fixture(params=[Listed])
def vendor(request):
    registry.register(request.param)
    yield request.param
    registry._extra.pop("listed", None)
    for path in spill.folder().glob("*"):
        path.unlink()


def kept_by_a_dead_one(*answers) -> Spill:
    """A file whose worker's lock nobody holds."""
    file = Spill(str(uuid.uuid4()))
    keep(file, *answers)
    file.close()
    return file


def keep(file: Spill, *answers) -> None:
    for answer in answers:
        file.arrived(answer)
    file.keep()


@pytest.mark.parametrize(
    "what",
    [
        {"accepted_id": "job-1", "on_wire_at": NOW},
        {"accepted_id": "job-1", "links": LINKS, "units": {"seconds": 5}},
        {"files": (Stored(name="a/b", sha256="x", size=3, media_type="text/plain", role="srt"),)},
        {"failed": Failed(reason="could not", moderated=True, billed=True, units={"calls": 1})},
        {"failed": Failed(reason="could not", out_of_credit=True)},
    ],
)
def test_what_is_kept_is_read_back_whole(vendor, what):
    of_listed()
    [ticket] = claimed(NOW)
    answer = answered(ticket, NOW, **what)
    [back] = spill.read(kept_by_a_dead_one(answer).path)
    for name in ("accepted_id", "links", "files", "units", "failed", "on_wire_at", "ended_at", "error"):
        assert getattr(back, name) == getattr(answer, name), name
    assert (back.ticket.step_id, back.ticket.fence) == (ticket.step_id, ticket.fence)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.Rejected("No.", moderated=True, http_status=422),
        exceptions.RateLimited("Slow down.", http_status=429),
        exceptions.NotSent("Not there."),
        exceptions.HeldBack("Too late."),
        exceptions.Unknown("No answer.", http_status=502),
        exceptions.Unauthorised("Who?", http_status=401),
        exceptions.OutOfCredit("Pay.", http_status=402),
    ],
)
def test_an_error_comes_back_as_what_it_was(vendor, error):
    of_listed()
    [ticket] = claimed(NOW)
    [back] = spill.read(kept_by_a_dead_one(answered(ticket, NOW, error=error)).path)
    assert type(back.error) is type(error)
    assert (back.error.message, back.error.http_status) == (error.message, error.http_status)
    assert getattr(back.error, "moderated", None) == getattr(error, "moderated", None)


def test_an_answer_is_kept_in_room_that_was_taken_before_the_disk_was_full(vendor):
    of_listed()
    [ticket] = claimed(NOW)
    file = Spill("a")
    size = file.path.stat().st_size
    keep(file, answered(ticket, NOW, accepted_id="job-1"))
    keep(file, answered(ticket, NOW, accepted_id="job-1"))  # once only
    assert file.path.stat().st_size == size == spill.RESERVED
    assert len(spill.read(file.path)) == 1
    file.booked([answered(ticket, NOW)])
    assert spill.read(file.path) == []
    file.close()
    assert not file.path.exists()


def test_a_line_that_was_cut_off_takes_no_other_with_it(vendor):
    of_listed("Bread", "Bees")
    first, second = claimed(NOW)
    file = kept_by_a_dead_one(answered(first, NOW, accepted_id="1"), answered(second, NOW, accepted_id="2"))
    content = file.path.read_bytes().rstrip(b"\0")
    file.path.write_bytes(content[:-20] + b"\0" * 500)
    assert [answer.accepted_id for answer in spill.read(file.path)] == ["1"]


def test_a_disk_that_refuses_is_endured(vendor, monkeypatch):
    of_listed("Bread", "Bees")
    first, second = claimed(NOW)
    file, fsync = Spill("a"), spill.os.fsync

    def full(_):
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(spill.os, "fsync", full)
    keep(file, answered(first, NOW, accepted_id="1"))
    assert file.kept == set()
    monkeypatch.setattr(spill.os, "fsync", fsync)
    keep(file, answered(second, NOW, accepted_id="2"))
    assert [answer.accepted_id for answer in spill.read(file.path)] == ["1", "2"]
    file.close()


def test_what_is_not_booked_after_a_second_is_kept_though_nothing_failed(vendor, monkeypatch):
    monkeypatch.setattr(spill, "HANGS_S", 0.05)
    of_listed("Bread", "Bees")
    first, second = claimed(NOW)
    file = Spill("a")
    file.arrived(answered(first, NOW, accepted_id="1"))
    file.arrived(answered(second, NOW, accepted_id="2"))
    file.booked([answered(second, NOW)])
    until(lambda: spill.read(file.path))
    assert [answer.accepted_id for answer in spill.read(file.path)] == ["1"]
    file.booked([answered(first, NOW)])
    file.close()
    assert not file.path.exists()


def until(what, *, within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_where_no_file_can_be_made_the_drive_goes_on_without(vendor, monkeypatch):
    monkeypatch.setattr(spill, "folder", lambda: spill.Path("/proc/nowhere"))
    of_listed()
    [ticket] = claimed(NOW)
    file = Spill("a")
    keep(file, answered(ticket, NOW, accepted_id="1"))
    file.booked([answered(ticket, NOW)])
    file.close()


# -- recovery reads it first -------------------------------------------------------------------------------------------


def test_recovery_books_what_the_dead_kept_before_it_takes_their_answers_for_lost(vendor):
    of_listed("Bread", "Bees")
    dead = worker.enlist("generation", NOW)
    first, _ = claimed(NOW, by=dead)
    worker.release(str(dead.pk))
    file = Spill(str(dead.pk))
    keep(file, answered(first, NOW, accepted_id="job-1"))
    file.close()
    me = worker.enlist("generation", NOW)
    recovery.recover(me, NOW)
    states = dict(Step.objects.values_list("pk", "state"))
    assert sorted(states.values()) == [State.RUNNING, State.UNKNOWN]
    assert states[first.step_id] == State.RUNNING
    assert (Attempt.objects.get(pk=first.attempt_id).external_id, file.path.exists()) == ("job-1", False)
    assert_invariants(files=False, now=NOW)
    worker.let_go(str(me.pk))


def test_what_a_living_worker_keeps_is_its_own(vendor):
    of_listed()
    living = worker.enlist("generation", NOW)
    [ticket] = claimed(NOW, by=living)
    file = Spill(str(living.pk))
    keep(file, answered(ticket, NOW, accepted_id="job-1"))
    assert late.book_spilled(NOW) == 0
    file.close()
    assert Step.objects.get().state == State.CLAIMED
    worker.let_go(str(living.pk))
    assert late.book_spilled(NOW) == 1
    assert Step.objects.get().state == State.RUNNING


def test_what_is_booked_already_changes_nothing_a_second_time(vendor):
    of_listed()
    [ticket] = claimed(NOW)
    answer = answered(ticket, NOW, accepted_id="job-1")
    for _ in range(2):
        kept_by_a_dead_one(answer)
        late.book_spilled(NOW)
    assert Step.objects.get().state == State.RUNNING
    assert LedgerEntry.objects.count() == 1
    assert not Notice.objects.exists()


def test_an_answer_that_cannot_be_booked_harms_only_its_own_step(vendor):
    of_listed("Bread", "Bees", "Boats")
    first, second, third = claimed(NOW)
    told = [(first, "job-1"), (second, "job-1"), (third, "job-3")]  # two jobs of one name
    file = kept_by_a_dead_one(*(answered(ticket, NOW, accepted_id=name) for ticket, name in told))
    me = worker.enlist("generation", NOW)
    for _ in range(2):
        recovery.recover(me, NOW)
    worker.let_go(str(me.pk))
    steps = Step.objects.in_bulk()
    assert [steps[ticket.step_id].state for ticket, _ in told] == [State.RUNNING, State.ATTENTION, State.RUNNING]
    assert steps[second.step_id].reason == Reason.DECISION
    assert (file.path.exists(), file.path.with_suffix(".bad").exists()) == (False, True)
    assert [a.ticket for a in spill.read(file.path.with_suffix(".bad"))][1].attempt_id == second.attempt_id
    assert_invariants(files=False, now=NOW)


# -- something was concluded meanwhile ---------------------------------------------------------------------------------

LOST = [(State.UNKNOWN, ""), (State.ATTENTION, Reason.DECISION)]


@pytest.mark.parametrize(("state", "reason"), LOST)
@pytest.mark.parametrize(
    ("what", "becomes"),
    [
        ({"accepted_id": "job-1"}, State.RUNNING),
        ({"links": LINKS, "units": {"calls": 1}}, State.FETCHING),
        ({"error": exceptions.NotSent("Not there.")}, State.READY),
        ({"error": exceptions.RateLimited("Slow down.")}, State.READY),
        ({"error": exceptions.Rejected("No.")}, State.ATTENTION),
        ({"error": exceptions.Unknown("No answer.")}, None),
        ({"failed": Failed(reason="could not")}, State.READY),
    ],
)
def test_an_answer_that_was_taken_for_lost_is_taken_when_it_turns_up(vendor, state, reason, what, becomes):
    of_listed()
    [ticket] = claimed(NOW)
    lost(NOW, ticket, state=state, reason=reason)
    late.settle_late(answered(ticket, NOW, **what), NOW)
    step = Step.objects.get()
    assert step.state == (becomes or state)
    if isinstance(what.get("error"), exceptions.Rejected):
        assert step.reason == Reason.REJECTED
    elif becomes:
        assert (step.reason, step.message) == ("", "")
    assert_invariants(files=False, now=NOW)


@pytest.mark.parametrize(
    ("what", "micro"),
    [
        ({"accepted_id": "job-1"}, PRICE),
        ({"failed": Failed(reason="x", billed=True)}, PRICE),
        ({"links": LINKS}, PRICE),
    ],
)
def test_a_job_of_an_attempt_that_was_taken_for_unsent_is_booked_once_and_told(vendor, what, micro):
    of_listed()
    [ticket] = claimed(NOW)
    attempt = lost(NOW, ticket)
    concluded_unsent(NOW, attempt)
    for _ in range(2):
        late.settle_late(answered(ticket, NOW, **what), NOW)
    [orphan] = LedgerEntry.objects.filter(kind="orphan")
    assert (orphan.attempt_id, orphan.spent_micro) == (attempt.pk, micro)
    assert "not sent" in Notice.objects.get().text
    assert Step.objects.get().state == State.READY
    assert_invariants(files=False, now=NOW)


def test_a_failure_that_is_not_billed_leaves_no_orphan(vendor):
    of_listed()
    [ticket] = claimed(NOW)
    concluded_unsent(NOW, lost(NOW, ticket))
    late.settle_late(answered(ticket, NOW, failed=Failed(reason="could not")), NOW)
    assert not LedgerEntry.objects.filter(kind="orphan").exists()


# -- a real kill -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("points", ["before_settle=busy;after_spill=kill", "before_settle=busy;after_settle=kill"])
def test_a_kill_while_the_database_is_away_loses_no_answer(scene, child_environment, points):
    provider = scene.vendor("instant")  # nobody could say what became of a lost answer
    scene.batch("Bread", provider=provider)
    variables = {**child_environment, URL_VARIABLE: scene.sim.url, "VIDBATCH_FAILPOINTS": points}
    child = subprocess.Popen([sys.executable, "-c", DRIVE], env=variables)
    assert child.wait(40) == -signal.SIGKILL
    scene.drive_until(lambda: not Step.objects.exclude(state=State.DONE).exists())
    assert len(scene.books()["bills"]) == 1
    assert [*spill.folder().glob("*.jsonl")] == [spill.folder() / f"{scene.drives[0].worker.pk}.jsonl"]
    scene.check()
    assert not [*spill.folder().glob("*.jsonl")]


@pytest.mark.slow
def test_a_kill_while_the_database_hangs_loses_no_answer(scene, child_environment):
    scene.batch("Bread", provider=scene.vendor("instant"))
    variables = {**child_environment, URL_VARIABLE: scene.sim.url, "VIDBATCH_FAILPOINTS": "before_settle=sleep+60"}
    child = subprocess.Popen([sys.executable, "-c", DRIVE], env=variables)
    until(lambda: any(spill.read(path) for path in spill.folder().glob("*.jsonl")), within_s=30)
    child.kill()
    child.wait()
    scene.drive_until(lambda: not Step.objects.exclude(state=State.DONE).exists())
    assert len(scene.books()["bills"]) == 1
    scene.check()


# -- quiet periods -----------------------------------------------------------------------------------------------------


def elsewhere() -> Worker:
    return Worker.objects.create(role="generation", host="vm:another", boot_id="x", pid=1)


def recovered_at(seconds_after_lease: float) -> str:
    lease = Step.objects.get().lease_until
    me = worker.enlist("generation", NOW)
    recovery.recover(me, lease + timedelta(seconds=seconds_after_lease))
    worker.let_go(str(me.pk))
    return Step.objects.get().state


@pytest.mark.parametrize(
    ("vendor", "becomes"), [(Listed, State.UNKNOWN), (Blind, State.ATTENTION)], indirect=["vendor"]
)
def test_a_paid_call_of_another_machine_is_concluded_only_after_the_quiet_period(vendor, becomes):
    RiskPolicy.objects.create(per_call_micro=0)
    of_listed()
    claimed(NOW, by=elsewhere())
    quiet_s = recovery.quiet_period("listed", "script").total_seconds()
    assert quiet_s == 60 + 5 + 300  # the adapter's deadline, the lag of its listing, two clocks
    assert recovered_at(quiet_s - 1) == State.CLAIMED
    assert recovered_at(quiet_s + 1) == becomes


@pytest.mark.parametrize("state", [State.FETCHING, State.CHECKING])
def test_what_costs_nothing_is_taken_up_as_soon_as_the_lease_is_over(vendor, state):
    of_listed()
    Step.objects.update(state=state, owner=elsewhere().pk, lease_until=NOW)
    assert recovered_at(9) == state
    assert Step.objects.get().owner is not None
    recovered_at(11)
    assert Step.objects.get().owner is None


@pytest.mark.parametrize("state", [State.CLAIMED, State.FETCHING, State.CHECKING])
def test_nothing_is_taken_from_a_process_here_that_lives_however_far_the_clock_leaps(vendor, state):
    of_listed()
    living = worker.enlist("generation", NOW)
    claimed(NOW, by=living)
    Step.objects.update(state=state)
    assert recovered_at(86_400) == state
    assert recovery.recover(living, NOW + timedelta(days=1)) == 0
    assert (Step.objects.get().owner, Step.objects.get().crash_count) == (living.pk, 1)
    worker.release(str(living.pk))
    recovered_at(-50)  # its lock proves its death: at once
    assert Step.objects.get().owner is None


def test_one_that_is_older_than_any_drive_becomes_is_stuck_and_is_given_the_quiet_period(vendor, settings):
    of_listed()
    stuck = worker.enlist("generation", NOW)
    claimed(NOW, by=stuck)
    settings.DRIVE_TIMEOUT_S = 0
    quiet_s = recovery.quiet_period("listed", "script").total_seconds()
    assert recovered_at(quiet_s - 1) == State.CLAIMED
    assert recovered_at(quiet_s + 1) == State.UNKNOWN
    worker.let_go(str(stuck.pk))


def test_one_whose_age_stands_nowhere_is_judged_by_its_lease(vendor):
    """There was no room on the disk to write it down."""
    of_listed()
    living = worker.enlist("generation", NOW)
    claimed(NOW, by=living)
    assert 0 <= worker.age_s(str(living.pk)) < 60
    worker.lock_path(str(living.pk)).write_text("")
    assert worker.age_s(str(living.pk)) == worker.age_s("nobody") == float("inf")
    assert recovered_at(3600) == State.UNKNOWN
    worker.let_go(str(living.pk))


def test_a_machine_that_was_started_anew_has_none_of_its_old_processes(vendor):
    of_listed()
    before = worker.enlist("generation", NOW)
    Worker.objects.filter(pk=before.pk).update(boot_id="an earlier boot")
    claimed(NOW, by=before)
    assert recovered_at(-50) == State.UNKNOWN
    worker.let_go(str(before.pk))


def test_of_a_worker_whose_row_is_gone_and_who_was_never_here_nothing_is_known(vendor):
    of_listed()
    other = elsewhere()
    claimed(NOW, by=other)
    other.delete()
    assert recovered_at(-50) == State.CLAIMED
