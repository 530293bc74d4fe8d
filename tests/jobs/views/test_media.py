from __future__ import annotations

import pytest
from django.urls import reverse

from tests.factories import a_batch, a_project, a_user
from tests.made_videos import VTT, an_asset

pytestmark = pytest.mark.django_db
CONTENT = bytes(range(256)) * 40


@pytest.fixture
def project():
    return a_project()


@pytest.fixture
def asset(project):
    return an_asset(a_batch("Why: “bread”\r\nrises", project=project).videos.get(), kind="render", content=CONTENT)


@pytest.fixture
def viewer(client, project):
    client.force_login(a_user(group="viewer", project=project))
    return client


def body(response):
    return b"".join(response.streaming_content)


def url(asset, name="anything.mp4"):
    return reverse("media_file", args=[asset.pk, name])


def test_the_whole_file_comes_with_its_length_and_type(viewer, asset):
    answer = viewer.get(url(asset))
    assert (answer.status_code, body(answer)) == (200, CONTENT)
    assert answer["Content-Type"] == "video/mp4"
    assert answer["Content-Length"] == str(len(CONTENT))
    assert answer["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=10000-", 10_000, 10_240),
        ("bytes=-40", 10_200, 10_240),
        ("bytes=-99999", 0, 10_240),
        ("bytes=10239-99999", 10_239, 10_240),
    ],
)
def test_a_range_is_answered_with_just_its_bytes(viewer, asset, asked, start, stop):
    answer = viewer.get(url(asset), headers={"Range": asked})
    assert (answer.status_code, body(answer)) == (206, CONTENT[start:stop])
    assert answer["Content-Range"] == f"bytes {start}-{stop - 1}/10240"
    assert answer["Content-Length"] == str(stop - start)


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=20000-30000", "bytes=-0"])
def test_a_range_outside_the_file_is_416_with_its_size(viewer, asset, asked):
    answer = viewer.get(url(asset), headers={"Range": asked})
    assert (answer.status_code, answer["Content-Range"]) == (416, "bytes */10240")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=5-4", "bytes=-", "lines=0-1", "bytes=a-b", "bytes=٣-٤"])
def test_several_ranges_or_none_understood_get_the_whole_file(viewer, asset, asked):
    answer = viewer.get(url(asset), headers={"Range": asked})
    assert (answer.status_code, len(body(answer))) == (200, 10_240)


def test_a_range_of_other_bytes_gets_the_whole_file(viewer, asset):
    answer = viewer.get(url(asset), headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert answer.status_code == 200
    etag = viewer.get(url(asset))["ETag"]
    assert etag == f'"{asset.sha256}"'
    assert viewer.get(url(asset), headers={"Range": "bytes=0-1", "If-Range": etag}).status_code == 206
    assert viewer.get(url(asset), headers={"If-None-Match": etag}).status_code == 304


def test_head_says_the_same_without_the_bytes(viewer, asset):
    answer = viewer.head(url(asset), headers={"Range": "bytes=0-9"})
    assert (answer.status_code, answer.content, answer["Content-Length"]) == (206, b"", "10")


def test_files_are_private_and_never_run(viewer, asset):
    answer = viewer.get(url(asset))
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"].startswith("private")


def test_the_name_is_ours_whatever_the_topic_and_the_address_say(viewer, asset):
    answer = viewer.get(url(asset, 'x"; evil=.html'))
    assert answer["Content-Disposition"] == f'inline; filename="why-bread-rises-render-{asset.pk}.mp4"'


def test_what_is_no_picture_film_or_sound_is_saved_not_shown(viewer, asset):
    script = an_asset(asset.video, kind="script", content=b"<script>", media_type="text/html")
    answer = viewer.get(url(script))
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Content-Type"] == "application/json"


def test_captions_come_as_text_a_track_can_load(viewer, asset):
    answer = viewer.get(url(an_asset(asset.video, kind="vtt", content=VTT)))
    assert answer["Content-Type"] == "text/vtt; charset=utf-8"
    assert answer["Content-Disposition"].startswith("inline")


def test_a_stranger_finds_nothing_and_a_guest_signs_in(client, asset):
    assert client.get(url(asset)).status_code == 302
    client.force_login(a_user(project=a_project()))
    assert client.get(url(asset)).status_code == 404
    assert client.get(reverse("media_thumbnail", args=[asset.pk])).status_code == 404


def test_a_file_that_is_gone_is_404(viewer, asset, settings):
    (settings.MEDIA_ROOT / asset.name).unlink()
    assert viewer.get(url(asset)).status_code == 404


def test_a_thumbnail_is_served_and_a_film_without_one_has_none(viewer, asset):
    assert viewer.get(reverse("media_thumbnail", args=[asset.pk])).status_code == 404
    picture = an_asset(asset.video, kind="image", content=b"picture", ending="jpg")
    asset.thumbnail = picture.name
    asset.save()
    answer = viewer.get(reverse("media_thumbnail", args=[asset.pk]))
    assert (answer["Content-Type"], body(answer)) == ("image/jpeg", b"picture")
