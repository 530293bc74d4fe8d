from __future__ import annotations

import pytest
from PIL import Image

from providers.media.errors import MediaError
from qc.measure.image import measure_image

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "file_format", "mode"),
    [
        ("good.jpg", "JPEG", "RGB"),
        ("good.png", "PNG", "RGB"),
        ("good.webp", "WEBP", "RGB"),
        ("cmyk.jpg", "JPEG", "CMYK"),
        ("palette.png", "PNG", "P"),
        ("sixteen_bit.png", "PNG", "I;16"),
    ],
)
def test_every_kind_of_picture_is_measured(media, name, file_format, mode):
    facts = measure_image(media.get(name))
    assert (facts.error, facts.format, facts.mode) == ("", file_format, mode)
    assert (facts.width, facts.height, facts.size_bytes) == (640, 360, media.get(name).stat().st_size)
    assert facts.contrast > 20 and facts.edge_energy > 0.1 and facts.entropy > 0.3 and facts.colours >= 4


def test_the_same_picture_has_the_same_figures_in_every_format(media):
    means = [measure_image(media.get(name)).mean for name in ("good.jpg", "good.png", "good.webp", "cmyk.jpg")]
    assert max(means) - min(means) < 2


def test_the_size_is_the_one_that_is_shown_after_turning(media):
    facts = measure_image(media.get("turned.jpg"))
    assert (facts.width, facts.height) == (200, 360)


def test_hues_of_equal_brightness_are_contrast_too(media):
    facts = measure_image(media.get("hues.png"))
    assert facts.contrast < 1 < 50 < facts.spread


@pytest.mark.parametrize("name", ["flat.jpg", "grain.jpg", "clear.png", "dot.png"])
def test_nothing_to_see_has_no_contrast(media, name):
    facts = measure_image(media.get(name))
    assert facts.error == "" and max(facts.contrast, facts.spread) < 2


def test_a_night_sky_has_some(media):
    facts = measure_image(media.get("night.jpg"))
    assert facts.contrast > 4 and facts.edge_energy > 0.5


def test_the_thumbnail_comes_from_the_same_reading(media, tmp_path):
    out = tmp_path / "small.jpg"
    measure_image(media.get("large.jpg"), thumbnail=out, thumbnail_width=320)
    with Image.open(out) as small:
        assert (small.format, small.size) == ("JPEG", (320, 180))


def test_a_small_picture_is_not_blown_up(media, tmp_path):
    out = tmp_path / "small.jpg"
    measure_image(media.get("good.png"), thumbnail=out, thumbnail_width=5000)
    with Image.open(out) as small:
        assert small.size == (640, 360)


def test_a_thumbnail_that_cannot_be_written_is_no_fault_of_the_picture(media, tmp_path):
    with pytest.raises(MediaError):
        measure_image(media.get("good.png"), thumbnail=tmp_path / "missing" / "small.jpg")
