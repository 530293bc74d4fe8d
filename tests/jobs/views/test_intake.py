from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.urls import include, path, reverse
from django.utils import timezone

from jobs.intake import drafts
from jobs.models import Batch, IntakeDraft, Video
from providers.models import Offer
from providers.sync import sync_providers
from tests.factories import a_project, a_user, local_providers

urlpatterns = [
    path("", include("jobs.intake.urls")),
    path("batches/<int:pk>/", lambda request, pk: HttpResponse("the batch"), name="batch_detail"),
    path("sign-in/", lambda request: HttpResponse("sign in"), name="login"),
]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
LIST = "topic,seconds\nBread,30\nTides,900\nbread,45\nLocks,\n"
START = {
    "strategy": "pipelined",
    "chunk_size": "10",
    "seconds": "20",
    "scenes": "4",
    "crossfade_s": "0.0",
    "priority": "0",
}


@pytest.fixture
def project():
    local_providers()
    return a_project(name="Bakery")


@pytest.fixture
def producer(project):
    return a_user(project=project)


@pytest.fixture
def browser(client, producer):
    client.force_login(producer)
    return client


@pytest.fixture
def draft(project, producer):
    return drafts.from_upload(project, name="Spring", filename="spring.csv", content=LIST.encode(), by=producer)


@pytest.fixture
def stranger(client):
    client.force_login(a_user(project=a_project()))
    return client


def url(name, draft):
    return reverse(name, args=[draft.token])


def text(response):
    return re.sub(r"\s+", " ", response.content.decode())


# -- 1 choose


def test_choosing_shows_the_form_and_lists_not_started_yet(browser, project, draft):
    page = text(browser.get(reverse("batch_new", args=[project.pk])))
    assert "Step 1 of 3" in page
    assert url("draft_check", draft) in page


def test_pasted_topics_lead_to_their_check(browser, project):
    answer = browser.post(reverse("batch_new", args=[project.pk]), {"name": "Mine", "topics": "Bread\nTides"})
    draft = IntakeDraft.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, url("draft_check", draft))
    assert (draft.name, drafts.counts_of(draft)["ready"]) == ("Mine", 2)
    assert not Batch.objects.exists()


def test_a_chosen_file_leads_to_its_check(browser, project):
    file = SimpleUploadedFile("spring.csv", LIST.encode())
    assert browser.post(reverse("batch_new", args=[project.pk]), {"file": file}).status_code == 302
    assert IntakeDraft.objects.get().source_name == "spring.csv"


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({}, "Nothing to read yet: paste topics, one a line, or choose a file."),
        ({"topics": " \n\t "}, "Nothing to read yet"),
        ({"topics": "a", "file": ("a.csv", b"a")}, "Both a file and pasted topics: keep one of them."),
        ({"file": ("a.csv", b"")}, "a.csv is empty: it has no bytes at all."),
        ({"file": ("a.pdf", b"%PDF")}, "a.pdf is of a kind that cannot be read (.pdf)"),
        ({"file": ("a.csv", b"x" * (5 * 2**20 + 1))}, "a.csv has 5.0 MB, and at most 5 MB can be read"),
        ({"file": ("<b>.csv", b"a\0b")}, "&lt;b&gt;.csv, row 1 holds a NUL byte"),
    ],
)
def test_a_list_that_cannot_be_read_comes_back_with_the_sentence(browser, project, sent, sentence):
    if "file" in sent:
        sent = {**sent, "file": SimpleUploadedFile(*sent["file"])}
    answer = browser.post(reverse("batch_new", args=[project.pk]), sent)
    assert answer.status_code == 200
    assert sentence in text(answer)
    assert not IntakeDraft.objects.exists()


def test_a_refused_paste_is_kept_in_the_form(browser, project):
    answer = browser.post(reverse("batch_new", args=[project.pk]), {"topics": "Bread\n" + "x" * 9_000})
    assert "row 2, column A holds more than 8,000 characters" in text(answer)
    assert "x" * 9_000 in text(answer)


def test_ten_thousand_pasted_topics_pass_the_limits_on_forms(browser, project):
    pasted = "\n".join(f"Why bread number {n} rises" for n in range(10_000))
    assert browser.post(reverse("batch_new", args=[project.pk]), {"topics": pasted}).status_code == 302


def test_the_template_downloads(browser):
    answer = browser.get(reverse("draft_template"))
    assert 'filename="topics.csv"' in answer["Content-Disposition"]
    assert answer.content.decode("utf-8-sig").startswith("topic,notes,language")


# -- 2 check


def test_every_row_is_shown_with_its_state_and_reason(browser, draft):
    page = text(browser.get(url("draft_check", draft)))
    assert "1 row needs a fix" in page
    assert "1 is a duplicate within the list" in page
    assert "Length (s) “900”: length must be 5–180 s, as a whole number." in page
    assert "Duplicate of row 2." in page
    assert "Use 2 good rows" in page


def test_only_wrong_cells_can_be_edited_and_the_topic_of_a_duplicate(browser, draft):
    page = text(browser.get(url("draft_check", draft)))
    assert re.findall(r'name="(cell-[\d-]+)"', page) == ["cell-3-1", "cell-4-0"]


def test_the_page_can_show_only_rows_that_need_a_fix(browser, draft):
    page = text(browser.get(url("draft_check", draft), {"show": "fix"}))
    assert 'name="cell-3-1"' in page
    assert "Duplicate of row" not in page


def test_a_list_of_headings_only_says_what_to_do(browser, project, producer):
    draft = drafts.from_paste(project, name="", pasted="Topic", by=producer)
    page = text(browser.get(url("draft_check", draft)))
    assert "There are headings but no topics" in page
    assert url("draft_start", draft) not in page


def test_what_is_in_a_cell_is_never_markup(browser, project, producer):
    draft = drafts.from_paste(project, name="<i>", pasted="topic\tseconds\n<script>\"'\t<b>", by=producer)
    page = browser.get(url("draft_check", draft)).content.decode()
    assert "<script>&" not in page
    assert "<i>" not in page
    assert 'value="&lt;b&gt;"' in page


@pytest.mark.parametrize("page", ["2", "999999", "0", "-1", "x", "1e309"])
def test_pages_of_a_long_list(browser, project, producer, page):
    draft = drafts.from_paste(project, name="", pasted="\n".join(f"Bread {n}" for n in range(150)), by=producer)
    answer = browser.get(url("draft_check", draft), {"page": page})
    assert answer.status_code == 200
    assert len(answer.context["rows"]) in (50, 100)


def test_an_edited_cell_is_checked_again(browser, draft):
    answer = browser.post(url("draft_cells", draft), {"cell-3-1": "90", "show": "fix"})
    assert answer["Location"] == url("draft_check", draft) + "?show=fix"
    draft.refresh_from_db()
    assert drafts.counts_of(draft)["fix"] == 0


def test_names_of_cells_that_nobody_was_shown_change_nothing(browser, draft):
    browser.post(url("draft_cells", draft), {"cell-3": "x", "cell--1-0": "x", "cell-9-9": "x", "cell-٣-1": "90"})
    draft.refresh_from_db()
    assert drafts.counts_of(draft)["fix"] == 1


def test_columns_can_be_mapped_anew(browser, draft):
    browser.post(url("draft_columns", draft), {"has_header": "on", "column-0": "topic", "column-1": "notes"})
    draft.refresh_from_db()
    assert draft.mapping == {"header": True, "columns": {"topic": 0, "notes": 1}}


def test_a_mapping_without_a_topic_says_so_and_changes_nothing(browser, draft):
    answer = browser.post(url("draft_columns", draft), {"column-0": "notes"}, follow=True)
    assert "No column is read as the topic" in text(answer)
    draft.refresh_from_db()
    assert draft.mapping["columns"]["topic"] == 0


def test_rejected_rows_download_with_their_reasons(browser, draft):
    answer = browser.get(url("draft_rows_rejected", draft))
    assert 'filename="spring-to-fix.csv"' in answer["Content-Disposition"]
    lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [line[:2] for line in lines] == [["topic", "seconds"], ["Tides", "900"], ["bread", "45"]]


# -- 3 start


def test_the_start_page_says_what_will_be_made(browser, draft):
    page = text(browser.get(url("draft_start", draft)))
    assert "<strong>2 videos</strong>, about 8 scenes" in page
    assert "Estimated price: <strong>$0.00</strong>" in page
    assert "2 rows of the list are left out." in page


def test_estimating_makes_nothing(browser, draft):
    page = text(browser.post(url("draft_start", draft), {**START, "scenes": "10", "estimate": "1"}))
    assert "about 20 scenes" in page
    assert not Batch.objects.exists()


def test_starting_makes_the_batch_as_chosen(browser, draft, producer):
    chosen = {
        "strategy": "chunked",
        "chunk_size": "7",
        "seconds": "40",
        "scenes": "6",
        "crossfade_s": "0.5",
        "priority": "1",
        "burn_captions": "on",
        "script_gate": "on",
        "render_gate": "on",
        "moderation": "on",
    }
    answer = browser.post(url("draft_start", draft), chosen)
    batch = Batch.objects.get()
    assert answer["Location"] == reverse("batch_detail", args=[batch.pk])
    assert (batch.name, batch.strategy, batch.priority, batch.created_by) == ("Spring", "chunked", 1, producer)
    settings = batch.batch_settings
    assert (settings.chunk_size, settings.seconds, settings.scenes, settings.crossfade_s) == (7, 40, 6, 0.5)
    assert settings.burn_captions
    assert settings.script_gate
    assert settings.render_gate
    assert settings.moderation
    assert [video.topic for video in batch.videos.all()] == ["Bread", "Locks"]


def test_a_double_click_makes_one_batch(browser, draft):
    first = browser.post(url("draft_start", draft), START)
    second = browser.post(url("draft_start", draft), START)
    assert first["Location"] == second["Location"]
    assert (Batch.objects.count(), Video.objects.count()) == (1, 2)


def test_the_pages_of_a_started_list_lead_to_its_batch(browser, draft):
    batch_url = browser.post(url("draft_start", draft), START)["Location"]
    for name in ("draft_check", "draft_start"):
        assert browser.get(url(name, draft))["Location"] == batch_url


def test_a_started_list_takes_no_more_edits(browser, draft):
    browser.post(url("draft_start", draft), START)
    browser.post(url("draft_cells", draft), {"cell-3-1": "90"})
    draft.refresh_from_db()
    assert drafts.counts_of(draft)["fix"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "fastest"},
        {"seconds": "4"},
        {"seconds": "1e309"},
        {"scenes": "0"},
        {"scenes": "21"},
        {"crossfade_s": "9"},
        {"crossfade_s": "nan"},
        {"priority": "99"},
        {"chunk_size": "-1"},
    ],
)
def test_settings_outside_their_bounds_start_nothing(browser, draft, wrong):
    answer = browser.post(url("draft_start", draft), {**START, **wrong})
    assert answer.status_code == 200
    assert "This needs a correction." in text(answer)
    assert not Batch.objects.exists()


def test_a_list_without_a_ready_row_starts_nothing_and_says_why(browser, project, producer):
    draft = drafts.from_paste(project, name="", pasted="🍞", by=producer)
    assert "No row of this list is ready" in text(browser.post(url("draft_start", draft), START))
    assert not Batch.objects.exists()


def test_topics_made_before_are_made_again_by_a_tick(browser, project, producer, draft):
    browser.post(url("draft_start", draft), START)
    again = drafts.from_paste(project, name="Again", pasted="Locks", by=producer)
    assert "Make topics of earlier batches again" in text(browser.get(url("draft_start", again)))
    browser.post(url("draft_start", again), {**START, "with_earlier": "on"})
    assert [video.topic for video in Batch.objects.get(name="Again").videos.all()] == ["Locks"]


@pytest.fixture
def clips_by(project, monkeypatch):
    monkeypatch.setenv("RUNWAYML_API_SECRET", "a-key")
    sync_providers("runway")

    def choose(name):
        offer = Offer.objects.get(provider__slug="runway", name=name)
        project.defaults = {**project.defaults, "offers": {"clip": [offer.pk]}}
        project.save()
        return offer

    return choose


def test_a_model_that_was_switched_off_is_said_and_starts_nothing(browser, draft, clips_by):
    clips_by("gen3a_turbo")
    sentence = "was switched off on 30 July 2026. Its successor is Gen-4 Turbo (Runway): choose that."
    assert sentence in text(browser.get(url("draft_start", draft)))
    refused = browser.post(url("draft_start", draft), START)
    assert refused.status_code == 200
    assert sentence in text(refused)
    assert not Batch.objects.exists()


def test_a_model_that_will_be_switched_off_is_warned_about(browser, draft, clips_by):
    offer = clips_by("gen4_turbo")
    Offer.objects.filter(pk=offer.pk).update(retires_on=timezone.now().date() + timedelta(days=20))
    assert "Gen-4 Turbo (Runway) is switched off on" in text(browser.get(url("draft_start", draft)))
    assert browser.post(url("draft_start", draft), START).status_code == 302
    assert Batch.objects.get().settings["offers"] == {"clip": [offer.pk]}


def test_what_a_vendor_bills_in_credits_is_estimated(browser, draft, clips_by):
    clips_by("gen4_turbo")
    page = text(browser.get(url("draft_start", draft)))
    assert "Estimated price: <strong>$" in page
    assert "$0.00</strong>" not in page


def test_what_the_project_sets_for_itself_is_kept(browser, project, producer):
    project.defaults = {"crossfade_s": 0.4, "auto_retries": 3}
    project.save()
    draft = drafts.from_paste(project, name="", pasted="Bread", by=producer)
    assert 'value="0.4" selected' in text(browser.get(url("draft_start", draft)))
    browser.post(url("draft_start", draft), {**START, "crossfade_s": "0.4"})
    settings = Batch.objects.get().batch_settings
    assert (settings.crossfade_s, settings.auto_retries) == (0.4, 3)


# -- who may, and how much it costs


PAGES = [
    ("get", "draft_check"),
    ("post", "draft_columns"),
    ("post", "draft_cells"),
    ("get", "draft_rows_rejected"),
    ("get", "draft_start"),
    ("post", "draft_start"),
]


@pytest.mark.parametrize(("method", "name"), PAGES)
def test_a_stranger_finds_nothing(stranger, draft, method, name):
    assert getattr(stranger, method)(url(name, draft), START).status_code == 404
    assert not Batch.objects.exists()


def test_a_stranger_adds_nothing(stranger, project):
    assert stranger.post(reverse("batch_new", args=[project.pk]), {"topics": "Bread"}).status_code == 404


@pytest.mark.parametrize("group", ["viewer", "reviewer"])
@pytest.mark.parametrize(("method", "name"), PAGES)
def test_who_may_not_produce_is_refused(client, project, draft, group, method, name):
    client.force_login(a_user(group=group, project=project))
    assert getattr(client, method)(url(name, draft), START).status_code == 403
    assert not Batch.objects.exists()


def test_who_is_not_signed_in_is_led_to_the_sign_in(client, draft):
    assert client.get(url("draft_check", draft))["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("name", ["draft_columns", "draft_cells"])
def test_changes_need_a_post(browser, draft, name):
    assert browser.get(url(name, draft)).status_code == 405


def test_a_draft_is_gone_after_a_day(browser, draft):
    IntakeDraft.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert browser.get(url("draft_check", draft)).status_code == 404


@pytest.mark.parametrize("name", ["draft_check", "draft_start"])
def test_queries_do_not_grow_with_the_list(browser, project, producer, name, django_assert_max_num_queries):
    counts = []
    for length in (1, 400):
        pasted = "\n".join(["topic\tseconds", *(f"Bread {n}\t900" for n in range(length)), "Tides\t20"])
        draft = drafts.from_paste(project, name="", pasted=pasted, by=producer)
        with django_assert_max_num_queries(30) as asked:
            assert browser.get(url(name, draft)).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", ["draft_check", "draft_start"])
def test_pages_keep_to_the_content_security_policy(browser, draft, name):
    page = browser.get(url(name, draft)).content.decode()
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style", page)
