"""Every check of the trials can fail: rows that break it, and the number it is reported by."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from jobs.models import Asset, Attempt, Budget, LedgerEntry, Step, Video, Worker
from jobs.states import State
from providers.models import Lane, Offer, Price
from tests.chaos import at_rest, history
from tests.factories import NOW, a_batch, a_provider
from tests.simulator.books import Books
from tests.simulator.process import simulator
from tests.simulator_adapter import register_all

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.django_db]


@pytest.fixture
def watched():
    history.install()


@pytest.fixture
def attempt():
    """One attempt of a script, made and paid for."""
    register_all("http://127.0.0.1:9")
    provider = a_provider("sim_jobs", "script", micro=700)
    offer = Offer.objects.get(provider=provider)
    batch = a_batch(cap_micro=10_000)
    step = Step.objects.get()
    made = Attempt.objects.create(
        step=step,
        no=1,
        provider=provider,
        lane=Lane.objects.get(provider=provider),
        offer=offer,
        capability="script",
        tag="tag-1",
        price=Price.objects.get(provider=provider),
        reserved_micro=700,
        cost_micro=700,
        outcome="accepted",
        external_id="job-1",
        request={},
        sent_at=NOW,
        send_deadline=NOW,
        ended_at=NOW,
    )
    for kind, reserved, spent in (("reserve", 700, 0), ("settle", -700, 700)):
        LedgerEntry.objects.create(
            kind=kind,
            attempt=made,
            project=batch.project,
            batch=batch,
            provider=provider,
            reserved_micro=reserved,
            spent_micro=spent,
        )
    return made


def numbers(said):
    return {sentence.split()[0] for sentence in said}


def bill(tag="tag-1", amount=700, state="succeeded"):
    return {"bills": [{"tag": tag, "amount_micro": amount, "state": state}]}


def test_sound_rows_break_nothing(watched, attempt):
    Asset.objects.create(
        video=attempt.step.video, step=attempt.step, kind="script", current=True, size=1, created_at=NOW
    )
    Step.objects.update(state=State.CLAIMED, fence=1)
    Step.objects.update(state=State.CHECKING)
    Step.objects.update(state=State.DONE, finished_at=NOW)
    assert list(history.is_sound()) == []
    assert list(history.caps_were_kept()) == []
    assert list(at_rest.every_attempt_is_closed()) == []
    assert list(at_rest.books_are_equal(bill())) == []
    assert list(at_rest.finished_jobs_are_used(bill())) == []
    assert list(at_rest.nothing_is_bought_twice(bill())) == []
    assert list(at_rest.done_steps_have_one_file()) == []


def test_a_move_that_no_table_allows_is_seen(watched, attempt):
    Step.objects.update(state=State.DONE)
    assert numbers(history.is_sound()) == {"I19"}


def test_a_fence_that_falls_is_seen(watched, attempt):
    Step.objects.update(fence=5)
    Step.objects.update(fence=4)
    assert numbers(history.is_sound()) == {"I7"}


def test_a_new_owner_under_the_old_fence_is_seen(watched, attempt):
    Step.objects.update(state=State.CLAIMED, fence=3, owner="11111111-1111-1111-1111-111111111111")
    assert list(history.is_sound()) == []
    Step.objects.update(owner="22222222-2222-2222-2222-222222222222")
    assert numbers(history.is_sound()) == {"I7"}


def test_what_a_dead_process_holds_is_seen_even_when_another_has_its_name(watched, attempt):
    worker = Worker.objects.create(role="generation", host="here", boot_id="boot", pid=7)
    Step.objects.update(state=State.CLAIMED, fence=4, owner=worker.pk)
    Worker.objects.update(pid=8)
    assert list(history.held_by_the_dead({8: 10.0}, [11.0, 12.0])) == []
    assert list(history.held_by_the_dead({7: 10.0}, [9.0, 11.0])) == []
    assert numbers(said for _, said in history.held_by_the_dead({7: 10.0}, [11.0, 12.0])) == {"I2"}
    Step.objects.update(fence=5)  # the other has taken it anew
    assert list(history.held_by_the_dead({7: 10.0}, [11.0, 12.0])) == []
    Step.objects.update(state=State.READY, owner=None)
    assert list(history.held_by_the_dead({7: 10.0, 8: 10.0}, [11.0, 12.0])) == []


def test_an_outcome_that_is_rewritten_is_seen(watched, attempt):
    Attempt.objects.update(outcome="not_sent")
    assert numbers(history.is_sound()) == {"I19"}


def test_an_entry_that_is_changed_is_seen(watched, attempt):
    LedgerEntry.objects.filter(kind="settle").update(spent_micro=1)
    assert numbers(history.is_sound()) == {"I9"}


def test_what_was_admitted_above_the_cap_of_that_moment_is_seen(watched, attempt):
    Budget.objects.update(cap_micro=600)  # lowered later: nothing is wrong with what was admitted before
    assert list(history.caps_were_kept()) == []
    step = attempt.step
    LedgerEntry.objects.create(
        kind="reserve", project=step.batch.project, batch=step.batch, provider=attempt.provider, reserved_micro=1
    )
    Budget.objects.update(cap_micro=10_000)  # raised afterwards: it was wrong all the same
    assert numbers(history.caps_were_kept()) == {"I11"}


def test_an_attempt_that_never_ended_is_seen(attempt):
    Attempt.objects.update(ended_at=None)
    assert numbers(at_rest.every_attempt_is_closed()) == {"I10"}
    Attempt.objects.update(ended_at=NOW, outcome="none")
    assert numbers(at_rest.every_attempt_is_closed()) == {"I6"}


def test_money_that_stays_reserved_is_seen(attempt):
    LedgerEntry.objects.filter(kind="settle").delete()
    assert numbers(at_rest.every_attempt_is_closed()) == {"I12"}


@pytest.mark.parametrize("amount", [699, 701, 1400])
def test_a_micro_unit_more_or_less_on_the_bill_is_seen(attempt, amount):
    assert numbers(at_rest.books_are_equal(bill(amount=amount))) == {"I8"}


def test_a_simulator_that_failed_itself_is_seen(tmp_path):
    with simulator(tmp_path / "books.sqlite") as sim:
        assert list(at_rest.vendors_were_sound(sim.books())) == []
        Books(tmp_path / "books.sqlite").keep_fact("failure", "Traceback: KeyError")
        assert list(at_rest.vendors_were_sound(sim.books())) == ["the simulator itself failed: Traceback: KeyError"]


def test_a_job_of_nobody_is_seen(attempt):
    strange = {"bills": [*bill()["bills"], *bill(tag="who")["bills"]]}
    assert numbers(at_rest.books_are_equal(strange)) == {"I3"}


def test_a_job_that_was_paid_for_and_left_lying_is_seen(attempt):
    assert numbers(at_rest.finished_jobs_are_used(bill())) == {"I16"}


def test_a_step_that_was_bought_twice_for_no_reason_is_seen(attempt):
    bills = {"bills": bill()["bills"] + bill("tag-2")["bills"]}
    assert list(at_rest.nothing_is_bought_twice(bills)) == []
    again = Attempt.objects.get()
    again.pk, again.no, again.tag, again.external_id = None, 2, "tag-2", "job-2"
    again.save()
    assert numbers(at_rest.nothing_is_bought_twice(bills)) == {"I5"}
    Step.objects.update(failures=1)  # its first file was no good
    assert list(at_rest.nothing_is_bought_twice(bills)) == []


def test_a_step_that_is_done_without_a_file_or_with_two_is_seen(attempt):
    Step.objects.update(state=State.DONE, finished_at=NOW)
    assert numbers(at_rest.done_steps_have_one_file()) == {"I16"}
    for name in "ab":
        Asset.objects.create(
            video=attempt.step.video, step=attempt.step, kind="script", name=name, size=1, created_at=NOW
        )
    assert numbers(at_rest.done_steps_have_one_file()) == {"I16"}


def test_a_page_that_shows_work_where_none_is_left_is_seen(attempt):
    assert numbers(at_rest.pages_say_the_same()) == {"I21"}


def test_a_call_in_a_pause_is_seen(attempt):
    batch, since = attempt.step.batch_id, attempt.sent_at - timedelta(seconds=6)
    until = attempt.sent_at + timedelta(seconds=1)
    assert list(at_rest.pause_meant_pause([(batch, since + timedelta(seconds=3), until)])) == []
    assert numbers(at_rest.pause_meant_pause([(batch, since, until)])) == {"I23"}


def test_a_secret_in_a_row_or_a_file_is_seen(attempt, tmp_path):
    assert list(at_rest.secret_is_nowhere("canary-1", tmp_path)) == []
    Video.objects.update(state_note="refused: key canary-1")
    (tmp_path / "log").write_text("Authorization: Bearer canary-1")
    assert len(list(at_rest.secret_is_nowhere("canary-1", tmp_path))) == 2


def test_history_is_written_by_the_database_itself(watched, attempt):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_step SET state = 'claimed', fence = fence + 1")
        cursor.execute(f"SELECT what, old, new FROM {history.TABLE}")
        assert cursor.fetchall() == [("step", "ready", "claimed")]
