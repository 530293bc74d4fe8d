from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.metrics import charts, filters, gathering, report
from jobs.metrics.counting import class_of, close_days, middle_of
from jobs.models import LedgerEntry, TalliedDay, Tally
from tests.factories import a_batch, a_project, a_user
from tests.jobs.metrics_rows import a_judged_file, a_step, an_attempt, an_ended_video

pytestmark = [pytest.mark.django_db, pytest.mark.engine, pytest.mark.slow]
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def batch():
    made = a_batch("Why bread rises")
    type(made).objects.filter(pk=made.pk).update(created_at=NOW - 20 * DAY)
    return made


@pytest.fixture
def admin():
    return a_user(is_superuser=True)


def asked(user, **query):
    return report.report(filters.read(query, user, NOW), NOW)


def gathered(user, **query):
    return gathering.gather(filters.read(query, user, NOW), NOW)


def rows_of(made, slug):
    return [list(row) for row in made.table(slug).rows]


# -- counting ----------------------------------------------------------------------------------------------------------


def test_a_closed_day_says_the_same_as_the_day_itself_did(batch, admin):
    step = a_step(batch)
    yesterday = NOW - DAY
    an_attempt(step, at=yesterday, seconds=8, spent=40_000)
    an_attempt(step, at=yesterday, outcome="rejected", http_status=429, message="Slow down.")
    a_judged_file(step, at=yesterday, failed=("image.not_blank",))
    early = filters.read({}, admin, yesterday + HOUR)
    fresh = report.report(early, yesterday + HOUR)
    assert not Tally.objects.exists()
    kept = asked(admin)
    assert Tally.objects.exists()
    for slug in ("times", "failures", "checks", "cost_per_asset"):
        assert rows_of(fresh, slug) == rows_of(kept, slug)
        assert rows_of(kept, slug), slug


def test_a_day_is_counted_once_and_then_only_read(batch, admin):
    step = a_step(batch)
    an_attempt(step, at=NOW - 2 * DAY)
    assert gathered(admin).now.made.total() == 1
    an_attempt(step, at=NOW - 2 * DAY)  # cannot happen: nothing ends in a day that is over
    assert gathered(admin).now.made.total() == 1


def test_a_day_whose_lost_answer_was_decided_is_counted_again(batch, admin):
    step = a_step(batch, state="attention", reason="decision")
    lost = an_attempt(step, at=NOW - 2 * DAY, outcome="unknown", message="No answer.")
    assert gathered(admin).now.missed == {(step.provider_id, "answer lost"): 1}
    type(lost).objects.filter(pk=lost.pk).update(outcome="given_up")
    type(step).objects.filter(pk=step.pk).update(state="cancelled")
    assert gathered(admin).now.missed == {(step.provider_id, "given up"): 1}


def test_a_file_judged_after_midnight_counts_for_the_day_it_was_made(batch, admin):
    step = a_step(batch, state="checking")
    asset = a_judged_file(step, at=NOW - 2 * DAY)
    judged, asset.inspection = asset.inspection, None
    asset.save()
    assert gathered(admin).now.all_judged.all == 0
    asset.inspection = judged
    asset.save()
    type(step).objects.filter(pk=step.pk).update(state="done")
    assert gathered(admin).now.all_judged.all == 1


def test_a_day_stays_open_while_a_call_that_was_sent_on_it_is_out(batch, admin):
    step = a_step(batch, state="claimed")
    sent = NOW - 13 * HOUR
    call = an_attempt(step, at=sent, outcome="none")
    type(call).objects.filter(pk=call.pk).update(ended_at=None)
    assert close_days(NOW) == [filters.day_of(NOW) - 1, filters.day_of(NOW)]
    type(call).objects.filter(pk=call.pk).update(outcome="accepted", ended_at=sent + HOUR / 2)
    assert gathered(admin).now.made.total() == 1


def test_the_hour_after_midnight_belongs_to_both_days(batch):
    soon = NOW.replace(hour=0, minute=30)
    assert len(close_days(soon)) == 2
    assert len(close_days(soon + HOUR)) == 1
    assert TalliedDay.objects.count() == 20


def test_a_call_counts_by_how_it_ended(batch, admin):
    step = a_step(batch)
    for outcome, status, message in (
        ("rejected", 429, "Slow down."),
        ("rejected", 401, "Key."),
        ("rejected", 400, "No."),
        ("accepted", None, "It broke."),
        ("not_sent", None, "No line."),
        ("unknown", None, "No answer."),
        ("given_up", None, "No answer."),
        ("accepted", None, ""),
    ):
        an_attempt(step, at=NOW - HOUR, outcome=outcome, http_status=status, message=message)
    an_attempt(step, at=NOW - HOUR, outcome="adopted", external_id="job-1", message="No answer.")
    now = gathered(admin).now
    assert {cause for _provider, cause in now.missed} == {
        "rate limit", "account", "refused", "failed", "not sent", "answer lost", "given up"
    }  # fmt: skip
    assert set(now.missed.values()) == {1}
    assert now.made.total() == 2


# -- figures -----------------------------------------------------------------------------------------------------------


def test_success_leaves_out_what_is_still_at_work(batch, admin):
    for state in ("done", "done", "done", "attention", "running", "review"):
        an_ended_video(batch, at=NOW - DAY, state=state)
    success = asked(admin).figures[0]
    assert (success.figure, success.of) == ("75 %", "of 4 videos")


def test_figures_are_compared_with_as_many_days_before(batch, admin):
    an_ended_video(batch, at=NOW - DAY, seconds=60)
    an_ended_video(batch, at=NOW - 31 * DAY, seconds=90)
    an_ended_video(batch, at=NOW - 31 * DAY, state="cancelled")
    success, _first, _cost, time = asked(admin).figures
    assert success.note == "+50.0 points on the 30 days before"
    assert time.note == "average 1 m 00 s, p95 1 m 00 s; −30 s on the 30 days before"


def test_cost_per_video_has_everything_in_it_and_names_the_dearest_stage(batch, admin):
    an_attempt(a_step(batch, stage="image"), at=NOW - DAY, spent=100_000)
    an_attempt(a_step(batch, stage="clip"), at=NOW - HOUR, spent=300_000)
    for _ in range(2):
        an_ended_video(batch, at=NOW - DAY)
    made = asked(admin)
    assert made.figures[2].figure == "$0.20"
    assert made.cards[0].finding == "A video costs $0.20; 75 % of it is clip"


def test_money_without_a_call_is_counted_too(batch, admin):
    provider = a_step(batch).provider
    LedgerEntry.objects.create(
        kind="adjust", project=batch.project, batch=batch, provider=provider, spent_micro=500_000, at=NOW - DAY
    )
    assert rows_of(asked(admin), "cost_per_asset") == [["Other", provider.label, 500_000, 0, None]]


def test_only_first_files_count_for_the_first_time_rate(batch, admin):
    step = a_step(batch)
    a_judged_file(step, at=NOW - DAY, failed=("image.not_blank", "image.aspect"))
    a_judged_file(a_step(batch), at=NOW - DAY)
    a_judged_file(step, at=NOW - DAY, round=2)
    made = asked(admin)
    assert rows_of(made, "checks") == [["Image", step.provider.label, 3, 2, 2 / 3, 2, 1, 0.5]]
    assert {row[0] for row in made.table("failures").rows} == {
        "Check failed: image, not blank",
        "Check failed: image, aspect",
    }


@pytest.mark.parametrize("seconds", [0.02, 0.5, 1, 7.3, 59, 600, 86_400])
def test_a_kept_duration_is_off_by_five_percent_at_most(seconds):
    assert middle_of(class_of(seconds)) == pytest.approx(seconds, rel=0.05)


def test_median_and_p95_of_calls_come_from_the_right_calls(batch, admin):
    step = a_step(batch)
    for seconds in range(1, 101):
        an_attempt(step, at=NOW - DAY, seconds=seconds)
    [row] = rows_of(asked(admin), "times")
    assert row[3] == pytest.approx(50.5)
    assert row[4] == pytest.approx(50, rel=0.06)
    assert row[5] == pytest.approx(95, rel=0.06)


def test_the_times_of_videos_are_exact(batch, admin):
    for seconds in range(1, 21):
        an_ended_video(batch, at=NOW - DAY, seconds=seconds)
    videos = gathered(admin).videos
    assert (videos.percentile_s(0.5), videos.percentile_s(0.95), videos.average_s) == (10, 19, 10.5)


def test_nothing_at_all_is_empty_and_breaks_nothing(admin):
    made = asked(admin)
    assert made.is_empty
    assert made.figures[0].figure == "—"


# -- whose, and when ---------------------------------------------------------------------------------------------------


def test_only_batches_i_may_see_count(batch):
    for day in (NOW - HOUR, NOW - 3 * DAY):
        an_attempt(a_step(batch), at=day)
    assert gathered(a_user(project=batch.project)).now.made.total() == 2
    assert gathered(a_user(project=a_project())).is_empty


def test_filters_narrow_what_counts(batch, admin):
    other = a_batch("Tides")
    for each in (batch, batch, other):
        an_attempt(a_step(each), at=NOW - HOUR)
        an_attempt(a_step(each), at=NOW - 3 * DAY)
        an_attempt(a_step(each), at=NOW - 20 * DAY)
    provider = a_step(batch).provider_id
    assert gathered(admin).now.made.total() == 9
    assert gathered(admin, period="7").now.made.total() == 6
    assert gathered(admin, batch=str(other.pk)).now.made.total() == 3
    assert gathered(admin, project=str(batch.project_id), period="7").now.made.total() == 4
    assert gathered(admin, provider=str(provider)).now.made.total() == 9
    machine = next(pk for pk, _ in filters.read({}, admin, NOW).selects[3][2] if pk not in ("", str(provider)))
    assert gathered(admin, provider=machine).now.made.total() == 0


@pytest.mark.parametrize("name", ["7", "30", "90", "all"])
def test_every_day_of_a_period_falls_into_one_column(name):
    period = filters.period_of(name, today=739_941, since=739_000)
    days = [day for number in range(period.columns) for day in _days(period, number)]
    assert days == list(range(period.first, period.last + 1))
    for number in range(period.columns):
        assert {period.column_of(day) for day in _days(period, number)} == {number}
    assert period.columns <= 16


def _days(period, number):
    first, last = period.days_of(number)
    return list(range(first.toordinal(), last.toordinal() + 1))


# -- charts ------------------------------------------------------------------------------------------------------------


def test_stacked_blocks_fill_the_height_in_proportion():
    chart = charts.stacked([[1, 3], [0, 0]], names=["a", "b"], days=["1", "2"], show=str)
    assert [float(block.height) for block in chart.blocks] == [40, 120]  # the axis ends at 5
    assert float(chart.blocks[1].y) + 120 == float(chart.blocks[0].y)


def test_a_line_has_a_gap_where_there_is_no_value():
    chart = charts.lines([[0.5, 0.6, None, 0.7]], names=["a"], days=list("1234"), show=str)
    assert (len(chart.lines), len(chart.dots)) == (1, 3)


@pytest.mark.parametrize(("most", "top"), [(0, 1), (0.87, 1), (1.2, 2), (3, 5), (51, 100), (100, 100)])
def test_axes_end_at_round_numbers(most, top):
    assert charts.nice(most) == pytest.approx(top)
