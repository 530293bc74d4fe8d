"""What leaves: names people can read, a manifest, and a zip that is written while it is sent."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone
from django.utils.text import slugify

from jobs.intake.export import guarded
from jobs.models import Asset, Attempt, Batch, Video

CHUNK = 256 * 1024
DELIVERED = {
    Asset.Kind.RENDER: "mp4",
    Asset.Kind.SRT: "srt",
    Asset.Kind.VTT: "vtt",
    Asset.Kind.POSTER: "jpg",
}
# Letters that have no plain form of their own, and would be left out of a file's name.
SPELT = str.maketrans({"ß": "ss", "œ": "oe", "Œ": "Oe", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"})
COLUMNS = (
    *("position", "topic", "title", "description", "hashtags", "seconds", "width", "height"),
    *("video", "srt", "vtt", "poster", "sha256", "cost_usd"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of the zip."""

    name: str
    stored: str  # path in the media store
    size: int
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    entries: list[Entry]
    manifest: bytes
    missing: list[str]  # names of files that should be there and are not


def base_name(video: Video) -> str:
    """01-why-bread-rises; the number alone where nothing of the title can be written in a-z."""
    return f"{video.position:02d}-{_spelt(video)[:60].strip('-')}".rstrip("-")


def file_name(asset: Asset) -> str:
    """For the person who saves one file: kind, title, scene and number, in letters every system takes."""
    scene = f"scene-{asset.scene.position}" if asset.scene else ""
    parts = (_spelt(asset.video)[:50].strip("-"), scene, asset.kind.replace("_", "-"), str(asset.pk))
    return "-".join(part for part in parts if part) + Path(asset.name).suffix


def _spelt(video: Video) -> str:
    return slugify(str(video).translate(SPELT))


def finished(batch: Batch) -> list[Video]:
    """Videos whose flags are decided and whose render stands."""
    return list(batch.videos.filter(state=Video.State.DONE).order_by("position"))


def prepare(batch: Batch) -> Delivery:
    """Looks everything up; three queries, however many videos."""
    videos = finished(batch)
    ids = [video.pk for video in videos]
    files: dict[tuple[int, str], Asset] = {}
    if ids:
        delivered = Asset.objects.filter(video__batch=batch, video__state=Video.State.DONE, current=True)
        for asset in delivered.filter(kind__in=list(DELIVERED), scene=None):
            files[asset.video_id, asset.kind] = asset
    costs = dict(
        Attempt.objects.filter(step__batch=batch).values_list("step__video").annotate(Sum("cost_micro")).order_by()
    )
    entries, rows, missing = [], [], []
    for video in videos:
        own = {kind: files[video.pk, kind] for kind in DELIVERED if (video.pk, kind) in files}
        for asset in own.values():
            name = f"{base_name(video)}{Path(asset.name).suffix}"
            entries.append(Entry(name=name, stored=asset.name, size=asset.size, made_at=asset.created_at))
            if not (Path(settings.MEDIA_ROOT) / asset.name).is_file():
                missing.append(name)
        rows.append(_row(video, own, costs.get(video.pk, 0)))
    return Delivery(entries=entries, manifest=_manifest(rows), missing=missing)


def _row(video: Video, own: dict[Any, Asset], cost_micro: int) -> list[str]:
    render = own[Asset.Kind.RENDER]
    names = [f"{base_name(video)}{Path(own[kind].name).suffix}" if kind in own else "" for kind in DELIVERED]
    texts = (video.topic, video.title, video.description, " ".join(video.hashtags))
    return [
        str(video.position),
        *(guarded(text) for text in texts),
        f"{render.seconds:.3f}",
        str(render.width),
        str(render.height),
        *names,
        render.sha256,
        f"{cost_micro / 1_000_000:.6f}",
    ]


def _manifest(rows: Iterable[list[str]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([COLUMNS, *rows])
    return file.getvalue().encode("utf-8-sig")  # without the mark Excel reads UTF-8 as Windows-1252


class _Outlet(io.RawIOBase):
    """Takes what the zip writer writes and hands it on; it cannot be sought, so nothing waits in it."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.waiting += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self.waiting)
        self.waiting.clear()
        return data


def zipped(delivery: Delivery) -> Iterator[bytes]:
    """The zip, piece by piece: films do not get smaller, so they are stored; memory holds one piece."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_info("manifest.csv", timezone.now(), len(delivery.manifest)), delivery.manifest)
        for entry in delivery.entries:
            with (
                (Path(settings.MEDIA_ROOT) / entry.stored).open("rb") as source,
                archive.open(_info(entry.name, entry.made_at, entry.size), "w") as target,
            ):
                while chunk := source.read(CHUNK):
                    target.write(chunk)
                    yield outlet.take()
    yield outlet.take()


def _info(name: str, made_at: datetime, size: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, timezone.localtime(made_at).timetuple()[:6])
    info.file_size = size  # known ahead: above 2 GiB the longer records are used
    info.external_attr = 0o644 << 16
    return info
