"""Pictures: POST /images/generations, and /images/edits where there are pictures to go by.

https://developers.openai.com/api/docs/guides/image-generation (read 2026-11-21). The answer holds them in base64.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ...answers import Said
from ...exceptions import Rejected
from ...pictures import Size, nearest, small_enough
from ...types import Finished, Output, Request
from .bodies import with_own

# gpt-image-2 and later take any multiples of 16 up to 3840 × 2160, from 1:3 to 3:1: these are exact, or nearly.
SIZES: tuple[Size, ...] = (
    (1280, 720), (720, 1280), (1536, 864), (864, 1536), (1792, 1008), (1008, 1792), (2048, 1152), (1152, 2048),
    (2560, 1440), (1440, 2560), (1024, 1024), (1088, 1088), (1536, 1536), (1536, 1024), (1024, 1536),
)  # fmt: skip
OLD_SIZES: tuple[Size, ...] = ((1024, 1024), (1536, 1024), (1024, 1536))  # of the gpt-image-1 generation
MOST_PROMPT = 32_000
MOST_TAKES = 10
MOST_REFERENCES = 16
BYTES_OF_PICTURE = 50_000_000
REFERENCE_TYPES = ("image/png", "image/jpeg", "image/webp")
# No ceiling is documented: these are ours, above all that was seen (7,024 for a square in high). What is billed stands
# in `usage`.
MOST_TOKENS = {"low": 800, "medium": 2_500, "high": 8_000, "xhigh": 16_000, "max": 32_000, "auto": 8_000}
MOST_TOKENS_OF_REFERENCE = 7_000


def body(request: Request) -> dict[str, Any]:
    width, height = nearest(sizes_of(request.offer), request.width, request.height)
    asked = {
        "model": request.offer,
        "prompt": request.prompt[:MOST_PROMPT],
        "n": min(request.takes, MOST_TAKES),
        "size": f"{width}x{height}",
        "quality": "medium",
        "output_format": "png",
        "background": "opaque",  # films have nothing behind them
    }
    return with_own(asked, request)


def sizes_of(model: str) -> tuple[Size, ...]:
    return OLD_SIZES if model.startswith(("gpt-image-1", "chatgpt-image")) else SIZES


def references(request: Request) -> list[tuple[str, bytes, str]]:
    """(name, content, media type) of the pictures to go by."""
    files = [file for file in request.inputs if file.role == "reference"]
    if len(files) > MOST_REFERENCES:
        raise Rejected(f"OpenAI takes at most {MOST_REFERENCES} reference pictures, and there are {len(files)}.")
    found = []
    for number, file in enumerate(files, start=1):
        content, media_type = small_enough(file, BYTES_OF_PICTURE)
        if media_type not in REFERENCE_TYPES:
            raise Rejected("OpenAI takes PNG, JPEG and WebP as reference pictures.")
        found.append((f"reference-{number}.{media_type.partition('/')[2]}", content, media_type))
    return found


def read(answer: Said, request: Request) -> Finished:
    media_type = f"image/{request.own.get('output_format') or 'png'}"
    outputs = tuple(_output(picture, media_type) for picture in answer.items("data"))
    if not outputs:
        raise answer.unusable("a picture")
    return Finished(outputs=outputs, units={"images": len(outputs), **_units(answer)})


def _output(picture: Said, media_type: str) -> Output:
    if not picture.has("b64_json") and picture.has("url"):  # of servers of one's own
        return Output(url=picture.text("url"), media_type=media_type)
    try:
        content = base64.b64decode(picture.text("b64_json"))
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        raise picture.unusable("a picture")
    return Output(content=content, media_type=media_type)


def _units(answer: Said) -> dict[str, int]:
    """`input_tokens` are those of texts; pictures that were read are dearer."""
    if not answer.has("usage", "output_tokens"):
        return {}
    read = answer.whole("usage", "input_tokens", default=0)
    pictures = min(read, answer.whole("usage", "input_tokens_details", "image_tokens", default=0))
    written = answer.whole("usage", "output_tokens")
    return {"input_tokens": read - pictures, "output_tokens": written} | (
        {"image_tokens": pictures} if pictures else {}
    )


def most_output_tokens(request: Request) -> int:
    each = MOST_TOKENS.get(str(request.own.get("quality", "medium")), max(MOST_TOKENS.values()))
    return each * min(request.takes, MOST_TAKES)


def most_image_tokens(request: Request) -> int:
    return MOST_TOKENS_OF_REFERENCE * sum(file.role == "reference" for file in request.inputs)
