from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from jobs.engine import watch, worker
from jobs.management.commands import batch as command
from jobs.models import Batch, Video
from tests.factories import NOW, a_project, drive_until_idle, local_providers

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(db):
    local_providers()
    return a_project(slug="sample", defaults={"scenes": 1, "seconds": 5, "short_side": 240})


@pytest.fixture
def driven(monkeypatch):
    """An engine that works while the command waits."""
    monkeypatch.setattr(command, "_is_driven", lambda: True)
    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=lambda seconds: drive_until_idle()))


def run(tmp_path, text, *arguments):
    path = tmp_path / "topics.csv"
    path.write_text(text)
    out, err = StringIO(), StringIO()
    status = 0
    try:
        call_command("batch", str(path), "--project", "sample", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        status = error.returncode
        err.write(str(error))
    except SystemExit as exit:
        status = exit.code
    return status, out.getvalue(), err.getvalue()


def test_a_list_becomes_a_batch(project, tmp_path):
    status, out, err = run(tmp_path, "topic,seconds\nBread,30\nBees,\n", "--strategy", "sequential", "--name", "Two")
    assert (status, err) == (0, "")
    made = Batch.objects.get()
    assert (made.name, made.strategy, made.project) == ("Two", "sequential", project)
    assert list(Video.objects.values_list("topic", "overrides")) == [("Bread", {"seconds": 30}), ("Bees", {})]
    assert "2 videos" in out


def test_cells_that_break_a_rule_are_named_by_row_and_column_and_nothing_is_made(project, tmp_path):
    status, _, err = run(tmp_path, "topic,seconds,scenes\nBread,30,99\n,30,1\nBees,30,2\n")
    assert status == 2
    assert "topics.csv, row 2, column C: Scenes “99”: must be 1–20, as a whole number." in err
    assert "topics.csv, row 3, column A: Topic: is empty. Write what the video is about." in err
    assert not Batch.objects.exists()


def test_a_topic_that_stands_there_twice_is_made_once_and_said(project, tmp_path):
    status, _, err = run(tmp_path, "Bread\nBees\nbread\n")
    assert status == 0
    assert "topics.csv, row 3: Duplicate of row 1. It is left out." in err
    assert Video.objects.count() == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("", "is empty"), ("topic\n", "holds no topics"), ("<html>", "is a web page")],
)
def test_a_list_that_holds_nothing_is_refused_with_a_sentence(project, tmp_path, text, sentence):
    status, _, err = run(tmp_path, text)
    assert status == 2
    assert sentence in err
    assert not Batch.objects.exists()


def test_a_file_that_is_not_there_is_named(project):
    with pytest.raises(CommandError, match="nowhere.csv cannot be read") as refused:
        call_command("batch", "nowhere.csv", "--project", "sample")
    assert refused.value.returncode == 2


def test_an_unknown_project_is_answered_with_those_there_are(project, tmp_path):
    with pytest.raises(CommandError, match="There is no project “other”. Those there are: sample."):
        call_command("batch", "topics.csv", "--project", "other")


def test_waiting_for_an_engine_that_does_not_run_is_refused_before_anything_is_made(project, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "START_S", 0.0)
    status, _, err = run(tmp_path, "Bread\n", "--wait")
    assert status == 2
    assert "Start vidbatch with `make run`." in err
    assert not Batch.objects.exists()


def test_an_engine_that_ended_in_good_order_counts_as_not_running(db):
    row = worker.enlist("generation", NOW)
    row.ended_at = NOW
    row.save()
    worker.let_go(str(row.pk))
    assert watch.is_driven("generation", NOW) is False


@pytest.mark.ffmpeg
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_waiting_ends_with_a_table_and_status_0_when_all_was_finished(project, tmp_path, driven):
    status, out, err = run(tmp_path, "Bread\nBees\n", "--wait")
    assert (status, err) == (0, "")
    assert "2/2 videos" in out
    assert out.count(".mp4") == 2


@pytest.mark.ffmpeg
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_waiting_ends_with_status_1_when_only_a_person_can_go_on(project, tmp_path, driven):
    project.defaults = {**project.defaults, "flaws": {"1:image:1": "blank"}}
    project.save()
    status, out, err = run(tmp_path, "Bread\n", "--wait")
    assert status == 1
    assert "Nothing more goes on without a person: 1 needs review." in err
    assert "Waits for a reviewer" in out


def test_a_deadline_is_kept(project, tmp_path):
    year = datetime.now(UTC).year + 3
    status, _, err = run(tmp_path, "topic\nBread\n", "--finish-by", f"{year}-12-24 18:00")
    assert (status, err) == (0, "")
    assert Batch.objects.get().finish_by == datetime(year, 12, 24, 18, tzinfo=UTC)


@pytest.mark.parametrize(("moment", "sentence"), [("2020-01-01 00:00", "is past"), ("soon", "Name a day and a time")])
def test_a_deadline_that_is_none_makes_nothing(project, tmp_path, moment, sentence):
    status, _, err = run(tmp_path, "topic\nBread\n", "--finish-by", moment)
    assert status == 2
    assert sentence in err
    assert not Batch.objects.exists()
