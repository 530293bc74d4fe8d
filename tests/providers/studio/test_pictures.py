from __future__ import annotations

import os
import random

import numpy as np
import pytest
from PIL import Image

from providers.adapters.studio.colour import MOODS, oklch, palette_for
from providers.adapters.studio.draw import FAMILIES, draw
from providers.adapters.studio.motifs import FAMILY_WORDS, MOOD_WORDS, SUITS, first_named
from providers.adapters.studio.script import MOOD_NAMES, MOTIFS
from providers.exceptions import Rejected
from providers.types import Capability

pytestmark = pytest.mark.slow

WORD_OF = {name: words.split()[0] for name, words in FAMILY_WORDS.items()}


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=float)


def test_equal_seeds_give_equal_pixels(tmp_path):
    for name in ("one", "two"):
        draw(width=320, height=180, seed=7, prompt="A harbour", out=tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_child_process_draws_the_same_pixels(studio, tmp_path):
    draw(width=320, height=180, seed=7, prompt="A harbour", out=tmp_path / "here")
    there = studio(Capability.IMAGE, "A harbour", width=320, height=180, seed=7)
    assert there.path.read_bytes() == (tmp_path / "here").read_bytes()


@pytest.mark.parametrize("other", [{"seed": 8}, {"prompt": "A harbour at noon"}])
def test_another_seed_or_prompt_gives_another_picture(tmp_path, other):
    asked = {"seed": 7, "prompt": "A harbour"}
    draw(width=320, height=180, **asked, out=tmp_path / "one")
    draw(width=320, height=180, **{**asked, **other}, out=tmp_path / "two")
    assert np.abs(pixels(tmp_path / "one") - pixels(tmp_path / "two")).mean() > 4


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_no_family_is_ever_blank(tmp_path, family):
    for seed in range(3):
        chosen, _ = draw(width=256, height=144, seed=seed, prompt=WORD_OF[family], out=tmp_path / "out")
        assert chosen == family
        assert pixels(tmp_path / "out").mean(axis=2).std() > 12


def test_there_are_at_least_eight_families_and_they_look_different(tmp_path):
    small = []
    for family, word in WORD_OF.items():
        draw(width=256, height=144, seed=2, prompt=f"{word} at dawn", out=tmp_path / family)
        small.append(pixels(tmp_path / family).mean(axis=2))
    assert len(small) == len(FAMILIES) >= 8
    for i, one in enumerate(small):
        assert all(np.abs(one - other).mean() > 6 for other in small[:i])


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (800, 800), (1600, 200), (200, 1600), (65, 4096)])
def test_any_aspect_ratio_comes_out_in_the_size_asked_for(tmp_path, size):
    draw(width=size[0], height=size[1], seed=5, prompt="", out=tmp_path / "out")
    with Image.open(tmp_path / "out") as picture:
        assert (picture.format, picture.size) == ("JPEG", size)


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_survives_narrow_and_flat_sheets(tmp_path, family):
    for width, height in ((64, 512), (512, 64)):
        draw(width=width, height=height, seed=1, prompt=WORD_OF[family], out=tmp_path / "out")


@pytest.mark.parametrize("mood", sorted(MOODS))
def test_a_palette_is_at_most_five_related_hues(mood):
    hues = sorted(palette_for(mood, random.Random(3)).hues)
    gaps = [(after - before) % 360 for before, after in zip(hues, hues[1:] + hues[:1], strict=True)]
    assert len(hues) <= 5
    assert 360 - max(gaps) <= 120


def test_oklch_gives_the_known_colours():
    assert oklch(1.0, 0.0, 0) == (255, 255, 255)
    assert oklch(0.0, 0.0, 0) == (0, 0, 0)
    assert oklch(0.62796, 0.25768, 29.234) == (255, 0, 0)
    assert oklch(0.45201, 0.31321, 264.052) == (0, 0, 255)


def test_edges_are_smooth(tmp_path):
    """Across the edge of a disc there are tones between the two colours, not one hard step."""
    from providers.adapters.studio.canvas import Canvas

    canvas = Canvas(200, 200)
    canvas.disc(100.3, 100.3, 60, (255, 255, 255))
    tones = set(np.asarray(canvas.image.convert("L")).ravel().tolist())
    assert len(tones) >= 8


def test_words_of_the_prompt_choose_composition_and_mood(tmp_path):
    assert draw(width=96, height=64, seed=1, prompt="Ein Wald im Winter", out=tmp_path / "a") == ("forest", "frost")
    assert draw(width=96, height=64, seed=1, prompt="La ciudad de noche", out=tmp_path / "b") == ("skyline", "night")


def test_every_motif_of_a_script_is_drawn_as_what_it_says():
    for family, sentences in MOTIFS.items():
        for sentence in sentences:
            for mood, name in MOOD_NAMES.items():
                prompt = f"{sentence} {name}, calm paper-cut illustration"
                assert (first_named(prompt, FAMILY_WORDS), first_named(prompt, MOOD_WORDS)) == (family, mood)


def test_the_tables_name_the_same_families_and_moods():
    assert set(FAMILY_WORDS) == set(SUITS) == set(FAMILIES) == set(MOTIFS)
    assert set(MOOD_WORDS) <= set(MOODS)
    assert {mood for moods in SUITS.values() for mood in moods} <= set(MOOD_NAMES) <= set(MOODS)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 99))])
def test_the_planted_blank_is_flat_whatever_the_seed(studio, seed):
    blank = studio(Capability.IMAGE, "forest", width=320, height=180, seed=seed, extra={"flaw": "blank"})
    assert pixels(blank.path).std(axis=(0, 1)).max() < 1
    with Image.open(blank.path) as picture:
        assert picture.size == (320, 180)


def test_hostile_prompts_are_only_words(studio):
    for prompt in ("🐝🍯", "'; rm -rf / \" %s {0} [[x]]", "\ud800\x00", "a" * 30_000):
        assert studio(Capability.IMAGE, prompt, width=96, height=64).path.stat().st_size > 500


def test_a_size_nobody_can_make_is_refused_with_the_limits(studio):
    with pytest.raises(Rejected, match="64 to 4096 pixels a side; 9000x10"):
        studio(Capability.IMAGE, "x", width=9000, height=10)


def test_the_picture_lies_in_the_workdir_and_is_counted(studio):
    drawn = studio(Capability.IMAGE, "sea", width=96, height=64)
    assert drawn.media_type == "image/jpeg"
    assert drawn.units == {"images": 1}
    assert drawn.wire == ["on the wire"]
    assert os.listdir(drawn.path.parent) == [drawn.path.name]
