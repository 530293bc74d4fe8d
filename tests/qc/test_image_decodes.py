from __future__ import annotations

import pytest

from qc.types import Expectations, ImageFacts

from .verdicts import FAILED, PASSED, verdict


def test_a_readable_picture_passes_and_says_what_it_is():
    result = verdict("image.decodes", ImageFacts(format="PNG"))
    assert (result.status, result.sentence) == (PASSED, "The picture can be read; it is PNG.")


def test_what_could_not_be_read_fails_with_the_reason():
    result = verdict("image.decodes", ImageFacts(error="The picture is cut off."))
    assert (result.status, result.measured, result.sentence) == (FAILED, "unreadable", "The picture is cut off.")


@pytest.mark.parametrize(
    ("media_type", "remarked"), [("image/png", True), ("image/jpeg", False), ("image/jpg", False), ("", False)]
)
def test_a_wrong_declared_type_is_remarked_upon_but_no_reason_to_pay_again(media_type, remarked):
    result = verdict("image.decodes", ImageFacts(format="JPEG"), expected=Expectations(media_type=media_type))
    assert result.status == PASSED
    assert (f"although it came as {media_type}" in result.sentence) is remarked
