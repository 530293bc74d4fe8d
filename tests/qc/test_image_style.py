from __future__ import annotations

from qc.types import Expectations, ImageFacts

from .verdicts import SKIPPED, verdict


def test_without_the_model_it_is_visibly_not_run():
    result = verdict("image.style", ImageFacts(), expected=Expectations(references=("ab12",)))
    assert (result.status, result.sentence) == (SKIPPED, "not run: the style model is not installed")


def test_without_references_there_is_nothing_to_compare_with():
    result = verdict("image.style", ImageFacts())
    assert (result.status, result.sentence) == (SKIPPED, "not run: the project has no style references")
