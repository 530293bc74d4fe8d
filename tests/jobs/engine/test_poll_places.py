from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobs.engine.calls import Answer
from jobs.engine.poll_places import PollPlaces
from jobs.engine.polling import MOST_POLL_PAUSE_S
from jobs.engine.pool import Pool
from jobs.engine.requests import Ticket
from providers.exceptions import RateLimited, Unknown
from providers.types import Capability, Request

NOW, TICK = datetime(2026, 11, 21, 12, 0, tzinfo=UTC), 1000.0


def failed(slug, error):
    request = Request(capability=Capability.IMAGE, offer="one", prompt="")
    ticket = Ticket(step_id=1, fence=1, stage="image", slug=slug, request=request, options={})
    return Answer(ticket=ticket, ended_at=NOW, error=error)


def begin(places, slug, count):
    return [places.counted(slug, lambda: "said") for _ in range(count)]


def test_the_polls_of_a_provider_take_a_quarter_of_the_threads():
    places, pool = PollPlaces(), Pool(16)
    begin(places, "slow", 4)
    begin(places, "quick", 1)
    assert places.of_each(["slow", "quick", "new"], pool, TICK) == {"quick": 3, "new": 4}


def test_all_polls_leave_a_quarter_of_the_threads_to_others():
    places, pool = PollPlaces(), Pool(16)
    for slug in ("one", "two", "three"):
        begin(places, slug, 4)
    assert places.left(pool) == 0


def test_no_more_are_left_than_threads_are_idle():
    pool = Pool(16)
    pool.busy = 13
    assert PollPlaces().left(pool) == 3


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_few_threads_are_enough_for_a_poll(size):
    places, pool = PollPlaces(), Pool(size)
    assert places.left(pool) == size
    assert places.of_each(["one"], pool, TICK) == {"one": 1}


def test_a_poll_that_comes_back_gives_its_place_back():
    places, pool = PollPlaces(), Pool(4)
    [poll] = begin(places, "one", 1)
    assert places.of_each(["one"], pool, TICK) == {}
    assert poll() == "said"
    assert places.left(pool) == 3
    assert places.of_each(["one"], pool, TICK) == {"one": 1}


def test_one_that_breaks_off_gives_it_back_too():
    places, pool = PollPlaces(), Pool(4)
    with pytest.raises(ZeroDivisionError):
        places.counted("one", lambda: 1 / 0)()
    assert places.left(pool) == 3
    assert places.of_each(["one"], pool, TICK) == {"one": 1}


def test_a_provider_that_refuses_a_poll_for_haste_is_asked_nothing_until_then():
    places, pool = PollPlaces(), Pool(4)
    places.hear([failed("one", RateLimited("Slow down.", retry_after_s=7))], TICK)
    assert places.of_each(["one", "two"], pool, TICK + 6.9) == {"two": 1}
    assert places.of_each(["one", "two"], pool, TICK + 7) == {"one": 1, "two": 1}


def test_of_several_refusals_the_longest_counts_and_none_for_longer_than_a_minute():
    places, pool = PollPlaces(), Pool(4)
    for seconds in (86_400, 5):
        places.hear([failed("one", RateLimited("Slow down.", retry_after_s=seconds))], TICK)
    assert places.of_each(["one"], pool, TICK + MOST_POLL_PAUSE_S - 0.1) == {}
    assert places.of_each(["one"], pool, TICK + MOST_POLL_PAUSE_S) == {"one": 1}


def test_another_failure_of_a_poll_holds_back_no_other():
    places, pool = PollPlaces(), Pool(4)
    places.hear([failed("one", Unknown("It is ill."))], TICK)
    assert places.of_each(["one"], pool, TICK) == {"one": 1}
