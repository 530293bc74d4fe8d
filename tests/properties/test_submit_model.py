"""The protocol of a submit, in every order of events that a small world has; and that the world can see a mistake."""

from __future__ import annotations

import time

import pytest

from tests.properties.submit_model import BLIND, FREE, KEYED, LISTABLE, Rules, explore

CLASSES = (FREE, KEYED, LISTABLE, BLIND)
LONGEST_S = 10.0


@pytest.mark.parametrize("recovery", CLASSES)
def test_no_order_of_events_orders_twice_or_loses_work(recovery):
    began = time.process_time()
    found = explore(Rules(recovery))
    assert found.doubles == ()
    assert found.lost == ()
    assert found.states > 500
    assert time.process_time() - began < LONGEST_S


@pytest.mark.parametrize("recovery", [KEYED, LISTABLE, BLIND])
def test_without_the_attempt_row_the_double_order_is_found(recovery):
    road = explore(Rules(recovery, attempt_row=False)).doubles
    assert [step for step in road if "dies" in step]
    assert len([step for step in road if "sends: taken" in step]) == 2


def test_without_the_proof_of_death_the_listable_double_order_is_found_and_needs_no_death():
    road = explore(Rules(LISTABLE, death_proof=False)).doubles
    assert [step for step in road if "finds nothing" in step]
    assert not [step for step in road if "dies" in step]
    order = ["looks at the clock", "finds nothing", "sends: taken", "looks at the clock", "sends: taken"]
    places = iter(road)
    assert all(any(word in step for step in places) for word in order)


@pytest.mark.parametrize("recovery", [KEYED, BLIND])
def test_without_the_proof_of_death_the_other_classes_order_once_all_the_same(recovery):
    assert explore(Rules(recovery, death_proof=False)).doubles == ()


def test_a_blind_retry_orders_twice():
    assert len(explore(Rules(BLIND, blind_retry=True)).doubles) > 0
