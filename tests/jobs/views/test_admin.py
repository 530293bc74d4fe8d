from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success

from jobs import ledger
from jobs.models import Attempt, Budget, Decision, LedgerEntry, Review, RiskPolicy, Step
from providers.models import Lane, Price, Provider, Quota
from qc.models import Profile
from tests.factories import NOW, a_batch, local_providers

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def boss(client):
    client.force_login(User.objects.create_superuser("boss", password="a long enough word"))
    return client


@pytest.mark.parametrize("model", [Schedule, OrmQ, Success, Failure])
def test_the_queue_is_not_in_the_admin(model):
    assert not admin.site.is_registered(model)


@pytest.mark.parametrize("model", sorted(admin.site._registry, key=str))
def test_every_list_and_form_opens(boss, model):
    local_providers()
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert boss.get(reverse(f"{name}_changelist")).status_code == 200
    row = model._default_manager.first()
    if row is not None:
        assert boss.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


@pytest.mark.parametrize("model", [Attempt, LedgerEntry, Decision, Review, Step])
def test_what_happened_cannot_be_changed(boss, model):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert boss.get(reverse(f"{name}_add")).status_code == 403


@pytest.mark.parametrize("model", [Provider, Lane, Quota, Price, Profile])
def test_what_operators_change_is_changed_in_the_list(model):
    assert admin.site._registry[model].list_editable


def test_the_list_of_providers_says_when_a_call_or_a_try_worked_last(boss):
    batch = a_batch("Bread")
    studio = Provider.objects.get(slug="studio")
    for day, outcome in ((1, "accepted"), (2, "accepted"), (3, "unknown")):
        at = datetime(2025, 3, day, 12, tzinfo=UTC)
        step = batch.steps.get()
        Attempt.objects.create(
            step=step, no=day, provider=studio, lane=step.lane, capability="script", tag=str(day), request_hash="",
            request={}, price=Price.objects.first(), sent_at=at, send_deadline=at, ended_at=at, outcome=outcome,
        )  # fmt: skip
    listing = reverse("admin:providers_provider_changelist")
    assert "02 Mar 2025" in boss.get(listing).content.decode()
    assert "02 Mar 2025" in boss.get(reverse("admin:providers_provider_change", args=[studio.pk])).content.decode()
    Provider.objects.filter(pk=studio.pk).update(worked_at=datetime(2025, 4, 5, 12, tzinfo=UTC))
    assert "05 Apr 2025" in boss.get(listing).content.decode()


def test_its_queries_do_not_grow_with_the_providers(boss):
    counts = []
    for more in (2, 9):
        for n in range(more):
            Provider.objects.create(slug=f"p{more}-{n}", label=f"P{more}-{n}")
        with CaptureQueriesContext(connection) as seen:
            assert boss.get(reverse("admin:providers_provider_changelist")).status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_a_quota_is_added_and_said_in_words(boss):
    local_providers()
    provider = Provider.objects.get(slug="studio")
    boss.post(
        reverse("admin:providers_quota_add"),
        {"provider": provider.pk, "capability": "image", "offer": "", "amount": 50, "unit": "images", "window_s": 60},
    )
    assert Quota.objects.get().amount == 50
    page = boss.get(reverse("admin:providers_quota_changelist")).content.decode()
    assert "at most 50 images in any minute" in page


def test_an_offer_of_another_provider_is_refused_with_a_sentence(boss):
    local_providers()
    studio, machine = Provider.objects.get(slug="studio"), Provider.objects.get(slug="this_machine")
    answer = boss.post(
        reverse("admin:providers_quota_add"),
        {
            "provider": machine.pk,
            "capability": "",
            "offer": studio.offers.first().pk,
            "amount": 1,
            "unit": "requests",
            "window_s": 60,
        },
    )
    assert "This offer belongs to Studio" in answer.content.decode()
    assert not Quota.objects.exists()


@pytest.mark.parametrize("of_offer", [False, True])
def test_a_second_lane_for_the_same_calls_is_refused_with_a_sentence(boss, of_offer):
    local_providers()
    studio = Provider.objects.get(slug="studio")
    offer = studio.offers.filter(capability="clip").first() if of_offer else None
    lane, _ = Lane.objects.get_or_create(provider=studio, capability="clip", offer=offer)
    before = Lane.objects.count()
    row = {"provider": studio.pk, "capability": "clip", "offer": offer.pk if offer else "", "queues_ahead": 0,
           "jitter_s": 0}  # fmt: skip
    answer = boss.post(reverse("admin:providers_lane_add"), row)
    assert "There is a lane for the same calls already. Change the cap of that one instead." in answer.content.decode()
    assert Lane.objects.count() == before
    row |= {"max_in_flight": 3}
    assert boss.post(reverse("admin:providers_lane_change", args=[lane.pk]), row).status_code == 302


def test_a_price_below_nothing_is_refused_with_what_to_write_instead(boss):
    local_providers()
    price = Price.objects.first()
    row = {"provider": price.provider_id, "capability": price.capability, "unit": "calls", "micro": -5, "per": 0,
           "valid_from_0": "2026-01-01", "valid_from_1": "00:00"}  # fmt: skip
    page = boss.post(reverse("admin:providers_price_change", args=[price.pk]), row).content.decode()
    assert "A price is 0 or more. What costs nothing has the price 0." in page
    row["micro"] = 5
    page = boss.post(reverse("admin:providers_price_change", args=[price.pk]), row).content.decode()
    assert "A price is for 1 unit or more." in page
    assert "price_is_sane" not in page


def quota_form(provider, **values):
    row = {"provider": provider.pk, "capability": "image", "offer": "", "amount": 50, "unit": "images", "window_s": 60}
    return {**row, **values}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"amount": 0}, "A quota of nothing stops every call. Write at least 1, or pause the lane instead."),
        ({"amount": -3}, "A quota of nothing stops every call."),
        ({"window_s": 0}, "A window is 0.1 seconds or longer."),
        ({"window_s": -60}, "A window is 0.1 seconds or longer."),
        ({"window_s": 10**9}, "A window is at most 31 days"),
        ({"window_s": "nan"}, "Enter a number."),
    ],
)
def test_a_quota_that_cannot_be_meant_is_refused_with_a_sentence(boss, values, sentence):
    local_providers()
    studio = Provider.objects.get(slug="studio")
    page = boss.post(reverse("admin:providers_quota_add"), quota_form(studio, **values)).content.decode()
    assert sentence in page
    assert not Quota.objects.exists()


@pytest.mark.parametrize("offer", [False, True])
def test_a_second_quota_for_the_same_calls_unit_and_window_is_refused(boss, offer):
    local_providers()
    studio = Provider.objects.get(slug="studio")
    chosen = studio.offers.filter(capability="image").first().pk if offer else ""
    boss.post(reverse("admin:providers_quota_add"), quota_form(studio, offer=chosen))
    page = boss.post(reverse("admin:providers_quota_add"), quota_form(studio, offer=chosen, amount=20)).content.decode()
    assert "There is a quota for the same calls, unit and window already." in page
    assert Quota.objects.get().amount == 50


def test_a_quota_that_another_one_always_ends_first_is_pointed_out(boss):
    local_providers()
    studio = Provider.objects.get(slug="studio")
    boss.post(reverse("admin:providers_quota_add"), quota_form(studio))
    page = boss.post(reverse("admin:providers_quota_add"), quota_form(studio, amount=99, window_s=1), follow=True)
    assert "99 images in 1 s is never reached: 50 images in 60 s ends it before." in page.content.decode()


def test_a_spacing_and_half_a_second_are_said_in_words(boss):
    local_providers()
    studio = Provider.objects.get(slug="studio")
    boss.post(reverse("admin:providers_quota_add"), quota_form(studio, unit="requests", amount=1, window_s=0.5))
    assert "requests at least 0.5 s apart" in boss.get(reverse("admin:providers_quota_changelist")).content.decode()


def test_a_lane_that_nothing_limits_and_one_that_stands_still_are_pointed_out(boss):
    local_providers()
    Provider.objects.filter(slug="studio").update(max_in_flight=None)
    lane = Lane.objects.get(provider__slug="studio", capability="image")
    form = {"provider": lane.provider_id, "capability": "image", "offer": "", "pause_reason": ""}
    form |= {"jitter_s": "0.3", "queues_ahead": "0"}
    change = reverse("admin:providers_lane_change", args=[lane.pk])
    page = boss.post(change, {**form, "max_in_flight": ""}, follow=True).content.decode()
    assert "Nothing limits" in page
    assert "nothing: no quota and no cap" in page
    page = boss.post(change, {**form, "max_in_flight": "0"}, follow=True).content.decode()
    assert "is set to 0 calls at once: that stops it." in page
    assert "set to 0 at once, which stops it" in page
    page = boss.post(change, {**form, "max_in_flight": "", "jitter_s": "-1"}).content.decode()
    assert "The way to the vendor varies by 0 seconds or more." in page


def test_what_the_vendor_said_is_shown_and_can_be_forgotten(boss):
    local_providers()
    studio = Provider.objects.get(slug="studio")
    quota = Quota.objects.create(provider=studio, amount=60, window_s=60, learned_amount=20, learned_at=timezone.now())
    listing = reverse("admin:providers_quota_changelist")
    assert "that is obeyed" in boss.get(listing).content.decode()
    boss.post(listing, {"action": "forget", "_selected_action": [quota.pk]})
    quota.refresh_from_db()
    assert quota.granted == 60


def test_what_a_lane_learned_is_shown_and_can_be_forgotten(boss):
    local_providers()
    lane = Lane.objects.get(provider__slug="studio", capability="image")
    Lane.objects.filter(pk=lane.pk).update(guard_s=0.25, paced=True, broken_until=timezone.now(), failures_in_row=5)
    Lane.objects.filter(pk=lane.pk).update(max_in_flight=9, learned_cap=3, learned_cap_at=timezone.now())
    listing = reverse("admin:providers_lane_changelist")
    assert "3 at once: the vendor said so on " in boss.get(listing).content.decode()
    assert "keeps 0.25 s of distance, no bursts, 5 failures in a row" in boss.get(listing).content.decode()
    boss.post(listing, {"action": "forget", "_selected_action": [lane.pk]})
    lane.refresh_from_db()
    assert (lane.guard_s, lane.paced, lane.broken_until, lane.places) == (0.0, False, None, 9)


# -- caps and the risk allowance ---------------------------------------------------------------------------------------


def a_cap(boss, **values):
    form = {"scope": "site", "project": "", "batch": "", "provider": "", "period": "all", "cap_micro": 1000, **values}
    return boss.post(reverse("admin:jobs_budget_add"), form)


def test_a_cap_begins_with_what_is_booked(boss):
    batch = a_batch("Bread")
    with transaction.atomic():
        ledger.write([ledger.Move(kind=ledger.Kind.ADJUST, attempt=nobody(), batch=batch, spent_micro=70)], NOW)
    assert a_cap(boss, scope="batch", batch=batch.pk).status_code == 302
    assert Budget.objects.get().spent_micro == 70


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"scope": "project"}, "Say which one the cap is for."),
        ({"cap_micro": -1}, "A cap is 0 or more."),
        ({"provider": "studio"}, "A cap for “Everything” names none: leave it empty."),
    ],
)
def test_a_cap_that_makes_no_sense_is_refused_with_a_sentence(boss, values, said):
    local_providers()
    if "provider" in values:
        values = {"provider": Provider.objects.get(slug="studio").pk}
    assert said in a_cap(boss, **values).content.decode()
    assert not Budget.objects.exists()


def test_a_page_that_was_open_for_long_does_not_write_old_sums_back(boss, monkeypatch):
    a_cap(boss)
    budget = Budget.objects.get()
    save = Budget.save

    def save_late(self, *args, **kwargs):
        """Between reading and writing, the engine booked something."""
        Budget.objects.filter(pk=budget.pk).update(spent_micro=70)
        save(self, *args, **kwargs)

    monkeypatch.setattr(Budget, "save", save_late)
    boss.post(reverse("admin:jobs_budget_change", args=[budget.pk]), {"period": "all", "cap_micro": 5})
    budget.refresh_from_db()
    assert (budget.cap_micro, budget.spent_micro) == (5, 70)


def test_another_period_counts_anew(boss):
    batch = a_batch("Bread")
    a_cap(boss)
    with transaction.atomic():
        ledger.write([ledger.Move(kind=ledger.Kind.ADJUST, attempt=nobody(), batch=batch, spent_micro=70)], LONG_AGO)
    budget = Budget.objects.get()
    boss.post(reverse("admin:jobs_budget_change", args=[budget.pk]), {"period": "day", "cap_micro": 1000})
    budget.refresh_from_db()
    assert (budget.period, budget.spent_micro) == ("day", 0)
    assert budget.period_start is not None


def test_the_risk_allowance_is_one_row(boss):
    add = reverse("admin:jobs_riskpolicy_add")
    boss.post(add, {"share_percent": 2, "without_cap_micro": 0, "per_call_micro": 50_000})
    assert RiskPolicy.current().share_percent == 2
    assert boss.get(add).status_code == 403
    page = boss.post(
        reverse("admin:jobs_riskpolicy_change", args=[RiskPolicy.current().pk]),
        {"share_percent": 101, "without_cap_micro": 0, "per_call_micro": 0},
    )
    assert page.status_code == 200, "more than all of it is refused"
    assert RiskPolicy.current().share_percent == 2


def nobody() -> ledger.Charge:
    return ledger.Charge(None, Provider.objects.order_by("pk").first().pk, 0)
