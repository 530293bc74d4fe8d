from __future__ import annotations

import pytest

from jobs import control
from jobs.control import Cancel, Refused
from jobs.models import Asset, Batch, Decision, Step, Video
from jobs.settings_types import BatchSettings
from jobs.states import Reason, State
from tests.factories import a_user

from .conftest import NOW

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
OUT = [State.CLAIMED, State.RUNNING, State.UNKNOWN, State.FETCHING, State.CHECKING]


@pytest.fixture
def world(made):
    return made()


def states(batch):
    return list(Step.objects.filter(batch=batch).order_by("video__position").values_list("state", flat=True))


@pytest.mark.parametrize("how", list(Cancel))
def test_cancelling_leaves_every_other_batch_alone(made, how):
    one, other = made(), made()
    control.cancel(one.batch, how, NOW)
    assert states(one.batch) == [State.CANCELLED]
    assert states(other.batch) == [State.READY]
    assert Video.objects.get(batch=other.batch).cancelled_at is None
    assert Batch.objects.get(pk=one.batch.pk).cancelled_at == NOW
    assert Batch.objects.get(pk=other.batch.pk).cancelled_at is None


def test_cancelling_what_waits_leaves_what_has_begun(world):
    Video.objects.update(started_at=NOW)
    assert control.cancel(world.batch, Cancel.WAITING, NOW) == 0
    assert states(world.batch) == [State.READY]


@pytest.mark.parametrize("state", OUT)
def test_cancelling_all_but_running_lets_what_is_out_end(world, state):
    Step.objects.update(state=state)
    control.cancel(world.batch, Cancel.ALL_BUT_RUNNING, NOW)
    step = Step.objects.get()
    assert (step.state, step.cancel_asked) == (state, False)
    assert Video.objects.get().state == Video.State.CANCELLED


@pytest.mark.parametrize("state", OUT)
def test_cancelling_everything_ends_what_is_ours_and_asks_for_the_end_of_what_is_not(world, state):
    Step.objects.update(state=state, fence=4)
    control.cancel(world.batch, Cancel.EVERYTHING, NOW)
    step = Step.objects.get()
    if state in (State.FETCHING, State.CHECKING):
        assert (step.state, step.fence) == (State.CANCELLED, 5)
    else:
        assert (step.state, step.cancel_asked) == (state, True)


@pytest.mark.parametrize(
    ("goes_on_to", "ends"), [(State.CLAIMED, (State.CLAIMED, True)), (State.READY, (State.CANCELLED, False))]
)
def test_a_step_that_goes_on_while_everything_is_cancelled_is_not_missed(world, monkeypatch, goes_on_to, ends):
    """On PostgreSQL a claim, or an answer, may be booked between two statements."""
    end_idle, steps = control._end_idle, Step.objects.all()

    def meanwhile(*given):
        end_idle(*given)
        monkeypatch.setattr(control, "_end_idle", end_idle)
        steps.update(state=goes_on_to, finished_at=None)

    monkeypatch.setattr(control, "_end_idle", meanwhile)
    control.cancel(world.batch, Cancel.EVERYTHING, NOW)
    assert steps.values_list("state", "cancel_asked").get() == ends


def test_a_video_that_is_over_cannot_be_cancelled(world):
    control.cancel_video(world.video, NOW)
    with pytest.raises(Refused, match="already over"):
        control.cancel_video(world.video, NOW)


def test_the_batch_ends_with_its_last_video(made):
    batch = made(settings=None).batch
    assert Batch.objects.get(pk=batch.pk).finished_at is None
    control.cancel_video(Video.objects.get(batch=batch), NOW)
    assert Batch.objects.get(pk=batch.pk).finished_at == NOW


def test_pausing_twice_keeps_the_first_moment(world):
    control.pause(world.batch, NOW)
    control.pause(world.batch, NOW.replace(year=2031))
    assert Batch.objects.get().paused_at == NOW
    control.resume(world.batch)
    assert Batch.objects.get().paused_at is None


@pytest.mark.parametrize("gate", ["script_gate", "render_gate"])
def test_a_gate_opens_by_a_release_that_is_written_down(made, gate):
    world = made(settings=BatchSettings(scenes=2, seconds=8, **{gate: True}))
    for _ in range(4):
        world.step()
    assert world.video.state == Video.State.GATE
    release = control.release_scripts if gate == "script_gate" else control.release_renders
    release([world.video], a_user(), NOW)
    assert world.due()
    assert Decision.objects.get().kind == "release"


@pytest.mark.parametrize("reason", [Reason.REJECTED, Reason.FAILED, Reason.POISON])
def test_trying_again_gives_a_step_all_its_tries_back(world, reason):
    Step.objects.update(state=State.ATTENTION, reason=reason, message="x", failures=3, crash_count=2)
    control.try_again(Step.objects.get(), a_user(), NOW)
    step = Step.objects.get()
    assert (step.state, step.reason, step.failures, step.crash_count) == (State.READY, "", 0, 0)


@pytest.mark.parametrize(("has", "state"), [("file", State.CHECKING), ("links", State.FETCHING)])
def test_trying_again_does_not_buy_what_is_there(world, has, state):
    step = Step.objects.get()
    if has == "file":
        Asset.objects.create(video=world.video, step=step, kind="script", name="x", sha256="x", size=1)
    else:
        Step.objects.update(links=[{"url": "https://x/y", "media_type": "", "role": ""}])
    Step.objects.update(state=State.ATTENTION, reason=Reason.POISON, message="x")
    control.try_again(Step.objects.get(), a_user(), NOW)
    assert Step.objects.get().state == state


def test_a_step_that_somebody_has_moved_on_is_refused(world):
    with pytest.raises(Refused, match="already moved"):
        control.try_again(Step.objects.get(), a_user(), NOW)


def test_only_a_lost_answer_can_have_happened(world):
    Step.objects.update(state=State.ATTENTION, reason=Reason.FAILED, message="x")
    with pytest.raises(Refused, match="does not wait for a decision"):
        control.it_happened(Step.objects.get(), a_user(), NOW)
