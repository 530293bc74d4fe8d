"""A topic list as rows of text, and what a list may hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_ROWS = 10_000
MAX_COLUMNS = 20
MAX_CELL = 8_000
MAX_TEXT_BYTES = 5 * 2**20
MAX_XLSX_BYTES = 10 * 2**20
PASTED = "The pasted list"


class IntakeError(Exception):
    """The list cannot be read. Its text is one sentence for the person who chose it: place, reason, remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    number: int  # as a spreadsheet counts: the first line of the file is row 1
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    source_name: str
    rows: tuple[SourceRow, ...]
    note: str = ""  # what the reader of the check page should know, such as which sheet was read

    @property
    def width(self) -> int:
        return max((len(row.cells) for row in self.rows), default=0)


def letter(column: int) -> str:
    """0 is A, 25 is Z, 26 is AA: as spreadsheets name columns."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def place(source_name: str, row: int, column: int | None = None) -> str:
    return f"{source_name}, row {row:,}" + ("" if column is None else f", column {letter(column)}")


def collect(source_name: str, rows: Iterable[tuple[int, Sequence[str]]], *, note: str = "") -> Table:
    """Leaves out empty rows, holds every row to the caps, and refuses a list with nothing in it."""
    kept: list[SourceRow] = []
    for number, cells in rows:
        trimmed = _without_empty_end(cells)
        if not trimmed:
            continue
        _hold_to_caps(source_name, number, trimmed)
        kept.append(SourceRow(number=number, cells=trimmed))
        if len(kept) > MAX_ROWS + 1:  # one more than allowed: the first may be a header
            raise too_many_rows(source_name)
    if not kept:
        raise IntakeError(f"{source_name} holds no topics: put one topic on each line.")
    return Table(source_name=source_name, rows=tuple(kept), note=note)


def too_many_rows(source_name: str) -> IntakeError:
    return IntakeError(
        f"{source_name} has more than {MAX_ROWS:,} rows: split it into lists of at most {MAX_ROWS:,} topics."
    )


def cell_too_long(source_name: str, row: int, column: int | None = None) -> IntakeError:
    return IntakeError(
        f"{place(source_name, row, column)} holds more than {MAX_CELL:,} characters: "
        f"shorten it, or look for a quote that is opened and never closed."
    )


def _without_empty_end(cells: Sequence[str]) -> tuple[str, ...]:
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return tuple(cells[:end])


def _hold_to_caps(source_name: str, number: int, cells: tuple[str, ...]) -> None:
    if len(cells) > MAX_COLUMNS:
        raise IntakeError(
            f"{place(source_name, number)} has more than {MAX_COLUMNS} columns: "
            f"keep the topic and the columns that matter, and remove the others."
        )
    for column, cell in enumerate(cells):
        if len(cell) > MAX_CELL:
            raise cell_too_long(source_name, number, column)
        if "\0" in cell:
            raise IntakeError(
                f"{place(source_name, number, column)} holds a NUL character, which no text has: "
                f"save the list again as CSV (UTF-8) or XLSX."
            )
