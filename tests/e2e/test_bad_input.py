"""What people and machines get wrong, sent through the real doors: each is answered by a sentence that names the place
and the remedy; nothing is lost and nothing is half made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from jobs.models import Asset, Attempt, Batch, IntakeDraft, LedgerEntry, Notice, Step, Video
from jobs.settings_types import BatchSettings
from jobs.states import State
from providers.models import Provider
from providers.sync import sync_providers
from tests.factories import a_batch, a_project, a_user, drive_until_idle

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.slow, pytest.mark.ffmpeg]
ROOT = Path(__file__).resolve().parents[2]
HOSTILE = """Say "it's": 100 % [done] {x} \\n ';DROP TABLE' <b> %(x)s drawtext=text=\\:"""
START = {
    "strategy": "pipelined",
    "chunk_size": "10",
    "seconds": "8",
    "scenes": "2",
    "crossfade_s": "0.0",
    "priority": "0",
}
SMALL = BatchSettings(scenes=2, seconds=8, short_side=240)
LISTS = {
    "nothing": (b"", "is empty: it has no bytes at all. Save the list again and choose that file."),
    "only blank lines": (b"\n \n\t\n", "holds no topics: put one topic on each line."),
    "10 MB of one line": (b"a" * 10**7, "and at most 5 MB can be read: split it"),
    "4 MB of one line": (b"a" * (4 * 10**6), "holds more than 8,000 characters"),
    "a picture": (
        b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20,
        "whatever its name says: save the list as CSV, TXT or XLSX",
    ),
    "half a character": ("Brötchen\n".encode()[:4] + b"\x81\n", "row 1 holds bytes that are neither UTF-8"),
}
CELLS = {
    "topic\n" + "a" * 5000 + "\n": "has 5,000 characters. At most 500 are allowed; move details to the notes.",
    "topic\n🍞🥖🥐\n": "has no letter and no digit. Say in words what the video is about.",
    "topic,language\nBread,tlh\n": "has no voice here. Use one of de, en, es, fr",
    "topic,voice\nBread,Caruso\n": "is no voice for the language en. Use one of",
    "topic,seconds\nBread,forever\n": "as a whole number.",
    "topic,scenes\nBread,-1\n": "as a whole number.",
    "topic,aspect_ratio\nBread,round\n": "must be one of 16:9",
}


@pytest.fixture
def project():
    sync_providers()
    return a_project(slug="bakery")


@pytest.fixture
def producer(client, project):
    client.force_login(a_user(project=project))
    return client


def words(answer):
    return re.sub(r"\s+", " ", answer.content.decode())


def nothing_was_made():
    return not any(model.objects.exists() for model in (Batch, Video, Step, Attempt, LedgerEntry))


def manage(*arguments, environment, **changes):
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env={**environment, **changes},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


# -- lists -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("content", "sentence"), LISTS.values(), ids=list(LISTS))
def test_a_list_that_cannot_be_read_is_refused_in_the_browser(producer, project, content, sentence):
    sent = {"name": "Mine", "file": SimpleUploadedFile("spring.csv", content)}
    answer = producer.post(reverse("batch_new", args=[project.pk]), sent)
    assert answer.status_code == 200
    assert sentence in words(answer)
    assert "spring.csv" in words(answer)
    assert not IntakeDraft.objects.exists()
    assert nothing_was_made()


def test_10_mb_of_one_line_pasted_are_refused_and_not_lost(producer, project):
    answer = producer.post(reverse("batch_new", args=[project.pk]), {"name": "Mine", "topics": "a" * 10**7})
    assert answer.status_code == 200
    assert "can be read" in words(answer) or "holds more than 8,000 characters" in words(answer)
    assert nothing_was_made()


@pytest.mark.parametrize(("content", "sentence"), CELLS.items(), ids=[text[:24] for text in CELLS])
def test_a_row_that_breaks_a_rule_is_named_and_kept_out(producer, project, content, sentence):
    sent = {"name": "Mine", "file": SimpleUploadedFile("spring.csv", content.encode())}
    answer = producer.post(reverse("batch_new", args=[project.pk]), sent, follow=True)
    assert "1 row needs a fix" in words(answer)
    assert sentence in words(answer)
    started = producer.post(reverse("draft_start", args=[IntakeDraft.objects.get().token]), {**START, "name": "Mine"})
    assert started.status_code in (200, 302)
    assert nothing_was_made()
    assert IntakeDraft.objects.filter(batch=None).count() == 1


@pytest.mark.parametrize(("content", "sentence"), [*LISTS.values(), *((k.encode(), v) for k, v in CELLS.items())])
def test_the_command_line_says_the_same_and_makes_nothing(project, child_environment, tmp_path, content, sentence):
    (tmp_path / "spring.csv").write_bytes(content)
    answer = manage("batch", str(tmp_path / "spring.csv"), "--project", "bakery", environment=child_environment)
    assert answer.returncode == 2
    assert sentence in answer.stderr
    assert "spring.csv" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert nothing_was_made()


def test_a_topic_full_of_signs_becomes_a_video_with_these_words(producer, project):
    project.defaults = {"short_side": 240, "burn_captions": True}
    project.save()
    sent = {"name": HOSTILE, "topics": HOSTILE}
    producer.post(reverse("batch_new", args=[project.pk]), sent)
    token = IntakeDraft.objects.get().token
    assert producer.post(reverse("draft_start", args=[token]), {**START, "name": HOSTILE}).status_code == 302
    drive_until_idle(timeout_s=120)
    video = Video.objects.get()
    assert video.topic == HOSTILE
    assert video.state == Video.State.DONE, (video.state_note, list(Step.objects.values("stage", "state", "message")))
    page = producer.get(reverse("batch_detail", args=[video.batch_id]))
    assert "<b>" not in page.content.decode()


# -- the machine -------------------------------------------------------------------------------------------------------


def test_a_full_disk_holds_everything_back_and_says_where_and_goes_on_by_itself(producer, project, settings):
    enough, settings.MIN_FREE_BYTES = settings.MIN_FREE_BYTES, 10**18
    a_batch("Why bread rises", project=project, settings=SMALL)
    drive_until_idle(timeout_s=20)
    assert not Attempt.objects.exists()
    assert set(Step.objects.values_list("state", flat=True)) == {State.READY}
    notice = Notice.objects.latest("pk").text
    assert str(settings.MEDIA_ROOT) in notice
    assert "MB are needed" in notice
    assert str(settings.MEDIA_ROOT) in words(producer.get("/"))
    settings.MIN_FREE_BYTES = min(enough, 2**20)
    drive_until_idle(timeout_s=120)
    assert Video.objects.get().state == Video.State.DONE


def test_programs_that_vanish_during_a_batch_are_named_and_what_was_made_is_kept(
    producer, project, monkeypatch, tmp_path
):
    batch = a_batch("Why bread rises", project=project, settings=SMALL)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(tmp_path))
    drive_until_idle(timeout_s=60)
    video = Video.objects.get()
    assert Asset.objects.filter(kind="script", verdict="passed").exists()
    stuck = Step.objects.filter(state=State.ATTENTION)
    waiting = Provider.objects.filter(paused=True)
    said = " ".join([*stuck.values_list("message", flat=True), *waiting.values_list("pause_reason", flat=True)])
    assert "is not installed" in said, list(Step.objects.values("stage", "state", "message"))
    assert video.cancelled_at is None
    assert producer.get(reverse("batch_detail", args=[batch.pk])).status_code == 200
    monkeypatch.setenv("PATH", path)
    producer.post(reverse("batch_retry", args=[batch.pk]))
    Step.objects.filter(state=State.READY).update(not_before=timezone.now())  # without waiting for it
    drive_until_idle(timeout_s=120)
    video.refresh_from_db()
    assert video.state == Video.State.DONE, (video.state_note, list(Step.objects.values("stage", "state", "message")))


def test_without_ffmpeg_nothing_starts_and_the_remedy_is_said(child_environment, tmp_path):
    refused = manage("start", environment=child_environment, PATH=str(tmp_path))
    assert refused.returncode == 1
    assert "ffmpeg is not installed. Install it with" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VIDBATCH_PORT", "eight"),
        ("VIDBATCH_DEBUG", "maybe"),
        ("VIDBATCH_LOG", "loud"),
        ("VIDBATCH_TIME_ZONE", "Nowhere/Else"),
        ("VIDBATCH_DATABASE_URL", "mysql://ana@host/name"),
        ("VIDBATCH_REDIS_URL", "localhost"),
        ("VIDBATCH_ORIGINS", "example.org"),
        ("VIDBATCH_HOSTS", ","),
        ("VIDBATCH_MIN_FREE_MB", "-1"),
        ("VIDBATCH_MEDIA_PLACES", "0"),
    ],
)
def test_a_variable_that_cannot_be_understood_stops_the_start_with_one_sentence(child_environment, name, value):
    settings = {"DJANGO_SETTINGS_MODULE": "vidbatch_site.settings"}
    refused = manage("start", environment=child_environment, **settings, **{name: value})
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"{name} is {value!r}, which cannot be understood: it should be ")
    assert refused.stderr.count("\n") == 1


def test_a_data_folder_that_cannot_be_written_stops_the_start(child_environment, tmp_path):
    (tmp_path / "file").write_text("")
    settings = {"DJANGO_SETTINGS_MODULE": "vidbatch_site.settings", "VIDBATCH_DATA": str(tmp_path / "file")}
    refused = manage("start", environment=child_environment, **settings)
    assert refused.returncode == 1
    assert f"The data folder {tmp_path / 'file'} cannot be written" in refused.stderr
    assert "VIDBATCH_DATA" in refused.stderr
    assert "Traceback" not in refused.stderr
