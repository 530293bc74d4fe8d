from __future__ import annotations

import pytest

from providers.repeats import repeats


@pytest.mark.parametrize(
    ("prompt", "without", "times"),
    [
        ("a lake", "a lake", 1),
        ("a stage—R&B singers on it", "a stage—R&B singers on it", 1),
        ("notes of a day--r", "notes of a day--r", 1),
        ("a lake --r, and a boat", "a lake --r, and a boat", 1),
        ("a lake --repeat 4", "a lake", 4),
        ("a lake --r 10 --ar 16:9", "a lake --ar 16:9", 10),
        ("a lake --repeat 40", "a lake", 40),
        ("a lake --repeat 41", "a lake", 40),
        ("a lake --repeat 99999999999999999999", "a lake", 40),
        ("a lake --repeat 0", "a lake", 1),
        ("a lake --repeat", "a lake", 1),
        ("a lake --R 3", "a lake", 3),
        ("a lake --repeat4", "a lake", 4),
        ("a lake —repeat 5", "a lake", 5),
        ("a lake --r 3 --repeat 2", "a lake", 3),
        ("a lake --raw --relax", "a lake --raw --relax", 1),
        ("a lake — really calm", "a lake — really calm", 1),
        ("", "", 1),
    ],
)
def test_repeats_are_taken_out_of_a_prompt_and_counted(prompt, without, times):
    assert repeats(prompt) == (without, times)
