import json

import pytest

from benchmarks import report


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "REPORT", tmp_path / "report.json")
    monkeypatch.setattr(report, "DOCS", tmp_path / "benchmarks.md")


def test_a_part_that_is_measured_anew_touches_no_other():
    report.keep("A", {"value": 1.0, "target": 1.1})
    report.keep("B", {"value": 2.0, "target": 1.1})
    before = report.read()["A"]
    report.keep("B", {"value": 1.0, "target": 1.1})
    assert report.read()["A"] == before
    assert json.loads(report.REPORT.read_text())["B"]["value"] == 1.0


@pytest.mark.parametrize(
    ("figures", "reached"),
    [
        ({"value": 1.01, "target": 1.01}, True),
        ({"value": 1.02, "target": 1.01}, False),
        ({"value": 1.00, "target": 1.01, "refusals": 1}, False),
        ({"value": 1.00, "target": 1.01, "lost": 1}, False),
        ({"value": 0.98, "target": 0.97, "at_least": True}, True),
        ({"value": 0.96, "target": 0.97, "at_least": True}, False),
        ({"value": 1.00, "target": 1.01, "reached": False}, False),
    ],
)
def test_a_refusal_or_a_loss_spoils_a_good_figure(figures, reached):
    assert report.is_reached(figures) is reached


def test_the_table_goes_between_its_marks_and_says_what_is_missed():
    report.DOCS.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    peers = {"script": {"ratio": 1.3, "refusals": 20, "lost": 2}}
    report.write_docs({"A": {"value": 1.2, "target": 1.1, "peers": peers}})
    text = report.DOCS.read_text()
    assert text.startswith("before") and text.endswith("after\n") and "old" not in text
    assert "| A | **1.2** | at most 1.1 |" in text
    assert "script 1.3 with 20 refused and 2 lost" in text
