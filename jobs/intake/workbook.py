"""XLSX to rows: the archive is counted before anything opens it, then a limited process reads the values."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

from .table import MAX_CELL, MAX_COLUMNS, MAX_ROWS, IntakeError, Table, collect, place
from .text import unguarded

MAX_ENTRIES = 2_000
MAX_UNPACKED = 100 * 2**20
MAX_RATIO = 200
READ_S = 30
SAVE_AGAIN = "open it in a spreadsheet program and save it again as XLSX or CSV"

_CHILD = Path(__file__).with_name("workbook_child.py")
_CHUNK = 2**18
_ENTITY = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_FORMULA = re.compile(rb"<f[ >/]")
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # also what a workbook with a password is wrapped in


def read_workbook(source_name: str, content: bytes) -> Table:
    has_formulas = inspect_archive(source_name, content)
    answer = _read_in_child(source_name, content, has_formulas=has_formulas)
    if where := answer.get("uncalculated"):
        raise IntakeError(
            f"{place(source_name, where[0], where[1])} is a formula without a stored value: "
            f"open the file in a spreadsheet program, save it there, and choose it again."
        )
    note = f"Read from the sheet “{answer['sheet']}”."
    if answer["others"]:
        note += f" {answer['others']} other sheet{'s were' if answer['others'] > 1 else ' was'} not read."
    rows = ((number, [unguarded(cell) for cell in cells]) for number, cells in answer["rows"])
    try:
        return collect(source_name, rows, note=note)
    except IntakeError as error:
        if answer["others"] and not answer["rows"]:
            raise IntakeError(
                f"{source_name}: the first sheet, “{answer['sheet']}”, is empty: move the topics to the first sheet."
            ) from error
        raise


def inspect_archive(source_name: str, content: bytes) -> bool:
    """Refuses what no spreadsheet program writes. Says whether a sheet holds formulas."""
    if content.startswith(_OLD_OFFICE):
        raise IntakeError(
            f"{source_name} is protected by a password or has the old .xls format: "
            f"save it as XLSX without a password, or as CSV."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _refuse_odd_entries(source_name, archive.infolist())
            return _count_unpacked(source_name, archive, len(content))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise IntakeError(f"{source_name} is no XLSX workbook, or is cut off or damaged: {SAVE_AGAIN}.") from error


def _refuse_odd_entries(source_name: str, entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if len(names) > MAX_ENTRIES:
        raise IntakeError(f"{source_name} holds more than {MAX_ENTRIES:,} parts: {SAVE_AGAIN}.")
    if len(set(names)) != len(names) or any(_is_outside(name) for name in names):
        raise IntakeError(f"{source_name} holds parts with names that no workbook has: {SAVE_AGAIN}.")
    if not any(name.lower().endswith("workbook.xml") for name in names):
        raise IntakeError(f"{source_name} is an archive but no XLSX workbook: {SAVE_AGAIN}.")
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise IntakeError(f"{source_name} holds macros: save it as XLSX, which has none, or as CSV.")


def _is_outside(name: str) -> bool:
    return name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or ":" in name


def _count_unpacked(source_name: str, archive: zipfile.ZipFile, packed: int) -> bool:
    """Counted while unpacking: the sizes written in the archive are somebody's claim."""
    total, has_formulas = 0, False
    for entry in archive.infolist():
        is_xml = entry.filename.lower().endswith((".xml", ".rels"))
        is_sheet = is_xml and "/worksheets/" in entry.filename.lower()
        with archive.open(entry) as part:
            end = b""
            while chunk := part.read(_CHUNK):
                total += len(chunk)
                if total > MAX_UNPACKED or total > MAX_RATIO * packed:
                    raise IntakeError(f"{source_name} unpacks to far more than a topic list needs: {SAVE_AGAIN}.")
                if is_xml:
                    _refuse_entities(source_name, end + chunk, is_start=not end)
                if is_sheet and not has_formulas:
                    has_formulas = bool(_FORMULA.search(end + chunk))
                end = chunk[-16:]
    return has_formulas


def _refuse_entities(source_name: str, chunk: bytes, *, is_start: bool) -> None:
    if _ENTITY.search(chunk) or (is_start and chunk.startswith((b"\xff\xfe", b"\xfe\xff"))):
        raise IntakeError(f"{source_name} holds XML that no spreadsheet program writes: {SAVE_AGAIN}.")


def _read_in_child(source_name: str, content: bytes, *, has_formulas: bool) -> dict[str, Any]:
    limits = {"rows": MAX_ROWS, "columns": MAX_COLUMNS, "characters": MAX_CELL, "formulas": int(has_formulas)}
    try:
        ended = subprocess.run(
            [sys.executable, "-I", str(_CHILD), json.dumps(limits)],
            input=content,
            capture_output=True,
            timeout=READ_S,
            env={"OPENPYXL_LXML": "False"},
            check=False,
        )
        answer: dict[str, Any] = json.loads(ended.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:  # too long, or ended by its limits before it could say
        raise _too_much(source_name) from error
    if answer.get("error") == "memory":
        raise _too_much(source_name)
    if answer.get("error") == "no visible sheet":
        raise IntakeError(f"{source_name} has no visible sheet: show the sheet with the topics and save it again.")
    if "error" in answer:
        raise IntakeError(f"{source_name} is no XLSX workbook, or is cut off or damaged: {SAVE_AGAIN}.")
    return answer


def _too_much(source_name: str) -> IntakeError:
    return IntakeError(
        f"{source_name} takes too long or too much memory to open: "
        f"delete the empty rows and sheets around the topics, or save the list as CSV."
    )
