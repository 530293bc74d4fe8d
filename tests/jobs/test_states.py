from __future__ import annotations

import pytest

from jobs.engine.rows import move
from jobs.states import IN_FLIGHT, MOVES, OPEN, OWNED, STAGE_NUMBER, TERMINAL, Stage, State


def test_every_state_has_its_moves_and_they_lead_to_states():
    assert set(MOVES) == set(State)
    assert set().union(*MOVES.values()) <= set(State)


def test_every_state_is_reached_from_ready_and_reaches_an_end():
    reached = {State.READY}
    for _ in State:
        reached |= set().union(*(MOVES[state] for state in reached))
    assert reached == set(State)
    ending = set(TERMINAL)
    for _ in State:
        ending |= {state for state, to in MOVES.items() if to & ending}
    assert ending == set(State)


def test_ends_are_final_and_every_other_state_can_be_cancelled_or_goes_through_one_that_can():
    for state in State:
        assert (MOVES[state] == frozenset()) is (state in TERMINAL)
        assert state in TERMINAL or State.CANCELLED in MOVES[state]


def test_nothing_is_sent_but_by_a_claim():
    assert [state for state, to in MOVES.items() if State.CLAIMED in to] == [State.READY]


def test_the_groups_fit_together():
    assert OWNED < IN_FLIGHT < OPEN
    assert set(State) == OPEN | TERMINAL


def test_a_move_that_is_not_in_the_table_is_refused():
    with pytest.raises(AssertionError, match="cannot go"):
        move([], frm=State.DONE, to=State.READY)


def test_stages_are_numbered_in_the_order_of_the_road():
    assert [STAGE_NUMBER[stage] for stage in Stage] == list(range(1, len(Stage) + 1))
