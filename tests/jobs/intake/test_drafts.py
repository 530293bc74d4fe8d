from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jobs.intake import drafts
from jobs.intake.rules import RowState
from jobs.intake.table import IntakeError
from jobs.models import Batch, IntakeDraft, Video
from tests.factories import local_providers

LIST = b"topic,seconds,language\nBread,30,de\nTides,900,\nbread,45,de\nLocks,,\n"
READY_AND_EARLIER = (RowState.READY, RowState.EARLIER)


@pytest.fixture
def draft(project, producer):
    return drafts.from_upload(project, name="Spring", filename="spring.csv", content=LIST, by=producer)


def start(draft, by, **more):
    return drafts.confirm(draft, by=by, settings=draft.project.batch_settings(), **more)


def states(draft):
    draft.refresh_from_db()
    return [row.state.value for row in drafts.rows_at(draft, range(drafts.counts_of(draft)["all"]))]


def test_a_draft_makes_nothing_but_itself(draft):
    assert (draft.name, draft.source_name) == ("Spring", "spring.csv")
    assert states(draft) == ["ready", "fix", "twin", "ready"]
    assert drafts.counts_of(draft) == {"all": 4, "ready": 2, "twin": 1, "earlier": 0, "fix": 1}
    assert not Batch.objects.exists()
    assert not Video.objects.exists()


def test_the_rows_of_a_page_read_the_same_as_the_whole_list(draft):
    assert drafts.rows_at(draft, range(4)) == drafts.all_rows(draft)


def test_a_list_that_cannot_be_read_leaves_no_draft(project, producer):
    with pytest.raises(IntakeError):
        drafts.from_upload(project, name="", filename="a.csv", content=b"", by=producer)
    assert not IntakeDraft.objects.exists()


def test_ten_thousand_topics_under_a_heading_are_taken_and_one_more_is_not(project, producer):
    lines = "topic\n" + "\n".join(f"Bread {n}" for n in range(10_000))
    assert drafts.counts_of(drafts.from_paste(project, name="", pasted=lines, by=producer))["ready"] == 10_000
    with pytest.raises(IntakeError, match="has more than 10,000 rows"):
        drafts.from_paste(project, name="", pasted=lines + "\nBread 10000", by=producer)


def test_ten_thousand_and_one_lines_without_a_heading_are_too_many(project, producer):
    with pytest.raises(IntakeError, match="has more than 10,000 rows"):
        drafts.from_paste(project, name="", pasted="\n".join(f"Bread {n}" for n in range(10_001)), by=producer)


@pytest.mark.parametrize(
    ("name", "filename", "expected"), [(" My  list ", "a.csv", "My list"), ("", "spring.topics.csv", "spring.topics")]
)
def test_the_batch_is_named_after_the_form_or_the_file(project, producer, name, filename, expected):
    draft = drafts.from_upload(project, name=name, filename=filename, content=b"Bread\n", by=producer)
    assert draft.name == expected


def test_a_list_can_be_mapped_anew(draft):
    drafts.remap(draft, has_header=True, columns={0: "topic", 1: "", 2: "language"})
    assert states(draft) == ["ready", "ready", "twin", "ready"]
    assert [column.field for column in drafts.columns_of(draft)] == ["topic", "", "language"]


def test_a_heading_can_be_called_a_topic(draft):
    drafts.remap(draft, has_header=False, columns={0: "topic", 1: "", 2: ""})
    draft.refresh_from_db()
    assert drafts.counts_of(draft)["all"] == 5
    assert [column.heading for column in drafts.columns_of(draft)] == ["Column A", "Column B", "Column C"]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({0: "topic", 1: "topic"}, "Two columns are to be read as topic"),
        ({0: "notes", 1: "seconds"}, "No column is read as the topic"),
        ({0: "topic", 1: "price"}, "“price” is no field"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(draft, columns, sentence):
    with pytest.raises(IntakeError, match=sentence):
        drafts.remap(draft, has_header=True, columns=columns)
    assert states(draft) == ["ready", "fix", "twin", "ready"]


def test_a_cell_put_right_makes_its_row_ready(draft):
    drafts.edit_cells(draft, {(3, 1): "90"})
    assert states(draft) == ["ready", "ready", "twin", "ready"]


def test_a_topic_put_right_is_no_duplicate_any_more(draft):
    drafts.edit_cells(draft, {(4, 0): "Bread in winter"})
    assert states(draft) == ["ready", "fix", "ready", "ready"]


def test_cells_beyond_the_list_are_left_aside(draft):
    drafts.edit_cells(draft, {(99, 0): "x", (2, 7): "x", (5, 2): "de"})
    assert states(draft) == ["ready", "fix", "twin", "ready"]
    assert drafts.all_rows(draft)[3].overrides == {"language": "de", "voice": ""}


def test_confirming_makes_one_batch_of_the_ready_rows(draft, producer):
    batch = start(draft, producer, priority=Batch.Priority.HIGH)
    batch.refresh_from_db()
    assert (batch.name, batch.created_by, batch.priority) == ("Spring", producer, 1)
    assert list(batch.videos.order_by("position").values_list("topic", "overrides")) == [
        ("Bread", {"seconds": 30, "language": "de", "voice": ""}),
        ("Locks", {}),
    ]


def test_confirming_twice_gives_the_same_batch(draft, producer):
    again = IntakeDraft.objects.get(pk=draft.pk)
    assert start(draft, producer) == start(again, producer)
    assert (Batch.objects.count(), Video.objects.count()) == (1, 2)


@pytest.mark.engine
@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_make_one_batch(transactional_db, draft, producer):
    at_once = threading.Barrier(2)

    def click(_):
        try:
            own = IntakeDraft.objects.get(pk=draft.pk)
            at_once.wait(timeout=10)
            return start(own, producer).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(click, range(2)))
    assert len(set(made)) == 1
    assert (Batch.objects.count(), Video.objects.count()) == (1, 2)


def test_a_list_without_a_ready_row_makes_no_batch(project, producer):
    draft = drafts.from_paste(project, name="", pasted="🍞\n🌊", by=producer)
    with pytest.raises(IntakeError, match="No row of this list is ready"):
        start(draft, producer)
    assert not Batch.objects.exists()


def test_the_same_list_twice_is_noticed(project, draft, producer):
    start(draft, producer)
    again = drafts.from_upload(project, name="Again", filename="a.csv", content=LIST, by=producer)
    assert states(again) == ["earlier", "fix", "twin", "earlier"]
    assert drafts.rows_at(again, [0])[0].reason == "Already made in the batch “Spring”."


def test_topics_of_an_earlier_batch_are_made_again_only_when_asked_for(project, draft, producer):
    start(draft, producer)
    again = drafts.from_paste(project, name="Again", pasted="Locks\nClouds", by=producer)
    assert start(again, producer).videos.count() == 1
    third = drafts.from_paste(project, name="Third", pasted="Locks\nRain", by=producer)
    assert start(third, producer, use=READY_AND_EARLIER).videos.count() == 2


def test_duplicates_within_the_list_are_never_made(draft, producer):
    batch = start(draft, producer, use=tuple(RowState))
    assert batch.videos.count() == 2


def test_a_topic_that_another_list_has_taken_meanwhile_is_not_made_twice(project, draft, producer):
    other = drafts.from_paste(project, name="Other", pasted="Locks", by=producer)
    start(other, producer)
    assert [video.topic for video in start(draft, producer).videos.all()] == ["Bread"]


def test_cancelled_videos_do_not_count_as_made(project, draft, producer):
    start(draft, producer)
    Video.objects.update(cancelled_at=timezone.now())
    again = drafts.from_paste(project, name="Again", pasted="Locks", by=producer)
    assert states(again) == ["ready"]


def test_drafts_are_swept_after_a_day(draft):
    assert IntakeDraft.sweep(timezone.now() + timedelta(hours=23)) == 0
    assert IntakeDraft.sweep(timezone.now() + timedelta(hours=25)) == 1
    assert not IntakeDraft.objects.exists()


def test_a_thousand_rows_of_a_file_are_taken(project, producer):
    lines = "topic,seconds,language\n" + "".join(f"Why bread №{n} rises,45,de\n" for n in range(1_000))
    draft = drafts.from_upload(project, name="", filename="a.csv", content=lines.encode(), by=producer)
    assert drafts.counts_of(draft)["ready"] == 1_000


def test_judging_a_list_takes_the_same_queries_whatever_its_length(project, producer, django_assert_num_queries):
    for pasted in ("Bread", "\n".join(f"Bread {n}" for n in range(300))):
        draft = drafts.from_paste(project, name="", pasted=pasted, by=producer)
        with django_assert_num_queries(1):
            drafts.rows_at(draft, range(drafts.counts_of(draft)["all"]))


def test_voices_of_the_studio_are_offered_by_language(project):
    local_providers()
    voices = drafts.offered_by(project).voices
    assert {"en", "de", "es", "fr"} <= set(voices)
    assert "en-us" in voices["en"]
    assert voices["de"][0] == "Eva"
