from __future__ import annotations

import csv
import hashlib
import io
import zipfile

import pytest
from django.urls import reverse

from jobs import delivery
from jobs.models import Video
from jobs.queries.workbench import workbench
from tests.factories import a_batch, a_project, a_user
from tests.made_videos import an_asset, make

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def project():
    return a_project()


@pytest.fixture
def batch(project):
    """Two finished videos, one that waits for a reviewer."""
    batch = a_batch("=cmd|' /C calc'!A0", "Größe & Tide", "Flagged", project=project)
    first, second, third = batch.videos.all()
    make(first)
    make(second, film=b"x" * 700_000)
    make(third, flagged=[("image", 1)])
    return batch


@pytest.fixture
def viewer(client, project):
    client.force_login(a_user(group="viewer", project=project))
    return client


def zip_of(viewer, batch):
    answer = viewer.get(reverse("batch_zip", args=[batch.pk]))
    assert answer.status_code == 200
    assert answer.streaming
    return b"".join(answer.streaming_content)


def test_the_zip_holds_all_files_of_finished_videos_and_a_manifest(viewer, batch, tmp_path):
    path = tmp_path / "videos.zip"
    path.write_bytes(zip_of(viewer, batch))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = {
            f"{base}.{end}" for base in ("01-cmd-c-calca0", "02-grosse-tide") for end in ("mp4", "srt", "vtt", "jpg")
        }
        assert set(archive.namelist()) == {"manifest.csv"} | names
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("manifest.csv"), "utf-8-sig")))
        assert [row["position"] for row in rows] == ["1", "2"]
        assert rows[0]["topic"].startswith("'="), "a spreadsheet must not run it"
        assert rows[1]["topic"] == "Größe & Tide"
        for row in rows:
            assert hashlib.sha256(archive.read(row["video"])).hexdigest() == row["sha256"]


def test_the_zip_is_sent_in_pieces(viewer, batch):
    answer = viewer.get(reverse("batch_zip", args=[batch.pk]))
    assert max(len(piece) for piece in answer.streaming_content) <= delivery.CHUNK + 4096


def test_looking_up_what_leaves_takes_as_many_queries_for_ten_videos_as_for_two(
    batch, project, django_assert_num_queries
):
    with django_assert_num_queries(3):
        delivery.prepare(batch)
    more = a_batch(*map(str, range(4)), project=project)
    for video in more.videos.all():
        make(video)
    with django_assert_num_queries(3):
        assert len(delivery.prepare(more).entries) == 16


def test_a_batch_without_a_finished_video_says_so(viewer, project):
    answer = viewer.get(reverse("batch_zip", args=[a_batch("New", project=project).pk]), follow=True)
    assert "nothing to pack" in answer.content.decode()


def test_a_missing_file_is_said_before_half_a_zip_is_sent(viewer, batch, settings):
    render = batch.videos.first().assets.get(kind="render", current=True)
    (settings.MEDIA_ROOT / render.name).unlink()
    answer = viewer.get(reverse("batch_zip", args=[batch.pk]), follow=True)
    assert "no longer in the media store" in answer.content.decode()


@pytest.mark.parametrize(("name", "ending"), [("video_download", "mp4"), ("video_srt", "srt"), ("video_vtt", "vtt")])
def test_a_finished_video_and_its_captions_download_under_a_name_of_ours(viewer, batch, name, ending):
    answer = viewer.get(reverse(name, args=[batch.videos.get(position=2).pk]))
    assert answer["Content-Disposition"] == f'attachment; filename="02-grosse-tide.{ending}"'


def test_word_times_of_one_voice_are_not_the_captions_of_the_video(viewer, batch):
    video = batch.videos.get(position=2)
    words = an_asset(video, kind="srt", scene=video.scenes.first(), content=b"1\n00:00:00,000 --> 00:00:00,300\nWord\n")
    captions = b"".join(viewer.get(reverse("video_srt", args=[video.pk])).streaming_content)
    assert b"Hello" in captions
    with zipfile.ZipFile(io.BytesIO(zip_of(viewer, batch))) as archive:
        assert archive.read("02-grosse-tide.srt") == captions
    assert workbench(video).beside["srt"].sha256 != words.sha256


def test_a_video_whose_flags_are_open_is_not_delivered(viewer, batch):
    video = batch.videos.get(state=Video.State.REVIEW)
    answer = viewer.get(reverse("video_download", args=[video.pk]), follow=True)
    assert "not finished yet" in answer.content.decode()


def test_a_stranger_downloads_nothing(client, batch):
    client.force_login(a_user(project=a_project()))
    assert client.get(reverse("batch_zip", args=[batch.pk])).status_code == 404
    assert client.get(reverse("video_download", args=[batch.videos.first().pk])).status_code == 404
