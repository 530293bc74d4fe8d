"""Files that clients upload, and those that bulk jobs leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .books import Row
from .replies import Asked, Reply, error

if TYPE_CHECKING:
    from .vendor import Vendors


def upload(vendors: Vendors, asked: Asked) -> Reply:
    """A form with `purpose` and `file`, as browsers and SDKs send it; or the bytes alone."""
    form = _form(asked.raw, asked.media_type)
    name, content = form.get("file", ("upload.jsonl", asked.raw))
    number = vendors.books.rows("SELECT count(*) n FROM files")[0]["n"] + 1  # goes on where a killed one stopped
    row = {
        "id": f"file-{number:06d}-{vendors.behaviour.luck('file').getrandbits(32):08x}",
        "vendor": asked.vendor,
        "name": name,
        "content": content,
        "created_at": asked.at,
    }
    vendors.books.saw(vendors.entry(asked), verdict="uploaded", made=[("files", row)])
    return Reply(body=_told(vendors, row))


def _form(raw: bytes, media_type: str) -> dict[str, tuple[str, bytes]]:
    """By field: file name and content."""
    _, mark, boundary = media_type.partition("boundary=")
    found = {}
    for part in raw.split(b"--" + boundary.strip('"').encode()) if mark else []:
        head, blank, content = part.strip(b"-").removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if blank:
            words = dict(word.strip().partition("=")[::2] for word in head.decode().splitlines()[0].split(";"))
            name = words.get("filename", "").strip('"')
            found[words.get("name", "").strip('"')] = (name, content.removesuffix(b"\r\n"))
    return found


def known(vendors: Vendors, vendor: str, file_id: str) -> Row | None:
    sql = "SELECT * FROM files WHERE vendor = ? AND id = ? AND deleted_at IS NULL"
    found = vendors.books.rows(sql, vendor, file_id)
    return found[0] if found else None


def _told(vendors: Vendors, row: Row) -> dict[str, Any]:
    created_at = vendors.clock.real(row["created_at"])
    return {"id": row["id"], "filename": row["name"], "bytes": len(row["content"]), "created_at": created_at}


def listing(vendors: Vendors, asked: Asked) -> Reply:
    vendors.books.saw(vendors.entry(asked), verdict="looked")
    sql = "SELECT * FROM files WHERE vendor = ? AND deleted_at IS NULL ORDER BY rowid"
    return Reply(body={"files": [_told(vendors, row) for row in vendors.books.rows(sql, asked.vendor)]})


def delete(vendors: Vendors, asked: Asked, file_id: str) -> Reply:
    vendors.books.saw(vendors.entry(asked), verdict="looked")
    if known(vendors, asked.vendor, file_id) is None:
        return error(404, "no_such_file")
    vendors.books.delete_file(file_id, asked.at)
    return Reply(body={"id": file_id, "deleted": True})


def content(vendors: Vendors, asked: Asked, file_id: str) -> Reply:
    """Of an upload; or of a bulk job's `output-<id>` or `error-<id>`, which the server writes."""
    vendors.books.saw(vendors.entry(asked), verdict="looked")
    if row := known(vendors, asked.vendor, file_id):
        return Reply(body=row["content"], media_type="application/jsonl")
    role, _, bulk_id = file_id.partition("-")
    bulk = vendors.books.bulk(asked.vendor, bulk_id) if role in ("output", "error") else None
    if bulk is None or (role == "output" and bulk["fault"] == "output_gone"):
        return error(404, "no_such_file")
    return Reply(lines_of=(bulk, role), media_type="application/jsonl")
