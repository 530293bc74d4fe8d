"""When what waits in one lane comes back."""

from __future__ import annotations

from math import inf

import pytest

from jobs.forecast import Queues
from jobs.states import Stage
from tests.jobs.forecast.situations import STAGES, a_market, a_quota, an_order

CLIP = STAGES.index(Stage.CLIP) + 1
CLIPS = [("clip", CLIP)]


def ends(calls, *, out=0, until_s=inf, **market):
    order = an_order()
    return Queues(a_market(order, **market), order.settings).ends(CLIP, calls, out=out, until_s=until_s)


def test_places_are_taken_in_turn():
    assert ends(CLIPS * 5, caps={"clip": 2}) == pytest.approx([90, 90, 180, 180, 270])


def test_a_quota_lets_so_many_leave_in_its_window():
    assert ends(CLIPS * 5, quotas=[a_quota(Stage.CLIP, 2, 60)]) == pytest.approx([90, 90, 150, 150, 210], abs=0.1)


def test_what_is_out_keeps_its_places_until_it_ends():
    assert ends(CLIPS * 2, caps={"clip": 2}, out=2) == pytest.approx([120, 150])


def test_nothing_leaves_while_the_lane_is_paused():
    order = an_order()
    queues = Queues(a_market(order), order.settings)
    queues.market.lanes[CLIP].opens_at = 100.0
    assert queues.ends(CLIP, CLIPS, out=0, until_s=inf) == pytest.approx([190])


def test_a_file_is_looked_at_when_it_is_there():
    assert ends(CLIPS, check_s=5) == pytest.approx([95])


def test_calls_that_bring_nothing_are_made_again():
    assert ends(CLIPS * 2, caps={"clip": 1}, measured={"clip": {"missed": 50}}) == pytest.approx([180, 360])
    assert len(ends(CLIPS * 2, caps={"clip": 1}, measured={"clip": {"missed": 100}})) == 2


def test_it_is_not_reckoned_further_than_asked():
    assert ends(CLIPS * 10_000, caps={"clip": 1}, until_s=100) == pytest.approx([90, 180])


def test_a_lane_without_a_place_brings_nothing():
    assert ends(CLIPS, caps={"clip": 0}) == []


def test_what_follows_a_step_is_known():
    order = an_order()
    rests = Queues(a_market(order), order.settings).rests_s()
    assert (rests["render"], rests["clip"], rests["image"]) == pytest.approx((0, 8, 98))
