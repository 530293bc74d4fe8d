import pytest

from benchmarks import bounds

SCALED = {"amount": 60, "window_s": 6, "latency_s": (1.0, 1.5)}


@pytest.mark.parametrize(
    ("count", "quota", "expected"),
    [
        (300, SCALED, 25.49),
        (301, SCALED, 31.25),
        (60, SCALED, 1.49),
        (180, {"amount": 60, "window_s": 60, "latency_s": (10.0, 15.0)}, 134.92),
    ],
)
def test_a_place_above_a_multiple_of_the_quota_costs_a_whole_window(count, quota, expected):
    assert bounds.achievable(count, **quota) == pytest.approx(expected, abs=0.01)


def test_a_bucket_lets_out_a_full_one_and_then_one_by_one():
    assert bounds.token_bucket(300, capacity=60, per_s=10, latency_s=(1.0, 1.0)) == 25.0
    assert 25.0 < bounds.token_bucket(300, capacity=60, per_s=10, latency_s=(1.0, 1.5)) < 25.5
    assert bounds.token_bucket(60, capacity=60, per_s=10, latency_s=(1.0, 1.0)) == 1.0


def test_each_place_takes_the_next_of_the_list_when_it_is_free():
    assert bounds.in_list_order([3, 1, 1, 1], 2) == 3
    assert bounds.in_list_order([1, 1, 1, 3], 2) == 4


def test_tokens_take_as_many_windows_as_hold_them():
    assert bounds.weighted([100] * 9, amount=300, window_s=60, latency_s=(5, 5)) == 125
    assert bounds.weighted([100] * 10, amount=300, window_s=60, latency_s=(5, 5)) == 185


def calls(*weights):
    return [bounds.Estimated(expected, counted, 5.0) for expected, counted in weights]


def test_with_exact_estimates_it_takes_the_fewest_windows():
    assert bounds.by_estimates(calls(*[(100, 100)] * 9), amount=300, window_s=60) == 125
    assert bounds.by_estimates(calls(*[(100, 100)] * 10), amount=300, window_s=60) == 185


def test_what_an_estimate_may_be_off_by_is_kept_free_until_the_answer_tells():
    """All three fit by what is expected, two of them with three deviations (88) kept free; their answers make room."""
    assert bounds.by_estimates(calls((100, 80), (100, 120), (100, 90)), amount=360, window_s=60) == 10


def test_where_that_much_is_refused_more_is_kept_free():
    heavier_first = calls((100, 120), (100, 100), (100, 80))
    assert bounds._never_refused(heavier_first, 200, 60, 0.16, 0.0) is None
    assert bounds.by_estimates(heavier_first, amount=200, window_s=60, kept_free=0.0) == 125


def test_smaller_ones_go_before_a_larger_one_that_has_no_room():
    assert bounds.by_estimates(calls((200, 200), (200, 200), (100, 100)), amount=300, window_s=60) == 65
    assert bounds.by_estimates(calls((200, 200), (200, 200), (100, 100), (100, 100)), amount=300, window_s=60) == 65


def load(stage, seconds, **limits):
    return bounds.Load(stage=stage, seconds=tuple(seconds), shortest_s=min(seconds), **limits)


def test_the_lane_that_binds_is_kept_waiting_before_and_followed_after():
    clip = load("clip", [4, 6, 4, 6], places=2)
    loads = [load("script", [1]), load("image", [2, 2]), load("voiceover", [3, 3]), clip, load("render", [1])]
    assert bounds.pipeline(loads) == (1 + 3) + 12 + 1
    assert bounds.pipeline(loads, bare=True) == (1 + 3) + 20 / 2 + 1


def test_the_bare_bound_lets_places_end_together():
    clip = load("clip", [2, 2, 6], places=2)
    assert (clip.work_s(bare=False), clip.work_s(bare=True)) == (8, 6)


def test_a_lane_with_a_quota_works_for_as_many_windows_as_it_needs():
    assert load("image", [1.0] * 61, amount=60, window_s=6).work_s(bare=False) == 7.0
