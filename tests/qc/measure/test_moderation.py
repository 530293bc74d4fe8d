from __future__ import annotations

import pytest

from qc.measure.moderation import measure_moderation, read_moderation


def test_scores_are_read_highest_first():
    facts = read_moderation('{"flagged": true, "categories": {"hate": 0.2, "violence": 0.9, "weapons": true}}')
    assert (facts.error, facts.flagged) == ("", True)
    assert facts.categories == (("weapons", 1.0), ("violence", 0.9), ("hate", 0.2))


def test_categories_may_be_left_out():
    assert read_moderation('{"flagged": false}').categories == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("<html>502</html>", "not JSON"),
        ("{}", "“flagged” is missing"),
        ('{"flagged": "no"}', "“flagged” is missing or neither"),
        ('{"flagged": false, "categories": [1]}', "no object"),
        ('{"flagged": false, "categories": {"hate": "low"}}', "score of “hate” is no number"),
        ('{"flagged": false, "categories": {"hate": null}}', "score of “hate” is no number"),
        ('{"flagged": false, "categories": {"hate": Infinity}}', "number that cannot be read"),
        ('{"flagged": false, "categories": {"hate": 1e999}}', "score of “hate” is no number"),
        ('{"flagged": false, "categories": {"hate": -1}}', "score of “hate” is no number from 0 to 100"),
        ('{"flagged": false, "categories": {"hate": 1' + "0" * 400 + "}}", "score of “hate” is no number"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(text, said):
    facts = read_moderation(text)
    assert said in facts.error and not facts.flagged


def test_a_file_is_read(tmp_path):
    path = tmp_path / "answer.json"
    path.write_text('{"flagged": true}')
    assert measure_moderation(path).flagged
    path.write_bytes(b"\xff\xfe")
    assert "UTF-8" in measure_moderation(path).error
