"""Reads one workbook from stdin and prints its rows as JSON. Runs alone, in a limited process of its own.

Started as a file with `python -I`: it may import nothing of the project.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import re
import resource
import sys
from collections.abc import Iterator
from typing import Any

MEMORY_BYTES = 512 * 2**20
CPU_S = 20
_ESCAPED = re.compile("_x(00[01][0-9A-Fa-f]|005[Ff])_")  # how workbooks write control characters, and the escape itself


def limit_this_process() -> None:
    for what, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, CPU_S), (resource.RLIMIT_FSIZE, 0)):
        with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
            resource.setrlimit(what, (most, most))


def as_text(value: Any) -> str:
    """What a person sees in the cell. 16:9 typed into a spreadsheet becomes a time of day: give it back."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ", "minutes")
    if isinstance(value, datetime.time):
        return f"{value.hour}:{value.minute}"
    if isinstance(value, datetime.timedelta):
        minutes = int(value.total_seconds()) // 60
        return f"{minutes // 60}:{minutes % 60}"
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), str(value))


def cells_of(row: tuple[Any, ...], *, columns: int, characters: int) -> list[str]:
    """One column and one character more than allowed are kept, so that the parent can name what is too much."""
    end = len(row)
    while end and row[end - 1] in (None, ""):
        end -= 1
    cells = [as_text(value)[: characters + 1] for value in row[: min(end, columns)]]
    return [*cells, "…"] if end > columns else cells


def rows_of(sheet: Any, limits: dict[str, int]) -> Iterator[tuple[int, list[str]]]:
    kept = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        if row and (cells := cells_of(row, columns=limits["columns"], characters=limits["characters"])):
            yield number, cells
            kept += 1
            if kept > limits["rows"] + 1:
                return


def uncalculated(content: bytes, index: int, rows: list[tuple[int, list[str]]]) -> tuple[int, int] | None:
    """The first formula without a stored value: (row, column). Values only would read it as an empty cell."""
    from openpyxl import load_workbook

    values = dict(rows)
    sheet = load_workbook(io.BytesIO(content), read_only=True, keep_links=False).worksheets[index]
    sheet.reset_dimensions()
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        for column, formula in enumerate(row):
            stored = values.get(number, [])
            is_formula = isinstance(formula, str) and formula.startswith("=")
            if is_formula and not (column < len(stored) and stored[column]):
                return number, column
    return None


def read(content: bytes, limits: dict[str, int], *, formulas: bool) -> dict[str, Any]:
    sys.modules["numpy"] = None  # type: ignore[assignment]  # openpyxl would load it: slow, and over the memory limit
    from openpyxl import load_workbook
    from openpyxl.reader.excel import ExcelReader

    ExcelReader.read_chartsheet = lambda *_: None  # type: ignore[method-assign]  # no rows there, and it fails on empty ones
    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    visible = [index for index, sheet in enumerate(book.worksheets) if sheet.sheet_state == "visible"]
    if not visible:
        return {"error": "no visible sheet"}
    sheet = book.worksheets[visible[0]]
    sheet.reset_dimensions()  # some programs write a wrong extent, and rows beyond it would be lost
    rows = list(rows_of(sheet, limits))
    answer: dict[str, Any] = {"sheet": sheet.title, "others": len(visible) - 1, "rows": rows}
    if formulas and (where := uncalculated(content, visible[0], rows)):
        answer["uncalculated"] = where
    return answer


def main() -> None:
    limit_this_process()
    limits = json.loads(sys.argv[1])
    try:
        answer = read(sys.stdin.buffer.read(), limits, formulas=bool(limits["formulas"]))
    except MemoryError:
        answer = {"error": "memory"}
    except Exception as error:  # openpyxl raises what it likes on a damaged workbook
        answer = {"error": f"{type(error).__name__}: {error}"[:300]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
