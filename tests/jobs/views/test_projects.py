from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

from jobs import style_references
from jobs.models import Membership, Project, StyleReference
from providers.models import Provider
from tests.factories import a_project, a_user, local_providers

pytestmark = pytest.mark.django_db
FORM = {
    "name": "Bakery channel", "style": "soft light", "aspect_ratio": "9:16", "short_side": "1080", "language": "de",
    "voice": "de+f3", "seconds": "30", "scenes": "5", "auto_retries": "2", "moderation": "on",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _providers():
    local_providers()


@pytest.fixture
def project():
    return a_project(name="Bakery", slug="bakery")


@pytest.fixture
def producer(client, project):
    client.force_login(a_user(project=project))
    return client


@pytest.fixture
def admin(client, project):
    client.force_login(a_user(group="admin", project=project))
    return client


def said(answer):
    return [str(message) for message in answer.context["messages"]]


def a_picture(kind="JPEG", size=(3000, 1500), **options) -> bytes:
    content = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(content, kind, **options)
    return content.getvalue()


def upload(client, project, *contents, name="look.jpg"):
    files = [SimpleUploadedFile(name, content) for content in contents]
    return client.post(reverse("reference_add", args=[project.pk]), {"pictures": files}, follow=True)


# -- looking -----------------------------------------------------------------------------------------------------------


def test_only_projects_one_belongs_to_are_listed(producer, project):
    a_project(name="Of others")
    text = producer.get(reverse("project_list")).content.decode()
    assert "Bakery" in text
    assert "Of others" not in text


@pytest.mark.parametrize("name", ["project_detail", "project_edit"])
def test_a_stranger_finds_nothing(client, project, name):
    client.force_login(a_user(project=a_project()))
    assert client.get(reverse(name, args=[project.pk])).status_code == 404


def test_a_viewer_looks_and_changes_nothing(client, project):
    client.force_login(a_user(group="viewer", project=project))
    assert client.get(reverse("project_detail", args=[project.pk])).status_code == 200
    for name in ("project_edit", "reference_add", "member_add"):
        assert client.post(reverse(name, args=[project.pk])).status_code == 403
    assert client.get(reverse("project_new")).status_code == 403


def test_the_list_asks_the_same_number_of_questions_for_many_projects(producer):
    user = Membership.objects.get().user
    counts = []
    for _ in range(2):
        for _ in range(3):
            StyleReference.objects.create(
                project=Membership.objects.create(project=a_project(), user=user).project,
                name="x.jpg", sha256="x", width=1, height=1,
            )  # fmt: skip
        with CaptureQueriesContext(connection) as queries:
            producer.get(reverse("project_list"))
        counts.append(len(queries))
    assert counts[0] == counts[1]


# -- making and changing -----------------------------------------------------------------------------------------------


def test_a_new_project_speaks_english_until_something_else_is_chosen(producer):
    assert producer.get(reverse("project_new")).context["form"]["language"].value() == "en"


def test_a_new_project_has_its_maker_as_a_member_and_says_what_batches_start_from(producer):
    answer = producer.post(reverse("project_new"), FORM)
    made = Project.objects.get(name="Bakery channel")
    assert answer.url == reverse("project_detail", args=[made.pk])
    assert made.members.count() == 1
    start = made.batch_settings()
    assert (start.aspect_ratio, start.short_side, start.language, start.voice) == ("9:16", 1080, "de", "de+f3")
    assert (start.seconds, start.scenes, start.auto_retries, start.moderation) == (30, 5, 2, True)


def test_an_edit_keeps_what_the_form_does_not_show(producer, project):
    Project.objects.filter(pk=project.pk).update(defaults={"flaws": {"1:image:1": "blank"}, "moderation": True})
    producer.post(reverse("project_edit", args=[project.pk]), {**FORM, "moderation": ""})
    project.refresh_from_db()
    assert project.defaults["flaws"] == {"1:image:1": "blank"}
    assert project.defaults["moderation"] is False


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"voice": "fr+f3"}, "fr+f3 does not speak German"),
        ({"language": "xx"}, "Select a valid choice"),
        ({"name": "???"}, "at least one letter or digit"),
        ({"name": "BAKERY!"}, "Another project has this name, or nearly this one."),
        ({"seconds": "9999"}, "less than or equal to"),
    ],
)
def test_what_cannot_be_is_said_at_the_field(producer, wrong, sentence):
    text = producer.post(reverse("project_new"), {**FORM, **wrong}).content.decode()
    assert sentence in text
    assert "This needs a correction." in text
    assert Project.objects.count() == 1


# -- voice -------------------------------------------------------------------------------------------------------------


@pytest.mark.ffmpeg
def test_a_voice_is_heard_and_made_only_once(producer, monkeypatch):
    shutil.rmtree(Path(settings.MEDIA_ROOT, "previews"), ignore_errors=True)
    address = reverse("voice_sample")
    first = producer.get(address, {"language": "de", "voice": "de+f3"})
    assert first.status_code == 200
    assert first["Content-Type"] == "audio/wav"
    sound = b"".join(first.streaming_content)
    assert sound.startswith(b"RIFF")
    assert len(sound) > 20_000
    monkeypatch.setattr("jobs.voice_preview._speak", lambda *a, **k: pytest.fail("made again"))
    part = producer.get(address, {"language": "de", "voice": "de+f3"}, headers={"range": "bytes=0-3"})
    assert part.status_code == 206
    assert b"".join(part.streaming_content) == b"RIFF"
    assert len(list(Path(settings.MEDIA_ROOT, "previews").iterdir())) == 1


@pytest.mark.parametrize(("language", "voice"), [("xx", ""), ("de", "../../etc/passwd"), ("de", "fr+f3"), ("", "")])
def test_only_voices_that_are_offered_are_tried(producer, language, voice):
    answer = producer.get(reverse("voice_sample"), {"language": language, "voice": voice})
    assert answer.status_code == 422
    assert "Choose one from the list." in answer.content.decode()


def test_a_voice_that_costs_money_is_not_tried(producer, monkeypatch):
    from providers import registry

    monkeypatch.setattr(registry.get("studio"), "local", False)
    answer = producer.get(reverse("voice_sample"), {"language": "de"})
    assert "charges for every call" in answer.content.decode()


def test_voices_of_a_provider_that_is_off_are_not_offered(producer):
    Provider.objects.update(enabled=False)
    text = producer.post(reverse("project_new"), FORM).content.decode()
    assert "Select a valid choice" in text
    assert Project.objects.count() == 1


# -- style references --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["JPEG", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("PNG", "WEBP"))])
def test_a_picture_is_written_anew_smaller_and_without_metadata(producer, project, kind):
    exif = Image.Exif()
    exif[0x010F] = "A camera with a name"
    answer = upload(producer, project, a_picture(kind, exif=exif))
    assert said(answer) == ["1 style reference added."]
    reference = StyleReference.objects.get()
    assert (reference.width, reference.height) == (2048, 1024)
    with Image.open(Path(settings.MEDIA_ROOT, reference.name)) as kept:
        assert kept.format == "JPEG"
        assert not kept.getexif()
    served = producer.get(reverse("style_reference", args=[reference.pk]))
    with Image.open(io.BytesIO(b"".join(served.streaming_content))) as small:
        assert small.width == style_references.THUMBNAIL
    assert reverse("style_reference", args=[reference.pk]) in answer.content.decode()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "look.jpg is no PNG, JPEG or WebP picture"),
        (b"GIF89a" + b"0" * 100, "is no PNG, JPEG or WebP picture"),
        (a_picture(size=(400, 300))[:2000], "look.jpg could not be read"),
        (b"\xff\xd8\xff" + b"0" * style_references.LARGEST, "20 MB is the most"),
    ],
    ids=["svg", "gif", "cut off", "too large"],
)
def test_what_is_no_picture_is_refused_by_name(producer, project, content, sentence):
    answer = upload(producer, project, content)
    assert sentence in said(answer)[0]
    assert not StyleReference.objects.exists()


@pytest.mark.slow
def test_one_bad_picture_does_not_keep_the_good_one_out_and_none_comes_twice(producer, project):
    good = a_picture(size=(640, 360))
    answer = upload(producer, project, good, b"nothing", good)
    assert StyleReference.objects.count() == 1
    assert "1 style reference added." in said(answer)
    assert any("already among" in words for words in said(answer))


def test_a_reference_is_removed_by_a_member_only(client, project):
    reference = StyleReference.objects.create(project=project, name="x.jpg", sha256="x", width=1, height=1)
    address = reverse("reference_delete", args=[reference.pk])
    client.force_login(a_user(project=a_project()))
    assert client.post(address).status_code == 404
    assert client.get(reverse("style_reference", args=[reference.pk])).status_code == 404
    client.force_login(a_user(group="viewer", project=project))
    assert client.post(address).status_code == 403
    client.force_login(a_user(project=project))
    assert client.post(address).url == reverse("project_detail", args=[project.pk])
    assert not StyleReference.objects.exists()


# -- people ------------------------------------------------------------------------------------------------------------


def test_an_admin_adds_and_removes_people(admin, project):
    new = a_user()
    admin.post(reverse("member_add", args=[project.pk]), {"user": new.pk})
    member = Membership.objects.get(project=project, user=new)
    answer = admin.post(reverse("member_add", args=[project.pk]), {"user": new.pk}, follow=True)
    assert "Choose a person from the list." in said(answer)[-1]
    admin.post(reverse("member_remove", args=[member.pk]))
    assert not Membership.objects.filter(user=new).exists()


def test_an_admin_of_another_project_removes_nobody(client, project):
    member = Membership.objects.create(project=project, user=a_user())
    client.force_login(a_user(group="admin", project=a_project()))
    assert client.post(reverse("member_remove", args=[member.pk])).status_code == 404


def test_who_leaves_himself_lands_on_the_list(admin, project):
    own = Membership.objects.get()
    assert admin.post(reverse("member_remove", args=[own.pk])).url == reverse("project_list")
