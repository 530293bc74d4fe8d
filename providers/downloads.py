"""An adapter's output becomes a stored file: fetched, measured, named by its content, then moved into place.

A final name always means a complete file. The engine's threads call this; it knows no database.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from . import outbound
from .file_types import EXTENSIONS, HEAD_BYTES, sniff
from .outbound import Answer, Pace
from .types import Output

GIB = 1024**3
TEMP_FOLDER = "tmp"
MOST_TO_RESHAPE = 64 * 2**20
TEMP_LIFE_S = 24 * 3600
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
GONE = (401, 403, 404, 410)
LATER = (408, 425, 429, 500, 502, 503, 504)


class DownloadError(Exception):
    """`retry`: the same link may work later; `expired`: ask the job for a fresh link first."""

    def __init__(self, message: str, *, retry: bool = False, expired: bool = False) -> None:
        super().__init__(message)
        self.message, self.retry, self.expired = message, retry, expired


class DiskFull(Exception):
    """Nothing is wrong with the result: it is taken again when there is room."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def _unwatched(place: str) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    name: str  # relative to the media folder, with slashes
    sha256: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Below so many bytes a second on average, looked at once `grace_s` have gone, a download is given up."""

    least_bytes_per_s: int = 1024
    grace_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where a link may lead, and how much may come."""

    allowed: tuple[str, ...]
    allow_loopback: bool
    max_bytes: int
    min_free_bytes: int
    pace: Pace
    speed: Speed
    passing: Callable[[str], None]  # told the named places that it comes to


def store(
    output: Output,
    *,
    media_root: Path,
    adapter_host_allow: tuple[str, ...],
    base_url: str,
    allow_loopback: bool,
    max_bytes: int = 2 * GIB,
    min_free_bytes: int = GIB,
    pace: Pace | None = None,
    speed: Speed | None = None,
    passing: Callable[[str], None] = _unwatched,
    reshape: Callable[[bytes], bytes | None] | None = None,
) -> StoredFile:
    """Raises DownloadError or DiskFull and then leaves nothing behind. A file of ours (`output.path`) is used up.

    What `reshape` makes of the content is stored in its place; None: nothing else.
    """
    own_host = (urlsplit(base_url).hostname or "",) if base_url else ()
    source = _Source(
        allowed=adapter_host_allow + own_host,
        allow_loopback=allow_loopback,
        max_bytes=max_bytes,
        min_free_bytes=min_free_bytes,
        pace=pace or Pace(),
        speed=speed or Speed(),
        passing=passing,
    )
    with _room_watched(), _temp_file(media_root) as temp:
        _guard_room(media_root, min_free_bytes)
        _fill(temp, output, source)
        if reshape is not None and temp.stat().st_size <= MOST_TO_RESHAPE:
            other = reshape(temp.read_bytes())
            if other is not None:
                temp.write_bytes(other)
        return _publish(temp, media_root, output.media_type, max_bytes, passing)


def free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free


def sweep_temp(media_root: Path, *, now: float | None = None) -> int:
    """Deletes what interrupted downloads left more than a day ago; how many files."""
    oldest = (time.time() if now is None else now) - TEMP_LIFE_S
    deleted = 0
    for path in (media_root / TEMP_FOLDER).glob("*.part"):
        try:
            if path.lstat().st_mtime < oldest:
                path.unlink()
                deleted += 1
        except FileNotFoundError:  # another process sweeps too
            continue
    return deleted


@contextmanager
def _room_watched() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise DiskFull("The disk is full: free some space, then the work goes on by itself.") from error
        raise


@contextmanager
def _temp_file(media_root: Path) -> Iterator[Path]:
    """A name in the same file system as the store, so that moving into place is one step."""
    folder = media_root / TEMP_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    temp = folder / f"{uuid.uuid4().hex}.part"
    try:
        yield temp
    finally:
        temp.unlink(missing_ok=True)


def _guard_room(media_root: Path, needed: int) -> None:
    free = free_bytes(media_root)
    if free < needed:
        raise DiskFull(
            f"The disk has {free / GIB:.1f} GiB free and {needed / GIB:.1f} GiB are needed: free some space, "
            f"then the work goes on by itself."
        )


def _fill(temp: Path, output: Output, source: _Source) -> None:
    if output.url:
        _download(output.url, temp, source)
    elif output.path is not None:
        _take(output.path, temp)
    elif output.content is not None:
        temp.write_bytes(output.content)
    else:
        raise DownloadError("The provider's answer names no file.")


def _take(path: Path, temp: Path) -> None:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise DownloadError(f"The result {path.name} is not an ordinary file.")
    except FileNotFoundError as error:
        raise DownloadError(f"The result {path.name} is not there.") from error
    shutil.move(path, temp)


def _download(url: str, temp: Path, source: _Source) -> None:
    try:
        target = outbound.check(url, allowed=source.allowed, allow_loopback=source.allow_loopback)
        with outbound.get(target, pace=source.pace) as answer:
            _judge(answer, source, temp)
            _receive(answer, temp, source)
    except outbound.Unreachable as error:
        raise DownloadError(error.message, retry=True) from error
    except outbound.Blocked as error:
        raise DownloadError(error.message) from error


def _judge(answer: Answer, source: _Source, temp: Path) -> None:
    if answer.status in GONE:
        raise DownloadError(f"The link to the result no longer works ({answer.status}).", expired=True)
    if answer.status != 200:
        raise DownloadError(
            f"{answer.host} answered {answer.status} instead of the file.", retry=answer.status in LATER
        )
    if answer.header("Content-Encoding").lower() not in ("", "identity"):
        raise DownloadError(f"{answer.host} sent the file packed, which was not asked for.")
    if (answer.length or 0) > source.max_bytes:
        raise _too_big(source.max_bytes)
    _guard_room(temp.parent, source.min_free_bytes + (answer.length or 0))


def _receive(answer: Answer, temp: Path, source: _Source) -> None:
    size, started = 0, time.monotonic()
    with temp.open("xb") as file:
        for chunk in answer.chunks():
            size += len(chunk)
            if size > source.max_bytes:
                raise _too_big(source.max_bytes)
            taken_s = time.monotonic() - started
            if taken_s > source.speed.grace_s and size < taken_s * source.speed.least_bytes_per_s:
                raise DownloadError(f"{answer.host} sends too slowly.", retry=True)
            file.write(chunk)
            source.passing("mid_download")
    if answer.length is not None and size != answer.length:
        raise DownloadError(f"The file broke off after {size} of {answer.length} bytes.", retry=True)


def _too_big(max_bytes: int) -> DownloadError:
    return DownloadError(f"The file is larger than {max_bytes / GIB:.2g} GiB, the most that is taken.")


def _publish(temp: Path, media_root: Path, declared: str, max_bytes: int, passing: Callable[[str], None]) -> StoredFile:
    size, digest, head = _measure(temp)
    if size == 0:
        raise DownloadError("The file is empty.", retry=True)
    if size > max_bytes:
        raise _too_big(max_bytes)
    media_type = sniff(head, declared=declared)
    _compare(media_type, declared)
    final = media_root / digest[:2] / digest[2:4] / f"{digest}.{EXTENSIONS[media_type]}"
    if not (final.is_file() and final.stat().st_size == size):
        passing("before_rename")
        _move_into_place(temp, final, media_root)
    passing("after_rename_before_row")
    return StoredFile(name=final.relative_to(media_root).as_posix(), sha256=digest, size=size, media_type=media_type)


def _measure(temp: Path) -> tuple[int, str, bytes]:
    with temp.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest, head


def _compare(media_type: str, declared: str) -> None:
    """An error page in place of a film is refused here; a PNG where a JPEG was promised is welcome."""
    if not media_type:
        raise DownloadError("The file is of no kind that is kept here (pictures, film, sound, JSON, captions, text).")
    if _family(declared) not in ("", _family(media_type)):
        raise DownloadError(f"The provider promised {declared} and sent {media_type}.")


def _family(media_type: str) -> str:
    main = media_type.partition("/")[0]
    if main in ("video", "audio") or media_type == "application/ogg":
        return "film or sound"
    if main == "text" or media_type in ("application/json", "application/x-subrip"):
        return "text"
    return "image" if main == "image" else ""


def _move_into_place(temp: Path, final: Path, media_root: Path) -> None:
    with temp.open("rb") as file:
        os.fsync(file.fileno())
    final.parent.mkdir(parents=True, exist_ok=True)
    os.replace(temp, final)
    for folder in (final.parent, final.parent.parent, media_root):
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
