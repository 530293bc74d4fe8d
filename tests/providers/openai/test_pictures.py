"""Pictures that OpenAI draws."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers import pricing
from providers.adapters.openai import images
from providers.exceptions import OutOfCredit, RateLimited, Rejected

from .conftest import a_file, price_of, sent


def test_several_takes_come_in_one_answer(vendor, vendors, image):
    answer = vendor.submit(replace(image, takes=3))
    assert len({output.content for output in answer.outputs}) == 3
    (bill,) = vendors.books("openai")["bills"]
    assert answer.units["images"] == 3
    assert pricing.cost(price_of(image), answer.units) == bill["amount_micro"]


@pytest.mark.parametrize(
    ("model", "width", "height", "size"),
    [
        ("gpt-image-2", 1280, 720, "1280x720"),
        ("gpt-image-2", 1920, 1080, "2048x1152"),
        ("gpt-image-2.5-flare", 1080, 1920, "1152x2048"),
        ("gpt-image-2.5-sunburst", 1080, 1080, "1088x1088"),
        ("gpt-image-1.5", 1920, 1080, "1536x1024"),
        ("gpt-image-1-mini", 1080, 1920, "1024x1536"),
    ],
)
def test_the_nearest_legal_size_is_asked_for(tmp_path, image, model, width, height, size):
    body = sent(tmp_path, replace(image, offer=model, width=width, height=height)).json()
    assert body["size"] == size


def test_every_size_keeps_to_the_rules():
    for width, height in images.SIZES:
        assert width % 16 == height % 16 == 0
        assert max(width, height) <= 3840
        assert max(width, height) <= 3 * min(width, height)


@pytest.mark.parametrize("count", [1, 3])
def test_pictures_to_go_by_are_sent_along(vendor, image, tmp_path, count):
    files = tuple(a_file(tmp_path, f"like.{end}") for end in ("png", "jpeg", "webp")[:count])
    answer = vendor.submit(replace(image, inputs=files, takes=2))
    assert len(answer.outputs) == 2
    assert answer.units["image_tokens"] == 1000 * count


def test_one_picture_to_go_by_has_the_plain_name_and_several_a_list_s(tmp_path, image):
    one = sent(tmp_path, replace(image, inputs=(a_file(tmp_path),)))
    assert one.path == "/images/edits"
    assert b'name="image"; filename="reference-1.png"' in one.body
    two = sent(tmp_path, replace(image, inputs=(a_file(tmp_path), a_file(tmp_path))))
    assert two.body.count(b'name="image[]"; filename="reference-') == 2


def test_more_pictures_than_can_be_sent_are_refused_here(vendor, vendors, image, tmp_path):
    with pytest.raises(Rejected, match="at most 16"):
        vendor.submit(replace(image, inputs=(a_file(tmp_path),) * 17))
    assert vendors.books("openai")["bills"] == []


def test_an_end_of_the_money_is_a_400_beside_pictures(vendor, vendors, image, script):
    vendors.control("openai", account={"budget": "spent"})
    with pytest.raises(OutOfCredit) as caught:
        vendor.submit(image)
    assert caught.value.http_status == 400
    with pytest.raises(OutOfCredit) as caught:
        vendor.submit(script)
    assert caught.value.http_status == 429


def test_a_retired_model_says_so(vendor, script, image):
    with pytest.raises(Rejected, match="retired"):
        vendor.submit(replace(script, offer="gpt-4"))
    with pytest.raises(Rejected, match="retired"):
        vendor.submit(replace(image, offer="dall-e-3"))


def test_pictures_are_limited_by_the_minute(vendor, vendors, image):
    vendors.control("openai", limits=[{"images": 5, "per_s": 60_000}])
    vendor.submit(replace(image, takes=5))
    with pytest.raises(RateLimited) as caught:
        vendor.submit(image)
    assert caught.value.retry_after_s >= 1
