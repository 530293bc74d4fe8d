"""Files that people may see: private, with byte ranges (players seek by them), never run by a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from jobs.delivery import file_name
from jobs.models import Asset
from providers import public_files
from providers.file_types import EXTENSIONS

CHUNK = 256 * 1024
SHOWN = ("image/", "video/", "audio/")
TEXTS = {"text/vtt", "application/x-subrip"}
MEDIA_TYPES = {extension: media_type for media_type, extension in EXTENSIONS.items()}
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


@require_safe
def media_file(request: HttpRequest, pk: int, name: str) -> HttpResponseBase:
    """`name` is only for people; the number and the reader's projects decide."""
    asset = get_object_or_404(Asset.objects.for_user(request.user).select_related("video", "scene"), pk=pk)
    return serve(request, StoredFile(name=asset.name, tag=asset.sha256, called=file_name(asset)))


@require_safe
def media_thumbnail(request: HttpRequest, pk: int) -> HttpResponseBase:
    asset = get_object_or_404(Asset.objects.for_user(request.user), pk=pk)
    name = asset.thumbnail or (asset.name if asset.media_type.startswith("image/") else "")
    if not name:
        raise Http404("This file has no picture.")
    return serve(request, StoredFile(name=name, tag=f"{asset.sha256}-small", called=f"thumbnail-{asset.pk}.jpg"))


@login_not_required
@require_safe
def public_file(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """A picture for a vendor that fetches it: whoever has the address, of which only the vendor was told."""
    stored = public_files.name_of(token)
    if stored is None or not is_picture(stored):
        raise Http404("There is no such file.")
    return serve(request, StoredFile(name=stored, tag=Path(stored).stem, called=Path(stored).name))


def is_picture(name: str) -> bool:
    return MEDIA_TYPES.get(Path(name).suffix.removeprefix("."), "").startswith("image/")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    name: str  # path in the media store
    tag: str  # changes when the bytes do
    called: str  # for the person who saves it
    attachment: bool = False


def serve(request: HttpRequest, file: StoredFile) -> HttpResponseBase:
    path = Path(settings.MEDIA_ROOT) / file.name
    try:
        size = path.stat().st_size
    except OSError as error:
        raise Http404("This file is no longer in the media store.") from error
    etag = f'"{file.tag}"'
    if request.headers.get("If-None-Match") == etag:
        return _dressed(HttpResponse(status=304), file, etag)
    if_range = request.headers.get("If-Range", etag)
    wanted = _RANGE.fullmatch(request.headers.get("Range", "")) if if_range == etag else None
    start, stop, status = 0, size, 200
    if wanted and _is_range(*wanted.groups()):  # several ranges, or none we understand: the whole file
        start, stop = _bounds(*wanted.groups(), size=size)
        status = 206
        if start >= stop:
            return _dressed(HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"}), file, etag)
    headers = {"Content-Length": str(stop - start)}
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    response: HttpResponseBase
    if request.method == "HEAD":
        response = HttpResponse(headers=headers, status=status)
    else:
        response = StreamingHttpResponse(chunks(path, start, stop), headers=headers, status=status)
    return _dressed(response, file, etag)


def _is_range(first: str, last: str) -> bool:
    return int(first) <= int(last) if first and last else bool(first or last)


def _bounds(first: str, last: str, *, size: int) -> tuple[int, int]:
    if not first:  # the last so many bytes
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


def chunks(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb") as handle:
        handle.seek(start)
        while start < stop and (chunk := handle.read(min(CHUNK, stop - start))):
            start += len(chunk)
            yield chunk


def _dressed(response: HttpResponseBase, file: StoredFile, etag: str) -> HttpResponseBase:
    """What a vendor or a name says about the type is not asked: the ending is our own, given by the file's content."""
    media_type = MEDIA_TYPES.get(Path(file.name).suffix.removeprefix("."), "application/octet-stream")
    attachment = file.attachment or not (media_type.startswith(SHOWN) or media_type in TEXTS)
    response["Content-Type"] = f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
    response["Content-Disposition"] = content_disposition_header(attachment, file.called) or "attachment"
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    response["Cache-Control"] = "private, max-age=31536000, immutable"  # other bytes have another address
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    return response
