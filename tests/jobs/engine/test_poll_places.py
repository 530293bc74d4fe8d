from __future__ import annotations

import pytest

from jobs.engine.poll_places import PollPlaces
from jobs.engine.pool import Pool


def begin(places, slug, count):
    return [places.counted(slug, lambda: "said") for _ in range(count)]


def test_the_polls_of_a_provider_take_a_quarter_of_the_threads():
    places, pool = PollPlaces(), Pool(16)
    begin(places, "slow", 4)
    begin(places, "quick", 1)
    assert places.of_each(["slow", "quick", "new"], pool) == {"quick": 3, "new": 4}


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
    assert places.of_each(["one"], pool) == {"one": 1}


def test_a_poll_that_comes_back_gives_its_place_back():
    places, pool = PollPlaces(), Pool(4)
    [poll] = begin(places, "one", 1)
    assert places.of_each(["one"], pool) == {}
    assert poll() == "said"
    assert places.left(pool) == 3
    assert places.of_each(["one"], pool) == {"one": 1}


def test_one_that_breaks_off_gives_it_back_too():
    places, pool = PollPlaces(), Pool(4)
    with pytest.raises(ZeroDivisionError):
        places.counted("one", lambda: 1 / 0)()
    assert places.left(pool) == 3
    assert places.of_each(["one"], pool) == {"one": 1}
