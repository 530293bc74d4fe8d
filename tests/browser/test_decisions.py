from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from playwright.sync_api import expect

from jobs.models import Attempt, Decision, Step
from jobs.states import State
from providers import registry
from providers.models import Lane
from providers.sync import sync_providers
from tests.factories import a_batch, a_project, a_provider, a_user
from tests.jobs.engine.listed_vendor import Listed
from tests.jobs.views.situations import a_lost_answer, money_left_at_risk

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SENT = {
    "prompt": "A loaf of sourdough on a wooden board, steam rising in soft morning light. Warm paper-cut, soft light.",
    "offer": "motion-2",
    "width": 1280,
    "height": 720,
    "seconds": 5.0,
    "seed": 421337,
}


@pytest.fixture
def project(transactional_db):
    import_module("jobs.migrations.0002_groups").make_groups(apps, None)  # a test before this one emptied the tables
    sync_providers()
    return a_project(name="Bakery", slug="bakery")


@pytest.fixture
def ana(project):
    return a_user(group="producer", project=project)


@pytest.fixture
def lost(project):
    """Two of one cause, one of another, one at a vendor whose jobs have ids, and money that was left at risk."""
    registry.register(Listed)
    batch = a_batch("Why bread rises", "How bees dance", "What tides are", "Inside a lock", project=project)
    for position in (1, 2):
        a_lost_answer(batch, position=position, request=SENT, message="Studio did not answer in time.")
    a_lost_answer(batch, position=3, request=SENT, message="Studio broke off before answering.")
    attempt = a_lost_answer(batch, position=4, request=SENT, reserved_micro=250_000, message="Listed never answered.")
    provider = a_provider("listed", micro=250_000)
    lane = Lane.objects.get(provider=provider)
    Step.objects.filter(pk=attempt.step_id).update(provider=provider, lane=lane)
    Attempt.objects.filter(pk=attempt.pk).update(provider=provider, lane=lane)
    money_left_at_risk(a_batch("Why cats purr", project=project))
    yield batch
    registry._extra.pop("listed", None)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_is_accessible_with_questions_and_without(
    open_page, ana, lost, sign_in, assert_accessible, theme, width
):
    page = open_page(theme=theme, width=width)
    sign_in(page, ana)
    for address in ("/decisions/", f"/decisions/?batch={lost.pk}", f"/batches/{lost.pk}/", "/"):
        page.goto(address)
        assert_accessible(page)
    page.goto("/decisions/")
    page.get_by_role("button", name="Give up all 2").click()
    assert_accessible(page)
    Step.objects.update(state=State.READY)
    Decision.objects.all().delete()
    page.goto("/decisions/")
    expect(page.get_by_role("heading", name="Nothing needs a decision")).to_be_visible()
    assert_accessible(page)


def test_one_comes_from_the_overview_and_decides_by_keyboard_alone(page, ana, lost, sign_in):
    sign_in(page, ana)
    page.goto("/")
    page.get_by_role("link", name="4 need a decision").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Needs a decision")
    question = page.get_by_role("listitem").filter(has_text="Inside a lock")
    question.get_by_label("The provider's id of the job").focus()
    page.keyboard.type("job-17")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The job job-17 is followed now")).to_be_visible()
    assert Attempt.objects.get(external_id="job-17").outcome == "adopted"


def test_one_word_for_all_of_a_cause_asks_first_where_it_costs(page, ana, lost, sign_in):
    sign_in(page, ana)
    page.goto("/decisions/")
    page.get_by_role("button", name="All happened: mark as paid").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("$0.08 is booked as spent")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="All happened: mark as paid").click()
    dialog.get_by_role("button", name="Book $0.08").click()
    expect(page.get_by_text("Booked as paid; 2 are made anew.")).to_be_visible()
    assert Attempt.objects.filter(cost_micro=40_000).count() == 2
    page.get_by_role("listitem").filter(has_text="What tides are").get_by_role("button", name="Give up").click()
    page.get_by_role("dialog").get_by_role("button", name="Give it up").click()
    expect(page.get_by_text("Given up: it is not made.")).to_be_visible()
