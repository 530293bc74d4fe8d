from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.forecast import Load, bound_of, orders
from jobs.forecast.bounds import slowest_stage
from jobs.forecast.clock import Clock
from jobs.forecast.luck import Luck
from jobs.settings_types import STRATEGIES
from jobs.states import STAGE_NUMBER, Stage
from tests.jobs.forecast.situations import STAGES, a_market, a_quota, an_order, with_heroes

SOME = st.sampled_from(STAGES)


def bound(plain, strategy="pipelined", **values):
    return bound_of(plain, replace(plain.order.settings, strategy=strategy, **values))


def test_the_way_of_one_video_is_the_least():
    assert bound(a_market()).seconds == 10 + 12 + 90 + 8


def test_the_shortest_lane_binds_with_what_comes_before_and_after():
    told = bound(a_market(an_order(videos=50, scenes=6), caps={Stage.CLIP: 5, Stage.IMAGE: 5}))
    assert told.seconds == 10 + 12 + 300 * 90 / 5 + 8
    assert told.binding == "Clips: 5 at once"


def test_a_quota_binds_by_its_windows():
    told = bound(a_market(an_order(videos=50, scenes=6), quotas=[a_quota(Stage.IMAGE, 10, 60.0)]))
    assert told.seconds == 10 + 29 * 60 + 12 + (90 + 8)
    assert told.binding == "Images: 10 requests a minute"


def test_checks_and_renders_bind_together():
    told = bound(a_market(an_order(videos=50, scenes=6), check_s=20.0, places=2))
    assert told.binding == "Checks and renders on this machine: 2 at once"
    assert told.seconds == pytest.approx(10 + (50 * 20 * 20.0 + 50 * 8) / 2, rel=0.01)


def test_a_cap_over_all_lanes_of_a_provider_binds():
    told = bound(a_market(an_order(videos=20, scenes=2), shared=4))
    assert told.binding == "Vendor 1: 4 at once"
    assert told.seconds == 20 * (10 + 2 * (4 + 12 + 90)) / 4 + 8


def test_stage_by_stage_costs_the_sum_and_one_by_one_everything():
    plain = a_market(an_order(videos=10, scenes=2), caps=dict.fromkeys(STAGES, 1))
    everything = 10 * (10 + 2 * (4 + 12 + 90) + 8)
    assert bound(plain, "parallel").seconds == everything
    assert bound(plain, "sequential").seconds == everything
    paused = bound(plain, "chunked", chunk_size=5, chunk_pause_s=3)
    assert paused.seconds == pytest.approx(everything + 9 * 3)


OF_HEROES = {"clip": [4], "clip:hero": [9]}


def test_a_lane_of_hero_scenes_binds_by_itself():
    told = bound(with_heroes(a_market(an_order(videos=10, scenes=2, offers=OF_HEROES)), seconds=300.0, cap=1))
    assert told.seconds == 10 + 12 + 10 * 300 + 8
    assert told.binding == "Hero clips: 1 at once"


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("seconds", "cap"), [(300.0, 1), (20.0, 2)])
def test_with_hero_scenes_nothing_ends_before_its_bound(strategy, seconds, cap):
    order = an_order(videos=7, scenes=5, offers=OF_HEROES, strategy=strategy)
    plain = with_heroes(a_market(order, caps={Stage.CLIP: 3}), seconds=seconds, cap=cap)
    run = Clock(plain, order.settings, Luck(1, nominal=True)).run()
    assert run.finish_s >= bound(plain, strategy).seconds - 1e-6


def test_what_is_left_of_a_stage_is_shared_out_to_its_lanes():
    order = an_order(videos=10, scenes=2, offers=OF_HEROES)
    slow = with_heroes(a_market(order, caps={Stage.CLIP: 100, Stage.IMAGE: 1}), seconds=300.0, cap=1)
    assert slowest_stage(slow, {"clip": 20, "image": 20}) == "clip"
    assert slowest_stage(slow, {"clip": 1, "image": 20}) == "image"


def test_a_batch_is_measured_by_what_it_really_asked_for():
    plain = a_market(an_order(videos=1, scenes=1), caps={Stage.CLIP: 2})
    loads = [Load(stage="clip", lane_id=4, calls=10, seconds=30.0, shortest_s=20.0)]
    assert bound_of(plain, plain.order.settings, loads).seconds == 150


@settings(max_examples=60, deadline=None)
@given(
    videos=st.integers(1, 12),
    scenes=st.integers(1, 4),
    caps=st.dictionaries(SOME, st.integers(1, 6)),
    quotas=st.lists(st.tuples(SOME, st.integers(1, 9), st.sampled_from([5.0, 20.0, 60.0])), max_size=2),
    shared=st.one_of(st.none(), st.integers(1, 6)),
    check_s=st.sampled_from([0.0, 0.5, 5.0]),
    places=st.integers(1, 4),
    strategy=st.sampled_from(STRATEGIES),
    chunk_size=st.integers(1, 5),
)
def test_nothing_ends_before_its_bound(videos, scenes, caps, quotas, shared, check_s, places, strategy, chunk_size):
    order = an_order(videos=videos, scenes=scenes, chunk_size=chunk_size, chunk_pause_s=2, strategy=strategy)
    limits = [] if shared else [a_quota(*quota) for quota in quotas]
    plain = a_market(order, caps=caps, quotas=limits, shared=shared, check_s=check_s, places=places)
    run = Clock(plain, order.settings, Luck(1, nominal=True)).run()
    assert run.finish_s >= bound_of(plain, order.settings).seconds * (1 - 1e-9)


def fifty_videos():
    """Five lanes of different kinds; clips bind, with 25 rounds."""
    return a_market(
        an_order(videos=50, scenes=6),
        seconds={"script": 1.0, "voiceover": 0.45, "image": 1.25, "clip": 6.75, "render": 1.5},
        spread=0.33,
        caps={Stage.CLIP: 12, Stage.RENDER: 10},
        quotas=[a_quota(stage, 60, 6.0, guard_s=0.03) for stage in (Stage.SCRIPT, Stage.IMAGE)],
        pickup_s=0.25,
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_the_steps_keeps_the_binding_lane_fed(seed):
    plain = fifty_videos()
    run = Clock(plain, plain.order.settings, Luck(seed, nominal=True)).run()
    assert run.finish_s / bound_of(plain, plain.order.settings).seconds < 1.05


def test_the_order_of_the_steps_lets_first_videos_come_out_early(monkeypatch):
    """Where all stages share two places, going by stage lets every video wait for the images of all."""
    plain = a_market(an_order(videos=5, scenes=4), spread=0.3, shared=2, places=2)
    ours = Clock(plain, plain.order.settings, Luck(1, nominal=True)).run()
    monkeypatch.setattr(orders, "rank_of", lambda settings, *, stage, video, scene: (STAGE_NUMBER[stage], video, scene))
    by_stage = Clock(plain, plain.order.settings, Luck(1, nominal=True)).run()
    assert ours.first_s < 0.7 * by_stage.first_s
    assert ours.finish_s < by_stage.finish_s * 1.03
