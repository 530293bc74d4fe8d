"""Pictures as vendors want them: in one of their sizes, below their limit, as text in a body. Pure."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from math import gcd, log
from typing import Any

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from .exceptions import Rejected
from .types import InputFile, Request

Size = tuple[int, int]
MOST_PIXELS = (
    40_000_000  # that are decoded in a drive; larger ones are left to the checks, which have a limit of their own
)


def nearest(sizes: Iterable[Size], width: int, height: int) -> Size:
    """The size with the nearest aspect ratio, of those the smallest that is no smaller; raises ValueError without any.

    What has another ratio is cropped when it comes (`fitted`), what is larger made smaller.
    """
    width, height = width or 1, height or 1

    def distance(size: Size) -> tuple[float, bool, int]:
        area = size[0] * size[1]
        is_small = area < width * height
        return round(abs(log(size[0] / size[1] * height / width)), 3), is_small, -area if is_small else area

    return min(sizes, key=distance)


def ratio(size: Size) -> str:
    """1280 by 720 is "16:9"."""
    by = gcd(*size)
    return f"{size[0] // by}:{size[1] // by}"


def picture_of(request: Request, role: str = "image") -> InputFile | None:
    """The first input of a role."""
    return next((file for file in request.inputs if file.role == role), None)


def small_enough(file: InputFile, most_bytes: int) -> tuple[bytes, str]:
    """(content, media type) of a picture of at most so many bytes: as it is, else as a JPEG."""
    content = file.path.read_bytes()
    if len(content) <= most_bytes:
        return content, file.media_type
    with Image.open(file.path) as picture:
        whole = picture.convert("RGB")
        for quality in (92, 80, 65):
            buffer = io.BytesIO()
            whole.save(buffer, "JPEG", quality=quality)
            if buffer.tell() <= most_bytes:
                return buffer.getvalue(), "image/jpeg"
    raise Rejected(f"The picture {file.path.name} is too large for this vendor, even as a JPEG.")


def shaped(content: bytes, width: int, height: int, *, quarters: bool = False) -> list[bytes] | None:
    """A picture cropped in its middle to the ratio of width to height, and no larger than that; None: it is so already.

    What is smaller stays small: the checks are to see it. With `quarters` four pictures, of one that holds them two by
    two. Raises OSError or ValueError for what is no picture.
    """
    if not (width and height) and not quarters:
        return None
    with Image.open(io.BytesIO(content)) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise ValueError("too many pixels to be taken apart here")
        fits = abs(picture.width * height - picture.height * width) <= max(width, height) and picture.width <= width
        if fits and not quarters:
            return None
        picture.load()
        parts = _quarters(picture) if quarters else [picture]
        return [_encoded(_cropped(part, width, height), picture) for part in parts]


def _quarters(picture: Image.Image) -> list[Image.Image]:
    across, down = picture.width // 2, picture.height // 2
    corners = [(0, 0), (across, 0), (0, down), (across, down)]
    return [picture.crop((left, top, left + across, top + down)) for left, top in corners]


def _cropped(picture: Image.Image, width: int, height: int) -> Image.Image:
    if not (width and height):
        return picture
    scale = max(width / picture.width, height / picture.height)  # below 1: it can be made smaller
    size = (width, height)
    if scale > 1:
        size = (round(width / scale), round(height / scale))
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def _encoded(picture: Image.Image, original: Image.Image) -> bytes:
    """In the format of the original, with what that says of where it comes from."""
    form, beside = original.format or "PNG", dict[str, Any]()
    if form == "PNG":
        beside["pnginfo"] = told = PngInfo()
        for name, text in getattr(original, "text", {}).items():
            told.add_text(name, text)
    elif form in ("JPEG", "WEBP"):
        beside = {"quality": 95, "exif": original.info.get("exif", b"")}
    buffer = io.BytesIO()
    picture.save(buffer, form, **beside)
    return buffer.getvalue()


def data_uri(file: InputFile, most_letters: int) -> str:
    """data:image/png;base64,… of at most so many letters."""
    content, media_type = small_enough(file, (most_letters - 30) * 3 // 4)
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
