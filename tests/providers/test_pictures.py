"""Pictures in the sizes that vendors sell, and back in those that were wanted."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from providers.pictures import nearest, ratio, shaped

SIZES = [(1024, 1024), (1536, 1024), (1024, 1536), (1280, 720), (2560, 1440)]


def a_png(width: int, height: int, colours=("red",), **text: str) -> bytes:
    picture = Image.new("RGB", (width, height), colours[0])
    for place, colour in enumerate(colours):
        if len(colours) == 4:
            corner = (place % 2 * width // 2, place // 2 * height // 2)
            picture.paste(Image.new("RGB", (width // 2, height // 2), colour), corner)
    told, buffer = PngInfo(), io.BytesIO()
    for name, value in text.items():
        told.add_text(name, value)
    picture.save(buffer, "PNG", pnginfo=told)
    return buffer.getvalue()


def size_of(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as picture:
        return picture.size


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        ((1280, 720), (1280, 720)),
        ((1920, 1080), (2560, 1440)),
        ((640, 360), (1280, 720)),
        ((5120, 2880), (2560, 1440)),
        ((720, 720), (1024, 1024)),
        ((720, 1280), (1024, 1536)),
        ((0, 0), (1024, 1024)),
    ],
)
def test_the_nearest_size_is_of_the_nearest_ratio_and_large_enough(wanted, size):
    assert nearest(SIZES, *wanted) == size


def test_a_ratio_is_in_lowest_terms():
    assert ratio((1280, 720)) == "16:9"


@pytest.mark.parametrize(
    ("given", "wanted", "made"),
    [
        ((1344, 768), (1280, 720), (1280, 720)),  # a little too tall, and larger
        ((1536, 1024), (1280, 720), (1280, 720)),
        ((1024, 1024), (1920, 1080), (1024, 576)),  # too small: cropped, never blown up
        ((2560, 1440), (1280, 720), (1280, 720)),
    ],
)
def test_a_picture_is_cropped_to_what_was_wanted_and_never_blown_up(given, wanted, made):
    (content,) = shaped(a_png(*given), *wanted)
    assert size_of(content) == made


@pytest.mark.parametrize("given", [(1280, 720), (640, 360), (854, 480)])
def test_what_fits_is_left_as_it_is(given):
    assert shaped(a_png(*given), 1280, 720) is None


def test_where_no_size_was_wanted_nothing_is_done():
    assert shaped(a_png(10, 10), 0, 0) is None


def test_what_a_picture_says_of_itself_is_kept():
    (content,) = shaped(a_png(1344, 768, Comment="made by a model"), 1280, 720)
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.text == {"Comment": "made by a model"}


def test_four_in_one_are_cut_and_cropped():
    parts = shaped(a_png(2048, 2048, colours=("red", "lime", "blue", "white")), 1280, 720, quarters=True)
    assert [size_of(part) for part in parts] == [(1024, 576)] * 4
    colours = [Image.open(io.BytesIO(part)).getpixel((5, 5)) for part in parts]
    assert colours == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]


def test_what_is_no_picture_is_said_so():
    with pytest.raises(OSError, match="identify"):
        shaped(b"<html>", 1280, 720)
