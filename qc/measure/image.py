"""Facts of a picture. It is decoded in a child of its own, once, which writes the thumbnail as well."""

from __future__ import annotations

from pathlib import Path

from providers.media.errors import MediaError, ProgramFailed
from providers.media.sandbox import run_python

from ..types import ImageFacts
from .failure import sentence_of

TIMEOUT_S = 30.0
MEMORY_MB = 1536  # 40 million pixels as RGB, a few copies, and the libraries' own address space


def measure_image(path: Path, *, thumbnail: Path | None = None, thumbnail_width: int = 640) -> ImageFacts:
    size_bytes = path.stat().st_size
    if not size_bytes:
        return ImageFacts(error="The file is empty.")
    payload = {
        "path": str(path.absolute()),
        "thumbnail": str(thumbnail.absolute()) if thumbnail else "",
        "width": thumbnail_width,
    }
    try:
        answer = run_python("qc.measure.picture", payload, timeout_s=TIMEOUT_S, memory_mb=MEMORY_MB)
    except MediaError as error:
        if isinstance(error, ProgramFailed) and "by signal" not in error.message:
            raise  # a crash of the decoder is the picture's doing; what the child has not caught is not
        return ImageFacts(error=sentence_of(error), size_bytes=size_bytes)
    if "unreadable" in answer:
        return ImageFacts(error=answer["unreadable"], size_bytes=size_bytes)
    return ImageFacts(size_bytes=size_bytes, **answer)
