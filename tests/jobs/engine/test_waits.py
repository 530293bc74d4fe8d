from __future__ import annotations

from datetime import UTC, datetime, timedelta

from jobs.engine.calls import Answer
from jobs.engine.desk import Claim
from jobs.engine.requests import Ticket
from jobs.engine.waits import STAMPED, TRY_AGAIN, Waits
from providers.exceptions import NotSent
from providers.types import Capability, Request

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=0.4)


def an_answer(slug: str, error: Exception | None = None) -> Answer:
    request = Request(capability=Capability.IMAGE, offer="one", prompt="")
    ticket = Ticket(step_id=1, fence=1, stage="image", slug=slug, request=request, options={})
    return Answer(ticket=ticket, ended_at=NOW, error=error)


def waiting(**claim) -> Waits:
    waits = Waits()
    for slug in ("one", "two"):
        waits.claimed(slug, Claim(again_at=LATER, full_lanes={1}, **claim), 5, NOW)
    return waits


def test_where_only_time_makes_room_no_answer_asks_again():
    waits = waiting()
    waits.ended([an_answer("one")])
    assert not waits.is_worth_a_try("one")
    assert waits.freed == 1


def test_what_was_not_sent_counts_no_more():
    waits = waiting()
    waits.ended([an_answer("one", NotSent("Nothing left."))])
    assert waits.is_worth_a_try("one")
    assert not waits.is_worth_a_try("two")


def test_an_answer_that_settles_for_less_makes_room_at_its_own_provider():
    waits = waiting(answers_make_room=True)
    waits.ended([an_answer("one")])
    assert waits.is_worth_a_try("one")
    assert not waits.is_worth_a_try("two")


def test_a_place_that_came_free_makes_no_other_provider_worth_a_try():
    waits = Waits()
    waits.claimed("one", Claim(full_lanes={1}), 5, NOW)
    waits.claimed("two", Claim(full_lanes={2}), 5, NOW)
    waits.ended([an_answer("one")])
    assert waits.full_lanes() == {2}


def test_what_a_clock_said_that_was_ahead_is_forgotten_when_it_is_put_right():
    waits = waiting()
    waits.forget_past(NOW - timedelta(days=1))
    assert waits.is_worth_a_try("one")
    assert waits.full_lanes() == set()


def test_what_was_learned_since_the_round_began_holds_in_it():
    waits = Waits()
    waits.claimed("one", Claim(again_at=NOW + timedelta(hours=1), full_lanes={1}), 5, NOW + timedelta(seconds=0.02))
    waits.forget_past(NOW)
    assert not waits.is_worth_a_try("one")
    assert waits.full_lanes() == {1}


def test_nothing_is_remembered_for_longer_than_until_the_next_look():
    waits = Waits()
    waits.claimed("one", Claim(again_at=NOW + timedelta(hours=1), full_lanes={1}), 5, NOW)
    waits.forget_past(NOW + TRY_AGAIN)
    assert waits.is_worth_a_try("one")
    assert waits.full_lanes() == set()


def test_news_from_the_wire_bring_the_next_try_forward_where_they_come_from():
    waits = waiting()
    waits.stamped(["one"], NOW)
    assert sorted(waits.moments()) == [NOW + STAMPED, LATER]


def test_who_got_all_that_was_asked_for_waits_for_nothing():
    waits = Waits()
    waits.claimed("one", Claim(again_at=LATER), 0, NOW)
    assert waits.is_worth_a_try("one")
