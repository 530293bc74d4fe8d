"""Every address, asked by everybody, for what is theirs and for what is not: the table says who may. An address that is
missing in the table fails the first test, so that a new page begins with the question who may see it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from jobs.intake import drafts
from jobs.models import Membership, Review, StyleReference
from tests.factories import a_batch, a_project, a_user
from tests.jobs.views.situations import a_stuck_step, money_left_at_risk
from tests.made_videos import a_picture, make, stored

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

ROLES = ("viewer", "reviewer", "producer", "admin")
ALL = frozenset(ROLES)
REVIEWERS = ALL - {"viewer"}
PRODUCERS = frozenset({"producer", "admin"})
ADMINS = frozenset({"admin"})
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Page:
    thing: str = ""  # whose number stands in the address
    get: frozenset[str] = NOBODY
    post: frozenset[str] = NOBODY


def seen(thing: str = "") -> Page:
    return Page(thing, get=ALL)


def done(thing: str, by: frozenset[str]) -> Page:
    return Page(thing, post=by)


def form(thing: str, by: frozenset[str]) -> Page:
    return Page(thing, get=by, post=by)


PAGES = {
    "home": seen(),
    "home_dismiss": done("", ALL),
    "help": seen(),
    "project_list": seen(),
    "project_new": form("", PRODUCERS),
    "project_detail": seen("project"),
    "project_edit": form("project", PRODUCERS),
    "reference_add": done("project", PRODUCERS),
    "member_add": done("project", ADMINS),
    "member_remove": done("membership", ADMINS),
    "style_reference": seen("reference"),
    "reference_delete": done("reference", PRODUCERS),
    "voice_sample": seen(),
    "batch_list": seen(),
    "batch_detail": seen("batch"),
    "batch_live": seen("batch"),
    "batch_scripts": seen("batch"),
    "batch_pause": done("batch", PRODUCERS),
    "batch_resume": done("batch", PRODUCERS),
    "batch_cancel": done("batch", PRODUCERS),
    "batch_priority": done("batch", PRODUCERS),
    "batch_finish_by": done("batch", PRODUCERS),
    "batch_retry": done("batch", PRODUCERS),
    "batch_risk": done("batch", PRODUCERS),
    "decision_list": seen(),
    "decision_make": done("", PRODUCERS),
    "risk_settle": done("risk", PRODUCERS),
    "batch_release": done("batch", PRODUCERS),
    "batch_zip": seen("batch"),
    "batch_new": form("project", PRODUCERS),
    "draft_template": seen(),
    "draft_check": Page("draft", get=PRODUCERS),
    "draft_columns": done("draft", PRODUCERS),
    "draft_cells": done("draft", PRODUCERS),
    "draft_rows_rejected": Page("draft", get=PRODUCERS),
    "draft_start": form("draft", PRODUCERS),
    "video_list": seen(),
    "video_detail": seen("video"),
    "video_live": seen("video"),
    "video_edit": done("video", PRODUCERS),
    "video_cancel": done("video", PRODUCERS),
    "video_release_script": done("video", PRODUCERS),
    "video_release_render": done("video", PRODUCERS),
    "video_regenerate": done("video", PRODUCERS),
    "video_download": seen("video"),
    "video_srt": seen("video"),
    "video_vtt": seen("video"),
    "scene_edit": done("scene", PRODUCERS),
    "asset_choose": done("asset", PRODUCERS),
    "step_try_again": done("step", PRODUCERS),
    "media_file": seen("asset"),
    "media_thumbnail": seen("asset"),
    "review_queue": seen(),
    "review_approve_many": done("", REVIEWERS),
    "review_asset": seen("asset"),
    "review_approve": done("asset", REVIEWERS),
    "review_send_back": done("asset", REVIEWERS),
    "review_undo": done("review", REVIEWERS),
    "metrics": seen(),
    "metrics_csv": seen(),
    "metrics_forecasts": seen(),
    "login": form("", ALL),
    "logout": done("", ALL),
    "password_change": form("", ALL),
    "password_change_done": seen(),
}
FOR_VENDORS = {
    "webhook",
    "webhook_of_attempt",
    "public_file",
}  # tests/providers/test_webhooks.py and test_public_file.py
WITHOUT_SIGNING_IN = {"login"}
NEEDS_MORE = {"voice_sample": {422}}  # what even they are told who name nothing in the request


def patterns(found: list[URLPattern | URLResolver], *, within: str = "") -> dict[str, URLPattern]:
    """By name, of our own pages; Django's admin is asked apart."""
    every: dict[str, URLPattern] = {}
    for one in found:
        if isinstance(one, URLResolver):
            if one.namespace != "admin":
                every |= patterns(one.url_patterns)
        else:
            every[str(one.name)] = one
    return every


OURS = patterns(get_resolver("vidbatch_site.urls").url_patterns)


def a_world() -> dict[str, object]:
    """A project with one of everything."""
    project = a_project(is_sample=True)
    batch = a_batch("Why bread rises", "Why bees dance", project=project)
    video = make(batch.videos.get(position=1), flagged=[("image", 1)])
    asset = video.assets.get(kind="image", verdict="flagged")
    name, sha256 = stored(a_picture(), "jpg")
    member = a_user(group="viewer")
    return {
        "project": project,
        "batch": batch,
        "video": video,
        "scene": video.scenes.first(),
        "asset": asset,
        "step": a_stuck_step(batch, position=2),
        "risk": money_left_at_risk(a_batch("Why bread rises", project=project)),
        "draft": drafts.from_paste(project, name="", pasted="Why cats purr", by=member),
        "membership": Membership.objects.create(project=project, user=member),
        "reference": StyleReference.objects.create(project=project, name=name, sha256=sha256, width=64, height=36),
        "review": Review.objects.create(asset=video.assets.get(kind="image", verdict="passed"), verdict="approved",
                                        by=member),
    }  # fmt: skip


@pytest.fixture(scope="module")
def worlds(module_rows):
    """Own and foreign, and for each role the session of somebody who belongs to the first. Made once: nothing that a
    test asks for stays."""
    own, foreign, sessions = a_world(), a_world(), {}
    for role in ROLES:
        (client := Client()).force_login(a_user(group=role, project=own["project"]))
        sessions[role] = client.cookies[settings.SESSION_COOKIE_NAME].value
    return own, foreign, sessions


def address(name: str, world: dict[str, object]) -> str:
    values = {}
    for argument in OURS[name].pattern.converters:
        thing = world[PAGES[name].thing] if argument in ("pk", "token") else None
        values[argument] = "x.jpg" if thing is None else getattr(thing, argument)
    return reverse(name, kwargs=values)


def asked(method: str, url: str, *, session: str = ""):
    """Nothing that is done stays."""
    client = Client()
    if session:
        client.cookies[settings.SESSION_COOKIE_NAME] = session
    with transaction.atomic():
        answer = getattr(client, method)(url)
        b"".join(answer.streaming_content) if answer.streaming else answer.content
        transaction.set_rollback(True)
    return answer


def is_login(answer) -> bool:
    return answer.status_code == 302 and answer.url.startswith(reverse("login"))


def test_the_table_names_every_address():
    assert set(PAGES) | FOR_VENDORS == set(OURS)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", sorted(PAGES))
def test_an_address_serves_those_it_is_for_and_nobody_else(worlds, name, method):
    (own, foreign, sessions), page = worlds, PAGES[name]
    assert is_login(asked(method, address(name, own))) != (name in WITHOUT_SIGNING_IN), "somebody not signed in"
    for role in ROLES:
        may = role in getattr(page, method)
        status = (answer := asked(method, address(name, own), session=sessions[role])).status_code
        expected = NEEDS_MORE.get(name, set()) | {200, 204, 302}
        assert status in (expected if may else {403, 405}), f"{role}, own: {status}"
        assert not is_login(answer) or name == "logout", f"{role} was sent to sign in"
        if page.thing:
            status = asked(method, address(name, foreign), session=sessions[role]).status_code
            assert status == 404 if may else status in {403, 404, 405}, f"{role}, of others: {status}"


@pytest.mark.parametrize("name", sorted(name for name, page in PAGES.items() if page.thing))
def test_a_number_that_nothing_has_is_not_found(worlds, name):
    class Nothing:
        pk, token = 2_000_000_000, "x" * 32

    url = address(name, {PAGES[name].thing: Nothing})
    for method in ("get", "post"):
        if getattr(PAGES[name], method):
            assert asked(method, url, session=worlds[2]["admin"]).status_code == 404


@pytest.mark.parametrize("role", ROLES)
def test_the_admin_site_is_for_staff_only(worlds, role):
    session = worlds[2][role]
    for model in ("providers/price", "providers/quota", "jobs/ledgerentry", "jobs/project", "auth/user"):
        for url in (f"/admin/{model}/", f"/admin/{model}/add/"):
            assert asked("get", url, session=session).status_code == 302
            assert asked("post", url, session=session).status_code == 302
