"""Lists that leave as CSV: the rows that need a fix with their reasons, and an empty list to start from."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from .columns import FIELDS
from .rules import CheckedRow, RowState

# Cells that spreadsheet programs would run as formulas; a quote of our own before them is guarded too, so that
# reading an exported list gives the same text again.
_RUNS = re.compile(r"'*\s*[=+\-@\t\r\n\0]")
REASON = "Reason"


def guarded(cell: str) -> str:
    return "'" + cell if _RUNS.match(cell) else cell


def rejected_csv(rows: Iterable[CheckedRow], *, headings: Sequence[str]) -> bytes:
    """Each row as it was in the list, and why it is left out. Reads back as a list once the cells are put right."""
    lines: list[Sequence[str]] = [[*map(guarded, headings), REASON]]
    for row in rows:
        if row.state != RowState.READY:
            cells = [*row.cells, *[""] * (len(headings) - len(row.cells))]
            lines.append([*map(guarded, cells), f"Row {row.number}: {row.reason}"])
    return _as_csv(lines)


def template_csv() -> bytes:
    """Headings that are recognised, and two rows that are ready."""
    return _as_csv(
        [
            FIELDS,
            ["Why bread rises", "For children; end with a question", "en", "", "45", "16:9", "4"],
            ["How tides work", "", "", "", "", "", ""],
        ]
    )


def _as_csv(lines: Iterable[Sequence[str]]) -> bytes:
    """With a byte order mark, without which Excel reads UTF-8 as Windows-1252."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows(lines)
    return file.getvalue().encode("utf-8-sig")
