from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.intake.columns import guess
from jobs.intake.export import guarded, rejected_csv, template_csv
from jobs.intake.reading import read_upload
from jobs.intake.rules import Offered, RowState, check_rows
from jobs.intake.text import unguarded

OFFERED = Offered(language="en", voices={"en": ("Ada",)})


def check(table):
    mapped = guess(table)
    return check_rows(table.rows[1:], columns=mapped.columns, offered=OFFERED, earlier={}, header=table.rows[0])


def test_only_rows_that_are_not_ready_leave_with_their_reasons():
    rows = check(read_upload("a.csv", b"topic,seconds\nBread,30\nTides,900\nbread\n"))
    lines = list(csv.reader(io.StringIO(rejected_csv(rows, headings=["topic", "seconds"]).decode("utf-8-sig"))))
    assert lines == [
        ["topic", "seconds", "Reason"],
        ["Tides", "900", "Row 3: Length (s) “900”: length must be 5–180 s, as a whole number."],
        ["bread", "", "Row 4: Duplicate of row 2."],
    ]


def test_a_downloaded_list_reads_back_with_the_same_cells():
    rows = check(read_upload("a.csv", 'topic,seconds,notes\nBröt,900,"=x, ""y"""\n'.encode()))
    again = read_upload("b.csv", rejected_csv(rows, headings=["topic", "seconds", "notes"]))
    assert again.rows[1].cells[:3] == ("Bröt", "900", '=x, "y"')


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=x", "  =x", "\r", "\0x", "'=x"])
def test_cells_that_would_run_as_formulas_get_a_quote(cell):
    assert guarded(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["Bread", "'tis the season", "a=b", "", "'", "5 - 3"])
def test_other_cells_stay_as_they_are(cell):
    assert guarded(cell) == cell


@given(st.text(alphabet=st.sampled_from("'=+-@ \tab\r\n")))
def test_guarding_and_taking_it_off_again_changes_nothing(cell):
    assert unguarded(guarded(cell)) == cell


def test_the_template_is_a_list_that_is_ready():
    assert [row.state for row in check(read_upload("topics.csv", template_csv()))] == [RowState.READY] * 2
