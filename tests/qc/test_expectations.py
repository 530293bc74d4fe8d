from __future__ import annotations

import pytest

from qc.types import Expectations


def test_equal_expectations_have_equal_hashes():
    assert Expectations(width=1, aspect_ratio="16:9").hash() == Expectations(aspect_ratio="16:9", width=1).hash()


@pytest.mark.parametrize(
    "other", [{"width": 2}, {"seconds": 5.0}, {"prompt": "a"}, {"references": ("a",)}, {"references": ("b",)}]
)
def test_whatever_is_asked_for_changes_the_hash(other):
    hashes = {Expectations().hash(), Expectations(width=1).hash(), Expectations(**other).hash()}
    assert len(hashes) == 3


def test_the_declared_type_is_no_expectation():
    assert Expectations(media_type="image/png").hash() == Expectations().hash()


def test_the_hash_is_the_same_tomorrow():
    assert Expectations(width=16, height=9).hash() == (
        "8d6ec77594b65206117dd642a2481b5473c4b46095e1f51350eae26bf988ebe2"
    )
