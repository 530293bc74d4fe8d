"""Bytes of a text file to text, and text to rows."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator

from .columns import recognised
from .table import IntakeError, Table, cell_too_long, collect, place

DELIMITERS = (",", ";", "\t")
ONE_COLUMN = "\x1f"  # a delimiter that no list holds: quotes are still understood, commas are text
SAVE_AGAIN = "save the list again as CSV (UTF-8)"

_MARKS = (  # the longer mark first: the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_GUARDED = re.compile(r"'+\s*[=+\-@\t\r\n]")


def decode(source_name: str, data: bytes) -> str:
    """By its mark, else UTF-8, else Windows-1252, which is what spreadsheets in Western Europe save."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_strictly(source_name, data, encoding)
    if b"\0" in data:
        row = _row_of(data, data.index(b"\0"))
        raise IntakeError(
            f"{place(source_name, row)} holds a NUL byte, so this is no text file that can be read: {SAVE_AGAIN}."
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if _is_mostly_utf8(data):
            raise _undecodable(source_name, data, error) from error
    return _decode_strictly(source_name, data, "cp1252")


def _decode_strictly(source_name: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(source_name, data, error) from error


def _undecodable(source_name: str, data: bytes, error: UnicodeDecodeError) -> IntakeError:
    return IntakeError(
        f"{place(source_name, _row_of(data, error.start))} holds bytes that are neither UTF-8 nor UTF-16 "
        f"nor Windows-1252: {SAVE_AGAIN}."
    )


def _is_mostly_utf8(data: bytes) -> bool:
    """One broken byte must not turn every other letter of a UTF-8 file into two wrong ones."""
    letters = _UTF8_LETTER.findall(data)
    strays = len(_HIGH_BYTE.findall(data)) - sum(map(len, letters))
    return len(letters) > strays


def _row_of(data: bytes, offset: int) -> int:
    return len(re.findall(rb"\r\n|\r|\n", data[:offset])) + 1


def read_lines(source_name: str, text: str) -> Table:
    """One topic a line; cells copied from a spreadsheet arrive with tabs between them and stay cells."""
    if "\t" in text.strip():
        return read_delimited(source_name, text, delimiters=("\t",))
    lines = re.split(r"\r\n|\r|\n", text)
    return collect(source_name, ((number, [unguarded(line)]) for number, line in enumerate(lines, start=1)))


def read_delimited(source_name: str, text: str, *, delimiters: tuple[str, ...] = DELIMITERS) -> Table:
    delimiter = guess_delimiter(text, delimiters)
    return collect(source_name, _records(source_name, text, delimiter))


def unguarded(cell: str) -> str:
    """An exported cell that would start a formula carries one quote before it: take it off again."""
    return cell[1:] if _GUARDED.match(cell) else cell


def _records(source_name: str, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter)
    number, begun_at, last_begun_at = 0, 0, 0
    try:
        for number, cells in enumerate(reader, start=1):
            last_begun_at, begun_at = begun_at, reader.line_num
            yield number, [unguarded(cell) for cell in cells]
    except csv.Error as error:  # a cell beyond csv.field_size_limit
        fault = _open_quote if '"' in text else cell_too_long
        raise fault(source_name, number + 1) from error
    if _is_left_open(text, delimiter, last_begun_at):
        raise _open_quote(source_name, number)


def _open_quote(source_name: str, number: int) -> IntakeError:
    return IntakeError(
        f'{place(source_name, number)}: a quote (") is opened and never closed: '
        f'close it, or double every quote that belongs to the text ("").'
    )


def _is_left_open(text: str, delimiter: str, line: int) -> bool:
    """Whether the last record, which begins after `line` lines, ends inside quotes. csv says so only when strict."""
    last = list(io.StringIO(text, newline=""))[line:]
    try:
        list(csv.reader(last, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def guess_delimiter(text: str, delimiters: tuple[str, ...] = DELIMITERS) -> str:
    """The one whose first row reads as known headings, else the one that cuts most rows into equally many cells."""
    best, best_score = ONE_COLUMN, (0, 0.0, 0)
    for delimiter in delimiters:
        score = _score(_sample(text, delimiter))
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _sample(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for cells in csv.reader(io.StringIO(text[:200_000], newline=""), delimiter=delimiter):
            if any(cell.strip() for cell in cells):
                rows.append(cells)
            if len(rows) == 50:
                break
    except csv.Error:
        pass  # the real reading names the row
    return rows


def _score(rows: list[list[str]]) -> tuple[int, float, int]:
    if not rows:  # nothing but this delimiter
        return (0, 0.0, 1)
    headings = len(recognised(rows[0])) if len(rows[0]) > 1 else 0
    widths = [len(cells) for cells in rows]
    usual = max(set(widths), key=widths.count)
    share = widths.count(usual) / len(widths)
    if headings == 0 and (usual < 2 or share < 0.8 or _only_header_is_whole(rows)):
        return (0, 0.0, 0)
    return (headings, share, usual)


def _only_header_is_whole(rows: list[list[str]]) -> bool:
    """A known heading alone in its row says that there is one column, whatever commas the topics hold."""
    return len(rows[0]) == 1 and bool(recognised(rows[0]))
