from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from jobs.forecast.clock import Clock
from jobs.forecast.luck import Luck
from jobs.settings_types import STRATEGIES
from jobs.states import STAGE_NUMBER, Stage
from tests.jobs.forecast.situations import SECONDS, STAGES, a_market, a_quota, an_order


def run(plain, strategy="pipelined", *, grain=1, seed=1, **values):
    settings = replace(plain.order.settings, strategy=strategy, **values)
    return Clock(plain, settings, Luck(seed, nominal=True), grain=grain, busy=True).run()


def calls_of(run):
    """(lane, from, until) in the order in which they began."""
    return sorted(
        ((lane.number, start, end) for lane in run.lanes for start, end in zip(lane.starts, lane.ends, strict=True)),
        key=lambda call: call[1],
    )


def test_one_video_takes_its_longest_way():
    assert run(a_market()).finish_s == pytest.approx(10 + 12 + 90 + 8)


def test_every_file_is_checked_and_every_step_noticed():
    measured = dict.fromkeys(STAGES, {"after_s": 0.25})
    told = run(a_market(check_s=1.0, pickup_s=0.5, measured=measured))
    assert told.finish_s == pytest.approx(10 + 12 + 90 + 8 + 4 * 1.25 + 4 * 0.5)


def test_a_cap_lets_so_many_run_at_once():
    assert run(a_market(an_order(scenes=6), caps={Stage.CLIP: 2})).finish_s == pytest.approx(10 + 12 + 3 * 90 + 8)


def test_a_cap_of_the_provider_counts_all_its_lanes():
    told = run(a_market(an_order(scenes=3), shared=1))
    work = 10 + 3 * (4 + 12 + 90)
    assert told.finish_s == pytest.approx(work + 8)


def test_a_quota_makes_the_next_wait_for_its_window():
    told = run(a_market(an_order(videos=7), quotas=[a_quota(Stage.SCRIPT, 3, 60.0, guard_s=1.0)]))
    begun = sorted(call[1] for call in calls_of(told) if call[0] == 0)
    assert begun == pytest.approx([0, 0, 0, 61, 61, 61, 122])


def test_what_was_used_before_counts():
    quota = replace(a_quota(Stage.SCRIPT, 2, 60.0), used=((-20.0, 1),))
    begun = sorted(call[1] for call in calls_of(run(a_market(an_order(videos=3), quotas=[quota]))) if call[0] == 0)
    assert begun == pytest.approx([0, 40, 60])


def test_calls_that_hold_a_thread_wait_for_one():
    plain = a_market(an_order(videos=4), threads=2)
    plain = replace(plain, lanes=tuple(replace(lane, holds_thread=lane.id == 1) for lane in plain.lanes))
    begun = sorted(call[1] for call in calls_of(run(plain)) if call[0] == 0)
    assert begun == pytest.approx([0, 0, 10, 10])


def test_renders_and_checks_share_the_places_of_this_machine():
    told = run(a_market(an_order(videos=2, scenes=1), check_s=30.0, places=1, seconds={**SECONDS, "clip": 5.0}))
    assert told.finish_s == pytest.approx(10 + 30 * 10 + 2 * 8)  # once the first file is there, they are never idle


def test_files_of_earlier_videos_are_checked_first():
    """Ten scripts come at once, and one place looks at them: the first video needs not wait for the others' files."""
    told = run(a_market(an_order(videos=10, scenes=1), check_s=30.0, places=1, seconds={**SECONDS, "clip": 5.0}))
    in_order_of_arrival = 10 + 10 * 30 + 4 * 30 + 8
    assert told.first_s < in_order_of_arrival


def test_a_paused_lane_begins_when_its_pause_is_over():
    plain = a_market()
    lanes = tuple(replace(lane, opens_s=100.0 if lane.id == 1 else 0.0) for lane in plain.lanes)
    assert run(replace(plain, lanes=lanes)).finish_s == pytest.approx(100 + 120)


def test_files_that_fail_are_made_again_as_often_as_is_set():
    measured = {Stage.IMAGE: {"judged": 10, "failed": 10}}
    told = run(a_market(an_order(auto_retries=2), measured=measured))
    assert told.calls["image"] == 2 * 3
    assert told.finish_s == pytest.approx(10 + 3 * 12 + 90 + 8)


def test_calls_that_bring_nothing_are_made_again_and_not_billed_twice():
    measured = {Stage.SCRIPT: {"calls": 10, "missed": 5}}
    told = run(a_market(an_order(videos=200), measured=measured))
    assert told.calls["script"] == pytest.approx(400, rel=0.15)


# -- strategies


def test_parallel_begins_no_stage_before_the_one_before_is_over():
    calls = calls_of(run(a_market(an_order(videos=5), spread=0.5, caps={Stage.CLIP: 3}), "parallel"))
    for lane in range(1, 5):
        assert min(c[1] for c in calls if c[0] == lane) >= max(c[2] for c in calls if c[0] < lane) - 1e-9


def test_chunked_does_so_chunk_by_chunk_with_a_pause_between():
    told = run(a_market(an_order(videos=5)), "chunked", chunk_size=2, chunk_pause_s=7)
    begun = Counter(round(call[1], 3) for call in calls_of(told) if call[0] == 0)
    assert begun == {0: 2, 17: 2, 34: 1}
    assert told.finish_s == pytest.approx(3 * (10 + 4 + 12 + 90 + 8) + 14 * 7)


def test_sequential_has_one_at_a_time_by_video_then_stage():
    told = run(a_market(an_order(videos=3), check_s=1.0), "sequential")
    calls = calls_of(told)
    assert told.finish_s == pytest.approx(3 * (10 + 2 * (4 + 12 + 90) + 8 + 8 * 1.0))
    assert [call[0] for call in calls] == [0, 1, 1, 2, 2, 3, 3, 4] * 3
    assert all(after[1] >= before[2] for before, after in zip(calls, calls[1:], strict=False))


def test_stages_are_numbered_as_the_lanes_here():
    assert [STAGE_NUMBER[stage] for stage in ("script", "voiceover", "image", "clip", "render")] == [2, 4, 5, 6, 7]


# -- several batches


def test_two_equal_batches_share_a_lane_evenly():
    one, other = an_order(videos=100), an_order(videos=100)
    alone = run(a_market(one, caps={Stage.CLIP: 4})).finish_s
    both = run(a_market(one, caps={Stage.CLIP: 4}, others=(other,))).finish_s
    assert both == pytest.approx(2 * alone, rel=0.03)


def test_a_higher_priority_goes_first():
    urgent, other = replace(an_order(videos=100), priority=1), an_order(videos=100)
    alone = run(a_market(urgent, caps={Stage.CLIP: 4})).finish_s
    assert run(a_market(urgent, caps={Stage.CLIP: 4}, others=(other,))).finish_s == pytest.approx(alone, rel=0.02)


# -- coarse runs, and batches under way


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("grain", [3, 7])
def test_a_coarse_run_ends_when_a_fine_one_does(strategy, grain):
    quotas = [a_quota(Stage.IMAGE, 20, 60.0)]
    measured = {Stage.CLIP: {"judged": 100, "failed": 10}}
    plain = a_market(
        an_order(videos=210, scenes=3, chunk_size=70),
        spread=0.3,
        check_s=0.5,
        places=4,
        caps={Stage.CLIP: 5, Stage.SCRIPT: 8},
        quotas=quotas,
        measured=measured,
    )
    fine, coarse = run(plain, strategy), run(plain, strategy, grain=grain)
    assert coarse.finish_s == pytest.approx(fine.finish_s, rel=0.03)
    assert coarse.calls["clip"] == pytest.approx(fine.calls["clip"], rel=0.05)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("grain", [1, 4])
def test_half_a_batch_takes_half_the_time(strategy, grain):
    whole = an_order(videos=100)
    plain = a_market(whole, caps={Stage.CLIP: 4, Stage.VOICEOVER: 4, Stage.IMAGE: 4, Stage.SCRIPT: 4, Stage.RENDER: 4})
    done = {"script": 50, "voiceover": 100, "image": 100, "clip": 100, "render": 50}
    half = replace(plain, order=replace(whole, done=done))
    assert run(half, strategy, grain=grain).finish_s == pytest.approx(run(plain, strategy).finish_s / 2, rel=0.08)


def test_what_runs_holds_its_place_and_ends_within_one_call():
    order = replace(an_order(videos=1, scenes=2), done={"script": 1, "voiceover": 2, "image": 2}, running={"clip": 1})
    told = run(a_market(order, caps={Stage.CLIP: 1}))
    assert 90 + 8 <= told.finish_s <= 2 * 90 + 8


def test_a_batch_with_nothing_left_is_over_at_once():
    order = replace(an_order(), done={"script": 1, "voiceover": 2, "image": 2, "clip": 2, "render": 1})
    assert run(a_market(order)).finish_s == 0
