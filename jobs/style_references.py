"""Pictures that say what a project should look like: decoded and written anew in a limited child, without metadata."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from jobs.control import Refused
from jobs.models import Project, StyleReference
from providers import downloads
from providers.file_types import HEAD_BYTES, sniff
from providers.media import sandbox
from providers.types import Output
from qc.measure.image import measure_image

MIB = 2**20
LARGEST = 20 * MIB
WIDEST = 2048  # pixels kept
THUMBNAIL = 480
MOST = 24  # of a project
TAKEN = ("image/png", "image/jpeg", "image/webp")


def add(project: Project, upload: UploadedFile[bytes]) -> StyleReference:
    """Raises Refused with a sentence that names the file."""
    name = (upload.name or "The picture")[:100]
    if upload.size is None or upload.size > LARGEST:
        raise Refused(
            f"{name} has {(upload.size or 0) / MIB:.0f} MB; 20 MB is the most. Save it smaller and try again."
        )
    head = upload.read(HEAD_BYTES)
    upload.seek(0)
    if sniff(head) not in TAKEN:
        raise Refused(f"{name} is no PNG, JPEG or WebP picture, whatever its name says. Save it as one of these.")
    if project.references.count() >= MOST:
        raise Refused(f"A project holds {MOST} style references at most. Remove one first.")
    with tempfile.TemporaryDirectory(dir=settings.WORK_ROOT) as folder:
        given, clean = Path(folder, "given"), Path(folder, "clean.jpg")
        with given.open("wb") as out:
            for chunk in upload.chunks():
                out.write(chunk)
        _rewrite(given, clean, WIDEST, name)
        return _keep(project, clean, name)


def _rewrite(source: Path, target: Path, width: int, name: str) -> None:
    try:
        facts = measure_image(source, thumbnail=target, thumbnail_width=width)
    except sandbox.MediaError as error:
        raise Refused(f"{name} could not be looked at: {error.message}") from error
    if facts.error:
        raise Refused(f"{name} could not be read. {facts.error}")


def _keep(project: Project, clean: Path, name: str) -> StyleReference:
    from PIL import Image  # 10 MB that no other page needs

    with Image.open(clean) as picture:  # our own file by now; only its header is read
        width, height = picture.size
    small = clean.with_name("small.jpg")
    _rewrite(clean, small, THUMBNAIL, name)
    stored = downloads.store(
        Output(path=clean, media_type="image/jpeg"),
        media_root=Path(settings.MEDIA_ROOT),
        adapter_host_allow=(),
        base_url="",
        allow_loopback=False,
        min_free_bytes=settings.MIN_FREE_BYTES,
    )
    small.replace(Path(settings.MEDIA_ROOT, _small(stored.name)))
    reference, is_new = StyleReference.objects.get_or_create(
        project=project, sha256=stored.sha256, defaults={"name": stored.name, "width": width, "height": height}
    )
    if not is_new:
        raise Refused(f"{name} is already among the style references.")
    return reference


def picture_name(reference: StyleReference) -> str:
    """In the media store; the small one where there is one."""
    small = _small(reference.name)
    return small if Path(settings.MEDIA_ROOT, small).exists() else reference.name


def _small(name: str) -> str:
    return str(Path(name).with_suffix(".thumb.jpg"))
