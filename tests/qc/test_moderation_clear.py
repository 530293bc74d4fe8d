from __future__ import annotations

import pytest

from qc.types import Limits, ModerationFacts

from .verdicts import FAILED, PASSED, verdict


@pytest.mark.parametrize(
    ("flagged", "categories", "status"),
    [
        (False, (), PASSED),
        (False, (("violence", 0.79),), PASSED),
        (False, (("violence", 0.8),), FAILED),
        (True, (("violence", 0.1),), FAILED),
        (True, (), FAILED),
    ],
)
def test_neither_flagged_nor_a_high_score(flagged, categories, status):
    facts = ModerationFacts(flagged=flagged, categories=categories)
    assert verdict("moderation.clear", facts).status == status


def test_the_sentence_names_the_categories():
    facts = ModerationFacts(flagged=True, categories=(("violence", 0.93), ("hate", 0.85), ("self-harm", 0.01)))
    assert verdict("moderation.clear", facts).sentence == "Moderation objects: violence (0.93), hate (0.85)."


def test_an_unreadable_answer_blocks():
    result = verdict("moderation.clear", ModerationFacts(error="The answer is empty."))
    assert (result.status, result.sentence) == (FAILED, "The answer is empty.")


def test_the_limit_is_the_profiles():
    facts = ModerationFacts(categories=(("violence", 0.5),))
    assert verdict("moderation.clear", facts, limits=Limits(moderation_max_score=0.4)).status == FAILED
