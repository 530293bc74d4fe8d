"""Workbooks as people, programs and attackers make them."""

from __future__ import annotations

import datetime
import io
import time
import zipfile

import pytest
from openpyxl import Workbook

from jobs.intake import workbook
from jobs.intake.columns import guess
from jobs.intake.reading import read_upload
from jobs.intake.table import IntakeError

pytestmark = pytest.mark.slow

DAMAGED = "a.xlsx is no XLSX workbook, or is cut off or damaged: open it in a spreadsheet program and save it again"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HANGS_S = 60.0  # no claim of speed: an attacker's file must not hang us


def saved(book):
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def a_book(*rows):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    return book


def content(*rows):
    return saved(a_book(*rows))


def rewritten(original, *, replace=None, add=None, leave_out=()):
    """The same archive with other parts."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(original)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in leave_out:
                new.writestr(name, (replace or {}).get(name, old.read(name)))
        for name, data in (add or {}).items():
            new.writestr(name, data)
    return made.getvalue()


def with_sheet(xml_rows, *, head="", extent=""):
    rows = f"<sheetData>{xml_rows}</sheetData>"
    sheet = f'<?xml version="1.0"?>{head}<worksheet xmlns="{MAIN}">{extent}{rows}</worksheet>'
    return rewritten(content(["x"]), replace={"xl/worksheets/sheet1.xml": sheet})


def read(data):
    return read_upload("a.xlsx", data)


def cells(table):
    return [(row.number, *row.cells) for row in table.rows]


def a_styled_book():
    from openpyxl.styles import Font

    book = a_book(["Topic"], ["Bread"])
    book.active["A2"].font = Font(bold=True)
    book.active["A9"].font = Font(bold=True)
    return book


def a_merged_book():
    book = a_book(["Topic", "Notes"], ["Bread", "x"], [None, "y"])
    book.active.merge_cells("A2:A3")
    return book


def a_book_with_hidden_first_sheet():
    book = a_book(["Secret"])
    book.active.sheet_state = "hidden"
    book.create_sheet("Topics").append(["Bread"])
    return book


def a_book_with_hidden_row():
    book = a_book(["Bread"], ["Tides"])
    book.active.row_dimensions[2].hidden = True
    return book


def a_book_with_chart_sheet_first():
    book = a_book(["Bread"])
    book.create_chartsheet("Chart", 0)
    return book


def a_book_with_comment_and_link():
    from openpyxl.comments import Comment

    book = a_book(["Bread"])
    book.active["A1"].comment = Comment("hello", "me")
    book.active["A1"].hyperlink = "http://127.0.0.1/never-fetched"
    return book


READABLE = {
    "one column": (lambda: content(["Bread"], ["Tides"]), [(1, "Bread"), (2, "Tides")]),
    "whole numbers": (lambda: content(["Bread", 30, 30.0]), [(1, "Bread", "30", "30")]),
    "fractions": (lambda: content(["Bread", 30.5]), [(1, "Bread", "30.5")]),
    "truth values": (lambda: content(["Bread", True, False]), [(1, "Bread", "TRUE", "FALSE")]),
    "dates": (lambda: content(["Bread", datetime.date(2026, 3, 1)]), [(1, "Bread", "2026-03-01")]),
    "dates with time": (lambda: content(["B", datetime.datetime(2026, 3, 1, 9, 5)]), [(1, "B", "2026-03-01 09:05")]),
    "16:9 that became a time": (lambda: content(["Bread", datetime.time(16, 9)]), [(1, "Bread", "16:9")]),
    "1:1 that became a time": (lambda: content(["Bread", datetime.time(1, 1)]), [(1, "Bread", "1:1")]),
    "empty rows between": (lambda: content(["Bread"], [], [], ["Tides"]), [(1, "Bread"), (4, "Tides")]),
    "empty rows and columns before": (lambda: content([], [None, "Bread"]), [(2, "", "Bread")]),
    "only styled cells below": (lambda: saved(a_styled_book()), [(1, "Topic"), (2, "Bread")]),
    "merged cells": (lambda: saved(a_merged_book()), [(1, "Topic", "Notes"), (2, "Bread", "x"), (3, "", "y")]),
    "hidden first sheet": (lambda: saved(a_book_with_hidden_first_sheet()), [(1, "Bread")]),
    "hidden row": (lambda: saved(a_book_with_hidden_row()), [(1, "Bread"), (2, "Tides")]),
    "chart sheet first": (lambda: saved(a_book_with_chart_sheet_first()), [(1, "Bread")]),
    "comment and link": (lambda: saved(a_book_with_comment_and_link()), [(1, "Bread")]),
    "guarded formula text": (lambda: content(["'=SUM of bread"]), [(1, "=SUM of bread")]),
    "unicode": (lambda: content(["Brötchen 🍞 למה"]), [(1, "Brötchen 🍞 למה")]),
    "newline in a cell": (lambda: content(["Bread\nand wine"]), [(1, "Bread\nand wine")]),
    "inline strings": (
        lambda: with_sheet('<row r="1"><c r="A1" t="inlineStr"><is><t>Bread</t></is></c></row>'),
        [(1, "Bread")],
    ),
    "no references in cells": (
        lambda: with_sheet('<row><c t="inlineStr"><is><t>Bread</t></is></c></row>'),
        [(1, "Bread")],
    ),
    "formula with its value": (
        lambda: with_sheet('<row r="1"><c r="A1" t="str"><f>"B"&amp;1</f><v>B1</v></c></row>'),
        [(1, "B1")],
    ),
    "error value": (lambda: with_sheet('<row r="1"><c r="A1" t="e"><v>#REF!</v></c></row>'), [(1, "#REF!")]),
    "a wrong extent": (
        lambda: with_sheet(
            '<row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</v></c></row><row r="2"><c r="A2"><v>3</v></c></row>',
            extent='<dimension ref="A1"/>',
        ),
        [(1, "1", "2"), (2, "3")],
    ),
    "external links are not followed": (
        lambda: rewritten(
            content(["Bread"]),
            add={
                "xl/externalLinks/externalLink1.xml": f'<externalLink xmlns="{MAIN}"/>',
                "xl/externalLinks/_rels/externalLink1.xml.rels": '<Relationships><Relationship Id="r" '
                'Target="file:///etc/passwd" TargetMode="External"/></Relationships>',
            },
        ),
        [(1, "Bread")],
    ),
    "the last row a sheet can have": (
        lambda: with_sheet(
            '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="A1048576"><v>2</v></c></row>'
        ),
        [(1, "1"), (1048576, "2")],
    ),
}


@pytest.mark.parametrize("name", READABLE)
def test_a_workbook_is_read_as_it_looks(name):
    make, expected = READABLE[name]
    assert cells(read(make())) == expected


def many_parts():
    return rewritten(content(["x"]), add={f"xl/media/{n}.txt": "" for n in range(10_000)})


def a_bomb():
    return rewritten(content(["x"]), add={"xl/media/zeros.bin": b"\0" * 30_000_000})


def wrong_sizes_in_the_directory():
    """A part that claims to be small: its size in the central directory is forged."""
    made = bytearray(a_bomb())
    at = made.rfind(b"PK\x01\x02")
    made[at + 24 : at + 28] = (10).to_bytes(4, "little")
    return bytes(made)


def twice_the_same_part():
    made = io.BytesIO(content(["x"]))
    with zipfile.ZipFile(made, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return made.getvalue()


def all_sheets_hidden():
    data = saved(a_book(["x"]))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        book = archive.read("xl/workbook.xml").replace(b'state="visible"', b'state="hidden"')
    return rewritten(data, replace={"xl/workbook.xml": book})


ENTITIES = '<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
FORMULA = '<row r="1"><c r="A1"><v>1</v></c></row><row r="3"><c r="A3"><v>1</v></c><c r="B3"><f>A1&amp;1</f></c></row>'
REFUSED = {
    "html named .xlsx": (lambda: b"<html><table><tr><td>Bread</td></tr></table></html>", DAMAGED),
    "csv named .xlsx": (lambda: b"topic\nBread\n", DAMAGED),
    "cut file": (lambda: content(["Bread"])[:-400], DAMAGED),
    "cut to its first bytes": (lambda: content(["Bread"])[:50], DAMAGED),
    "a broken part": (lambda: content(["Bread"]).replace(b"xl/worksheets", b"xl/xxxxsheets", 1), DAMAGED),
    "broken XML": (lambda: with_sheet("<row><c>"), DAMAGED),
    "no sheet behind its name": (lambda: rewritten(content(["x"]), leave_out=("xl/worksheets/sheet1.xml",)), "a.xlsx"),
    "no types": (lambda: rewritten(content(["x"]), leave_out=("[Content_Types].xml",)), DAMAGED),
    "an archive of something else": (
        lambda: rewritten(content(["x"]), leave_out=("xl/workbook.xml",)),
        "a.xlsx is an archive but no XLSX workbook",
    ),
    "with a password, or old": (
        lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
        "a.xlsx is protected by a password or has the old .xls format: save it as XLSX without a password",
    ),
    "macros": (
        lambda: rewritten(content(["x"]), add={"xl/vbaProject.bin": b"x"}),
        "a.xlsx holds macros: save it as XLSX, which has none",
    ),
    "zip bomb": (a_bomb, "a.xlsx unpacks to far more than a topic list needs"),
    "zip bomb with a forged size": (wrong_sizes_in_the_directory, "a.xlsx"),
    "10,000 parts": (many_parts, "a.xlsx holds more than 2,000 parts"),
    "a part outside": (lambda: rewritten(content(["x"]), add={"../../evil.xml": "x"}), "a.xlsx holds parts with names"),
    "an absolute part": (
        lambda: rewritten(content(["x"]), add={"/etc/evil.xml": "x"}),
        "a.xlsx holds parts with names",
    ),
    "a windows part": (lambda: rewritten(content(["x"]), add={"C:evil.xml": "x"}), "a.xlsx holds parts with names"),
    "the same part twice": (twice_the_same_part, "a.xlsx holds parts with names"),
    "entities in the sheet": (
        lambda: with_sheet("", head=ENTITIES),
        "a.xlsx holds XML that no spreadsheet program writes",
    ),
    "entities in UTF-16": (
        lambda: rewritten(content(["x"]), replace={"xl/worksheets/sheet1.xml": ENTITIES.encode("utf-16")}),
        "a.xlsx holds XML that no",
    ),
    "entities after the first chunk": (
        lambda: with_sheet("<!-- " + "x y z" * 60_000 + " -->" + ENTITIES),
        "a.xlsx holds XML that no",
    ),
    "formula never calculated": (
        lambda: with_sheet(FORMULA),
        "a.xlsx, row 3, column B is a formula without a stored value: open the file",
    ),
    "empty workbook": (lambda: saved(Workbook()), "a.xlsx holds no topics: put one topic on each line."),
    "empty first sheet": (
        lambda: saved(_with_second_sheet()),
        "a.xlsx: the first sheet, “Sheet”, is empty: move the topics to the first sheet.",
    ),
    "all sheets hidden": (all_sheets_hidden, "a.xlsx has no visible sheet: show the sheet with the topics"),
    "too many rows": (
        lambda: content(*[[f"Bread {n}"] for n in range(10_002)]),
        "a.xlsx has more than 10,000 rows: split it",
    ),
    "a column far out": (
        lambda: with_sheet('<row r="2"><c r="A2"><v>1</v></c><c r="XFD2"><v>1</v></c></row>'),
        "a.xlsx, row 2 has more than 20 columns",
    ),
    "a long cell": (
        lambda: content(["Bread", "x" * 9_000]),
        "a.xlsx, row 1, column B holds more than 8,000 characters",
    ),
    "NUL by escape": (lambda: content(["Bre_x0000_ad"]), "a.xlsx, row 1, column A holds a NUL character"),
    "11 MB": (lambda: b"PK\x03\x04" + b"x" * 11 * 2**20, "a.xlsx has 11.0 MB, and at most 10 MB can be read"),
    "0 bytes": (lambda: b"", "a.xlsx is empty: it has no bytes at all"),
}


def _with_second_sheet():
    book = Workbook()
    book.create_sheet("Topics").append(["Bread"])
    return book


@pytest.mark.parametrize("name", REFUSED)
def test_a_workbook_that_cannot_be_read_is_refused_with_place_and_remedy(name):
    make, sentence = REFUSED[name]
    data = make()
    began = time.monotonic()
    with pytest.raises(IntakeError) as refused:
        read(data)
    assert str(refused.value).startswith(sentence)
    assert time.monotonic() - began < HANGS_S


@pytest.mark.slow
def test_a_million_empty_rows_are_walked_through():
    rows = '<row r="1"><c r="A1"><v>1</v></c></row>' + "".join(f'<row r="{n}"/>' for n in range(2, 1_048_577))
    assert cells(read(with_sheet(rows))) == [(1, "1")]


def test_reading_that_needs_too_much_memory_or_time_is_ended_with_a_sentence(monkeypatch, tmp_path):
    greedy = tmp_path / "greedy.py"
    greedy.write_text("import sys; sys.stdin.buffer.read(); raise SystemExit(9)")
    monkeypatch.setattr(workbook, "_CHILD", greedy)
    with pytest.raises(IntakeError, match="a.xlsx takes too long or too much memory to open: delete the empty rows"):
        read(content(["Bread"]))


def test_the_note_says_which_sheet_was_read():
    book = a_book(["Bread"])
    book.create_sheet("Old topics").append(["Tides"])
    assert read(saved(book)).note == "Read from the sheet “Sheet”. 1 other sheet was not read."


def test_headings_of_a_workbook_are_guessed():
    mapped = guess(read(content(["Thema", "Länge (s)", "Seitenverhältnis"], ["Brot", 30, "16:9"])))
    assert mapped.has_header
    assert mapped.columns == {"topic": 0, "seconds": 1, "aspect_ratio": 2}
