"""A chosen file or a pasted text to a table. Whatever cannot be read is an IntakeError with place and remedy."""

from __future__ import annotations

from pathlib import PurePath

from . import text
from .table import MAX_TEXT_BYTES, MAX_XLSX_BYTES, PASTED, IntakeError, Table
from .workbook import read_workbook

TEXT_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".txt", ".text"})
REMEDY = "save the list as CSV, TXT or XLSX"
_WEB_PAGE = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body", b"<table")
_ZIP = b"PK\x03\x04"
_KNOWN_BINARIES = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"{\\rtf")


def size_limit(source_name: str) -> int:
    return MAX_XLSX_BYTES if _suffix(source_name) == ".xlsx" else MAX_TEXT_BYTES


def check_size(source_name: str, size: int) -> None:
    """Called before the bytes are read."""
    most = size_limit(source_name)
    if size > most:
        raise IntakeError(
            f"{source_name} has {size / 2**20:.1f} MB, and at most {most // 2**20} MB can be read: "
            f"split it, or remove what is not about topics."
        )
    if size == 0:
        raise IntakeError(f"{source_name} is empty: it has no bytes at all. Save the list again and choose that file.")


def read_upload(filename: str, content: bytes) -> Table:
    source_name = display_name(filename)
    check_size(source_name, len(content))
    suffix = _suffix(source_name)
    if suffix == ".xlsx":
        return read_workbook(source_name, content)
    if suffix not in TEXT_SUFFIXES:
        raise IntakeError(f"{source_name} is of a kind that cannot be read ({suffix or 'no ending'}): {REMEDY}.")
    _refuse_other_kinds(source_name, content)
    decoded = text.decode(source_name, content)
    if suffix in (".txt", ".text"):
        return text.read_lines(source_name, decoded)
    delimiters = ("\t",) if suffix in (".tsv", ".tab") else text.DELIMITERS
    return text.read_delimited(source_name, decoded, delimiters=delimiters)


def read_paste(pasted: str) -> Table:
    size = len(pasted.encode("utf-8", "surrogatepass"))
    if size:
        check_size(PASTED, size)
    return text.read_lines(PASTED, pasted.removeprefix("\ufeff"))


def display_name(filename: str) -> str:
    """The last part of a name from a browser, on one line, without marks that turn the reading direction."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(letter for letter in last if letter.isprintable()).strip()
    if len(shown) > 120:
        shown = shown[:100] + "…" + shown[-19:]
    return shown or "The file"


def _suffix(source_name: str) -> str:
    return PurePath(source_name).suffix.lower()


def _refuse_other_kinds(source_name: str, content: bytes) -> None:
    start = content[:512].lstrip().lower()
    if content.startswith(_ZIP):
        raise IntakeError(f"{source_name} is an archive or a workbook inside: rename it to .xlsx, or {REMEDY}.")
    if start.startswith(_WEB_PAGE):
        raise IntakeError(f"{source_name} is a web page inside, not a list: {REMEDY}.")
    if content.startswith(_KNOWN_BINARIES):
        raise IntakeError(f"{source_name} is not a text file inside, whatever its name says: {REMEDY}.")
