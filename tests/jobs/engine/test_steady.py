from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

import pytest

from jobs.engine import clock, put_right, taking, worker
from jobs.engine import drive as drive_module
from jobs.engine import steady as steady_module
from jobs.engine.calls import Answer
from jobs.engine.put_right import AGAIN_EVERY_S, AGAIN_FOR, LARGE_S, pull_back
from jobs.engine.steady import AGES_S, Steady
from jobs.models import Attempt, Batch, BulkJob, Chore, ClockJump, Step, Worker
from jobs.states import State
from providers.models import Lane, Offer, Provider, Quota
from tests.factories import a_batch, a_provider
from tests.jobs.metrics_rows import an_attempt

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.django_db]
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def quota(db):
    return Quota.objects.create(provider=a_provider("sim_instant"), amount=5, window_s=10)


@pytest.mark.parametrize("jump_s", [3600.0, -7200.0, 1.5])
def test_a_clock_that_jumps_makes_vendors_wait_for_a_window(quota, jump_s):
    steady = Steady()
    assert not steady.must_wait(NOW, 100.0)
    assert not steady.must_wait(at(1.2), 101.0)  # an everyday correction
    assert steady.must_wait(at(2.2 + jump_s), 102.0)
    assert steady.must_wait(at(12 + jump_s), 111.9)
    assert not steady.must_wait(at(12.3 + jump_s), 112.2)


def test_without_a_window_there_is_nothing_to_wait_for(db):
    steady = Steady()
    assert not steady.must_wait(NOW, 100.0)
    assert not steady.must_wait(at(9000), 101.0)


def test_nobody_waits_longer_than_a_minute(quota):
    Quota.objects.create(provider=quota.provider, amount=5, window_s=86_400)
    Quota.objects.filter(pk=quota.pk).update(window_s=600)
    steady = Steady()
    steady.must_wait(NOW, 100.0)
    assert steady.must_wait(at(9000), 101.0)
    assert not steady.must_wait(at(9060), 161.1)


def test_ages_are_believed_only_once_the_clock_has_gone_evenly_for_a_while(db):
    steady = Steady()
    assert not steady.tells_ages(NOW, 100.0)
    assert not steady.tells_ages(at(AGES_S - 1), 99.0 + AGES_S)
    assert steady.tells_ages(at(AGES_S), 100.0 + AGES_S)


def test_a_drive_believes_ages_for_half_of_its_slice_at_least(db):
    drive = drive_module.Drive("generation", slice_s=40)
    tick = monotonic()
    assert not drive.steady.tells_ages(NOW, tick)
    assert drive.steady.tells_ages(at(20), tick + 20)
    drive.close()


@pytest.mark.parametrize("jump_s", [7200.0, -3600.0])
def test_after_a_jump_ages_are_not_believed_whoever_saw_it(db, jump_s):
    steady = Steady()
    for tick in (0.0, 1000.0):
        steady.must_wait(at(tick), tick)
    steady.must_wait(at(1001 + jump_s), 1001.0)
    assert not steady.tells_ages(at(1300 + jump_s), 1300.0)
    assert steady.tells_ages(at(1301 + jump_s), 1301.0)


def test_a_clock_that_jumps_ahead_ends_no_job(scene, monkeypatch):
    scene.batch("a", "b", provider=scene.vendor("jobs", latency_s=[1.0, 1.2]))
    offset = [0.0]
    monkeypatch.setattr(clock, "now_utc", lambda: datetime.now(UTC) + timedelta(seconds=offset[0]))
    drive = drive_module.Drive("generation", slice_s=60, clock=clock.now_utc)
    scene.drives = [drive, drive_module.Drive("media", slice_s=60)]
    scene.drive_until(lambda: Step.objects.filter(state=State.RUNNING).count() == 2)
    drive.steady = _even_for_long(drive.clock())
    offset[0] = 3 * 3600.0

    def none_runs_any_more():
        """Without the minute that a job of three hours is left alone between two looks."""
        return not Step.objects.filter(state=State.RUNNING).update(not_before=clock.now_utc())

    scene.drive_until(none_runs_any_more)
    assert set(Attempt.objects.values_list("outcome", "cost_micro")) == {("accepted", 1000)}
    assert "DELETE" not in {row["method"] for row in scene.books()["requests"]}
    offset[0] = 0.0


def _even_for_long(now):
    steady = Steady()
    steady.must_wait(now - timedelta(seconds=2 * AGES_S), monotonic() - 2 * AGES_S)
    assert steady.tells_ages(now, monotonic())
    return steady


def test_a_drive_sends_nothing_over_the_quota_when_the_clock_jumps(scene):
    provider = scene.vendor("instant", latency_s=[0.0, 0.01], limits=[{"requests": 2, "per_s": 2.0}])
    Quota.objects.create(provider=provider, amount=2, window_s=2.0)
    scene.batch(*(f"topic {n}" for n in range(4)), provider=provider)
    sleep(2.0)  # what the tests before sent counts no more
    offset = [0.0]
    drive = drive_module.Drive("generation", slice_s=60, clock=lambda: datetime.now(UTC) + timedelta(seconds=offset[0]))
    scene.drives = [drive, drive_module.Drive("media", slice_s=60)]
    scene.drive_until(lambda: Attempt.objects.exclude(ended_at=None).count() == 2)
    offset[0] = 600.0
    scene.drive_until(lambda: Attempt.objects.exclude(ended_at=None).count() == 4)
    assert set(scene.verdicts()) == {"accepted"}
    offset[0] = 0.0


@pytest.mark.parametrize(
    ("model", "moment"),
    [
        (Step, "not_before"),
        (BulkJob, "next_at"),
        (Batch, "gate_opens_at"),
        (Lane, "paused_until"),
        (Lane, "broken_until"),
        (Provider, "paused_until"),
        (Chore, "done_at"),
        (BulkJob, "created_at"),
        (BulkJob, "sent_at"),
        (Attempt, "on_wire_at"),
    ],
)
@pytest.mark.parametrize(("ahead_s", "then_s"), [(7203.0, 3.0), (7190.0, -10.0), (40.0, 40.0), (-5.0, -5.0)])
def test_what_a_clock_wrote_that_was_two_hours_ahead_comes_two_hours_sooner(db, model, moment, ahead_s, then_s):
    batch, offer, lane = a_batch("Why bread rises"), Offer.objects.first(), Lane.objects.first()
    BulkJob.objects.create(batch=batch, provider=lane.provider, lane=lane, offer=offer, capability="image", tag="t")
    Chore.take("look", timedelta(seconds=1), NOW)
    an_attempt(Step.objects.first(), at=NOW, ended_at=None)
    model.objects.update(**{moment: at(ahead_s)})
    put_right.keep(at(7200), 7200.0)
    for _ in range(2):  # by every drive
        pull_back(NOW, timedelta(hours=2))
    assert set(model.objects.values_list(moment, flat=True)) == {at(then_s)}


@pytest.mark.parametrize(("seen_s", "then_s"), [(7200.0, 3.0), (299.0, 7203.0)])
def test_a_drive_that_begins_sees_by_the_others_that_the_clock_was_ahead(db, seen_s, then_s):
    """Two machines may differ by five minutes."""
    a_batch("Why bread rises")
    Step.objects.update(not_before=at(7203))
    here = worker.enlist("generation", at(seen_s))
    worker.let_go(str(here.pk))
    for _ in range(2):
        Steady().look(NOW, 100.0)
    assert set(Step.objects.values_list("not_before", flat=True)) == {at(then_s)}


def test_a_drive_that_saw_it_go_ahead_and_died_left_proof_of_it(db):
    a_batch("Why bread rises")
    here = worker.enlist("generation", NOW)
    dead = Steady(worker=here)
    dead.look(NOW, 100.0)
    dead.look(at(7200), 100.1)
    Step.objects.update(not_before=at(7200))
    worker.let_go(str(here.pk))
    Steady().look(at(1), 101.0)
    assert set(Step.objects.values_list("not_before", flat=True)) == {at(1)}


def test_a_drive_looks_once_more_when_it_ends(db):
    """Its last round was by a clock that was put right before it ended."""
    a_batch("Why bread rises")
    ahead = [0.0, 7200.0]

    def clock():
        return datetime.now(UTC) + timedelta(seconds=ahead[0])

    def put_right():
        drive.steady.look(clock(), monotonic())
        ahead.reverse()
        drive.steady.look(clock(), monotonic())
        Step.objects.update(not_before=clock())
        Worker.objects.update(seen_at=datetime.now(UTC))
        ahead.reverse()

    drive = drive_module.Drive("generation", slice_s=0.0, clock=clock, before_drain=put_right)
    drive.run()
    assert not Step.objects.filter(not_before__gt=datetime.now(UTC)).exists()


def test_what_is_written_after_a_jump_was_noticed_by_an_older_look_at_the_clock_is_pulled_back_too(db):
    """A round looks at the clock where it begins, and notices a jump where it claims or asks."""
    a_batch("Why bread rises")
    steady = Steady()
    steady.look(at(7200), 100.0)
    steady.must_wait(at(1), 101.0)
    steady.tells_ages(at(1), 101.0)
    Step.objects.update(not_before=at(7203))
    for tick in (101.1, 101.2):
        steady.look(at(1.1), tick)
    assert set(Step.objects.values_list("not_before", flat=True)) == {at(3)}


def test_an_answer_that_came_by_a_clock_that_was_put_right_since_came_by_now(scene):
    """The thread of a poll saw the clock when it was ahead; its drive noticed since that it was put right."""
    scene.batch("topic", provider=scene.vendor("jobs", latency_s=[90.0, 90.0]))
    scene.drive_until(lambda: Step.objects.filter(state=State.RUNNING).exists())
    drive = scene.drives[0]
    ahead, now = datetime.now(UTC) + timedelta(hours=2), datetime.now(UTC)
    Step.objects.filter(state=State.RUNNING).update(not_before=now)
    [[ticket]] = taking.due_polls(["sim_jobs"], 9, now)
    drive.booking.book({"poll": [[Answer(ticket=ticket, ended_at=ahead, on_wire_at=ahead, running=True)]]})
    assert Step.objects.get(pk=ticket.step_id).not_before < now + timedelta(minutes=2)


def test_what_went_on_the_wire_by_such_a_clock_did_so_by_now(scene):
    scene.batch("topic", provider=scene.vendor("instant", latency_s=[1.0, 1.0]))
    scene.drive_until(lambda: Attempt.objects.exclude(on_wire_at=None).exists())
    attempt, ahead = Attempt.objects.get(), datetime.now(UTC) + timedelta(hours=2)
    scene.drives[0].booking.book({"wire": [("sim_instant", attempt.pk, ahead)]})
    assert Attempt.objects.get().on_wire_at <= datetime.now(UTC)


@pytest.mark.parametrize(("lease_s", "then_s"), [(7200.0 + 900.0, 900.0), (3630.0, 3630.0)])
def test_only_a_lease_longer_than_any_was_written_by_a_clock_that_was_wrong(db, lease_s, then_s):
    a_batch("Why bread rises")
    Step.objects.update(state=State.CHECKING, lease_until=at(lease_s))
    put_right.keep(at(7200), 7200.0)
    pull_back(NOW, timedelta(hours=2))
    assert set(Step.objects.values_list("lease_until", flat=True)) == {at(then_s)}


@pytest.mark.parametrize("known", [[], [-18_000.0, 18_001.0], [300.0]])
def test_what_a_clock_that_was_right_wrote_is_no_older_and_no_more_overdue_when_it_goes_back(db, known):
    """Set back by mistake, and put right later: jobs would be ended for their age, leases would be taken for over."""
    batch, offer, lane = a_batch("Why bread rises"), Offer.objects.first(), Lane.objects.first()
    job = {"batch": batch, "provider": lane.provider, "lane": lane, "offer": offer, "capability": "image", "tag": "t"}
    BulkJob.objects.create(**job, sent_at=at(17_000), lease_until=at(19_000))
    Step.objects.update(state=State.CHECKING, lease_until=at(19_000), not_before=at(18_000))
    an_attempt(Step.objects.first(), at=at(17_000), ended_at=None)
    for by_s in known:
        put_right.keep(at(18_000), by_s)
    steady = Steady()
    steady.look(at(18_000), 100.0)
    for seconds in (0.1, 3.0):
        steady.look(at(seconds), 100.0 + seconds)
    assert Attempt.objects.get().on_wire_at == at(17_000)
    assert BulkJob.objects.values_list("sent_at", "lease_until").get() == (at(17_000), at(19_000))
    assert Step.objects.filter(lease_until=at(19_000), not_before__lte=at(1)).count() == Step.objects.count()


def put_right_two_hours(steady):
    steady.look(at(7200), 100.0)
    steady.look(at(0.1), 100.1)


def test_what_somebody_writes_a_little_later_by_what_he_read_before_is_pulled_back_again(db):
    a_batch("Why bread rises")
    steady = Steady()
    put_right_two_hours(steady)
    for seconds in (0.0, AGAIN_FOR.total_seconds() - AGAIN_EVERY_S - 0.5):
        Step.objects.update(not_before=at(7203))
        steady.look(at(0.1 + seconds + AGAIN_EVERY_S), 100.1 + seconds + AGAIN_EVERY_S)
        assert set(Step.objects.values_list("not_before", flat=True)) == {at(3)}
    Step.objects.update(not_before=at(7203))
    after = 100.0 + AGAIN_FOR.total_seconds() + 1
    steady.look(at(after - 100.0), after)
    assert set(Step.objects.values_list("not_before", flat=True)) == {at(7203)}


@pytest.mark.parametrize(("later_s", "then_s"), [(30.0, 3.0), (61.0, 7203.0)])
def test_a_drive_that_begins_soon_after_goes_on_with_it(db, later_s, then_s):
    a_batch("Why bread rises")
    put_right_two_hours(Steady())
    Step.objects.update(not_before=at(7203))
    Steady().look(at(later_s), 500.0)
    assert set(Step.objects.values_list("not_before", flat=True)) == {at(then_s)}


def test_after_a_small_jump_nothing_is_pulled_again(db):
    a_batch("Why bread rises")
    steady = Steady()
    steady.look(at(LARGE_S - 1), 100.0)
    steady.look(NOW, 100.1)
    Step.objects.update(not_before=at(LARGE_S))
    steady.look(at(3), 103.1)
    assert set(Step.objects.values_list("not_before", flat=True)) == {at(LARGE_S)}


def test_a_pull_that_fails_is_done_at_the_next_look(db, monkeypatch):
    a_batch("Why bread rises")
    steady = Steady()
    steady.look(at(7200), 100.0)
    Step.objects.update(not_before=at(7203))
    monkeypatch.setattr(ClockJump, "objects", None)
    with pytest.raises(AttributeError):
        steady.look(at(0.1), 100.1)
    monkeypatch.undo()
    steady.look(at(1), 101.1)
    assert set(Step.objects.values_list("not_before", flat=True)) == {at(3)}


def test_a_clock_that_goes_ahead_and_back_within_one_round_is_noticed(db):
    """The drive reads it for what it writes, waits for the database, and reads it again when it begins anew."""
    a_batch("Why bread rises")
    ahead = [0.0]
    drive = drive_module.Drive("generation", slice_s=9, clock=lambda: datetime.now(UTC) + timedelta(seconds=ahead[0]))
    drive.steady.look(drive.clock(), monotonic())
    ahead[0] = 7200.0
    read = drive.clock()
    ahead[0] = 0.0
    Step.objects.update(not_before=read)
    drive.steady.look(drive.clock(), monotonic())
    assert not Step.objects.filter(not_before__gt=datetime.now(UTC) + timedelta(seconds=1)).exists()
    drive.close()


@pytest.mark.parametrize("jump_s", [7200.0, -7200.0])
def test_whoever_looks_for_what_was_sent_on_that_day_knows_how_wrong_its_moment_may_be(db, jump_s):
    steady = Steady()
    steady.look(NOW, 100.0)
    steady.look(at(jump_s), 100.1)
    assert put_right.off_by(at(jump_s)).total_seconds() == pytest.approx(7200, abs=1)
    assert not put_right.off_by(at(jump_s) + timedelta(days=1, seconds=1))


def test_jumps_are_kept_for_a_day(db):
    for hours in (0.0, 23.0, 25.0):
        put_right.keep(NOW - timedelta(hours=hours), 600.0)
    put_right.forget_old(NOW)
    assert ClockJump.objects.count() == 2


def test_of_a_machine_that_slept_the_clock_was_never_wrong(quota, monkeypatch):
    """It waits for a window, too; but nothing that was sent is dated otherwise than it was, and nothing is proved."""
    slept = [0.0]
    monkeypatch.setattr(steady_module, "slept_s", lambda: slept[0])
    steady = Steady()
    steady.look(NOW, 100.0)
    slept[0] = 28_800.0
    steady.look(at(28_800.1), 100.1)
    assert steady.must_wait(at(28_801), 101.0)
    assert not steady.tells_ages(at(28_900), 200.0)
    assert not ClockJump.objects.exists()
    steady.look(at(28_800 + 200 + 7200), 300.0)
    assert [round(by_s) for by_s in ClockJump.objects.values_list("by_s", flat=True)] == [7200]


def test_for_a_small_jump_no_listing_is_looked_through_further(db):
    put_right.keep(NOW, LARGE_S - 1)
    assert not put_right.off_by(NOW)


@pytest.mark.parametrize("jump_s", [7200.0, -7200.0, 6.0, -6.0])
def test_a_drive_that_begins_waits_for_what_is_left_of_the_window(quota, jump_s):
    before, successor = Steady(), Steady()
    before.look(NOW, 100.0)
    before.look(at(jump_s), 100.1)
    successor.look(at(jump_s + 4), 500.0)
    assert successor.must_wait(at(jump_s + 9.5), 505.5)
    assert not successor.must_wait(at(jump_s + 10.5), 506.5)
    much_later = Steady()
    much_later.look(at(jump_s + 70), 900.0)
    assert not much_later.must_wait(at(jump_s + 70), 900.0)


def test_a_pause_that_is_meant_is_shortened_once_only(db):
    a_batch("Why bread rises")
    Lane.objects.update(paused_until=at(20_000))
    steady = Steady()
    put_right_two_hours(steady)
    for seconds in (3.0, 6.0):
        steady.look(at(seconds), 100.0 + seconds)
    assert set(Lane.objects.values_list("paused_until", flat=True)) == {at(12_800)}


def test_a_step_that_is_over_is_left_alone(db):
    a_batch("Why bread rises")
    Step.objects.update(not_before=at(7203), state=State.DONE)
    pull_back(NOW, timedelta(hours=2))
    assert set(Step.objects.values_list("not_before", flat=True)) == {at(7203)}


def test_a_clock_that_goes_ahead_pulls_nothing_back(quota):
    Lane.objects.create(provider=quota.provider, capability="image", paused_until=at(9000))
    steady = Steady()
    steady.look(NOW, 100.0)
    steady.look(at(600), 101.0)
    assert Lane.objects.get(paused_until=at(9000))


def test_a_jump_is_noticed_again_when_the_database_was_away(quota, monkeypatch):
    steady = Steady()
    steady.look(at(7200), 100.0)
    monkeypatch.setattr(Quota, "objects", None)
    with pytest.raises(AttributeError):
        steady.must_wait(at(1), 101.0)
    monkeypatch.undo()
    assert steady.must_wait(at(2), 102.0)


def test_what_was_written_while_the_clock_was_ahead_does_not_wait_for_that_time(scene, monkeypatch):
    """Nothing is ready meanwhile: a drive that claims nothing notices it, too."""
    offset = [86_400.0]

    def now():
        return datetime.now(UTC) + timedelta(seconds=offset[0])

    monkeypatch.setattr(clock, "now_utc", now)
    scene.batch("topic", provider=scene.vendor("jobs", latency_s=[0.4, 0.5]))
    scene.drives = [drive_module.Drive(role, slice_s=60, clock=now) for role in ("generation", "media")]
    scene.drive_until(lambda: Step.objects.filter(state=State.RUNNING).exists())
    offset[0] = 0.0
    scene.drive_until(lambda: Step.objects.filter(stage="script", state=State.DONE).exists())
