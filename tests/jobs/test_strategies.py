from __future__ import annotations

import pytest

from jobs.settings_types import STRATEGIES, BatchSettings
from jobs.states import Stage
from jobs.strategies import NOTHING_OWED, gate_of, has_gates, open_gate, rank_of, width_of

STAGES = [stage.value for stage in Stage]


def settings(strategy, **values):
    return BatchSettings(strategy=strategy, **values)


def order(strategy, by, **values):
    """(stage, video, scene) of three videos with two scenes, as the strategy puts them."""
    work = [(stage, video, scene) for video in (1, 2, 3) for stage in STAGES for scene in (1, 2)]
    return sorted(work, key=lambda w: by(settings(strategy, **values), stage=w[0], video=w[1], scene=w[2]))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_only_sequential_is_narrow_and_only_two_have_gates(strategy):
    assert width_of(settings(strategy)) == (1 if strategy == "sequential" else None)
    assert has_gates(settings(strategy)) is (strategy in ("parallel", "chunked"))


def test_parallel_opens_stage_by_stage():
    gates = [gate_of(settings("parallel"), stage=stage, video=9) for stage in STAGES]
    assert gates == sorted(set(gates))


def test_chunked_opens_chunk_by_chunk_within_a_stage_and_stage_by_stage():
    chunked = settings("chunked", chunk_size=2)
    gates = [gate_of(chunked, stage=stage, video=video) for stage in STAGES for video in (1, 2, 3, 4, 5)]
    assert gates == sorted(gates)
    assert [gate_of(chunked, stage="script", video=v) % 10**6 for v in (1, 2, 3, 4, 5)] == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("strategy", ["pipelined", "sequential"])
def test_the_others_hold_nothing_back(strategy):
    assert {gate_of(settings(strategy), stage=stage, video=v) for stage in STAGES for v in (1, 50)} == {0}


def test_sequential_goes_by_video_then_stage_then_scene():
    ordered = order("sequential", rank_of)
    assert ordered == sorted(ordered, key=lambda w: (w[1], STAGES.index(w[0]), w[2]))


@pytest.mark.parametrize("strategy", ["pipelined", "parallel", "chunked"])
def test_otherwise_earlier_videos_go_first_and_of_each_what_is_furthest_along(strategy):
    ordered = order(strategy, rank_of)
    assert ordered == sorted(ordered, key=lambda w: (w[1], -STAGES.index(w[0]), w[2]))


def test_the_open_gate_is_the_lowest_that_is_owed():
    assert open_gate([5, 3, NOTHING_OWED]) == 3
    assert open_gate([]) == NOTHING_OWED
