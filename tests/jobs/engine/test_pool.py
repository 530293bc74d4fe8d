from __future__ import annotations

import pytest

from jobs.engine.pool import Pool


@pytest.fixture
def pool():
    made = Pool(1)
    yield made
    made.shutdown()


def fail() -> None:
    raise RuntimeError("nobody expected that")


def test_what_breaks_off_frees_its_place_and_its_thread_works_on(pool, caplog):
    pool.start("check", fail, paid=True)
    assert pool.gather(5.0) == {}
    assert (pool.busy, pool.paid, pool.idle) == (0, 0, 1)
    assert "a check broke its thread's work" in caplog.text
    assert "nobody expected that" in caplog.text
    pool.start("check", lambda: "done")
    assert pool.gather(5.0) == {"check": ["done"]}


def test_what_is_on_the_way_takes_and_frees_no_place(pool):
    def work() -> str:
        pool.results.put(("wire", "left"))
        return "answered"

    pool.start("call", work, paid=True)
    found: dict[str, list[object]] = {}
    while "call" not in found:
        for kind, values in pool.gather(5.0).items():
            found.setdefault(kind, []).extend(values)
    assert found == {"wire": ["left"], "call": ["answered"]}
    assert (pool.busy, pool.paid) == (0, 0)
