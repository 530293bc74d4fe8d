"""What a call of try_provider costs stands in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

import pytest

from jobs.engine import late
from jobs.models import Budget, LedgerEntry
from providers import registry
from providers.base import Adapter
from providers.exceptions import NotSent, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from providers.models import Price
from providers.trying import try_provider
from providers.types import Accepted, Capability, Failed, Finished
from tests.factories import a_batch, a_provider

pytestmark = [pytest.mark.django_db]
PRICE = 40_000


class Tried(Adapter):
    """Says what a test tells it to."""

    slug = "tried"
    label = "Tried"
    capabilities = frozenset({Capability.SCRIPT})
    says: ClassVar[list] = []

    def submit(self, request):
        answer = self.says.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def poll(self, external_id):
        return self.submit(None)


@pytest.fixture
def provider():
    registry.register(Tried)
    provider = a_provider("tried", micro=PRICE)
    Price.objects.update(valid_from=datetime(2020, 1, 1, tzinfo=UTC))
    yield provider
    registry._extra.pop("tried", None)


def tried(*answers):
    Tried.says = list(answers)
    return try_provider("tried", sleep=lambda seconds: None)


def test_it_is_booked_with_its_provider_and_without_a_step(provider):
    tried(Accepted(external_id="job-1"), Finished(units={"calls": 1}))
    entry = LedgerEntry.objects.get()
    assert (entry.kind, entry.provider, entry.spent_micro, entry.external_id) == ("trial", provider, PRICE, "job-1")
    assert (entry.attempt, entry.batch, entry.project) == (None, None, None)
    assert entry.note == "one: It works."


def test_caps_of_the_site_and_of_the_provider_count_it_and_those_of_batches_do_not(provider):
    batch = a_batch("Bread")
    own = {"provider": {"provider": provider}, "batch": {"batch": batch}, "project": {"project": batch.project}}
    for scope in ("site", "provider", "batch", "project"):
        Budget.objects.create(scope=scope, cap_micro=10**6, **own.get(scope, {}))
    tried(Finished(units={"calls": 1}))
    spent = dict(Budget.objects.values_list("scope", "spent_micro"))
    assert spent == {"site": PRICE, "provider": PRICE, "batch": 0, "project": 0}


@pytest.mark.parametrize("error", [NotSent, RateLimited, Rejected, Unauthorised, OutOfCredit])
def test_what_the_vendor_did_not_take_is_not_booked(provider, error):
    tried(error("No."))
    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize(
    "answers",
    [
        [Unknown("Cut off.")],
        [Accepted(external_id="job-1"), Rejected("No such job.")],
        [Accepted(external_id="job-1"), Finished(units={"seconds": 5})],
    ],
)
def test_where_nobody_knows_the_bill_the_most_that_it_may_be_is_booked(provider, answers):
    Price.objects.update(unit="tokens", micro=10, per=1)
    trial = tried(*answers)
    entry = LedgerEntry.objects.get()
    assert trial.micro is None
    assert entry.spent_micro == trial.booked_micro > 0
    assert "the most that it may have cost" in entry.note


def test_what_ended_badly_and_is_not_billed_costs_nothing(provider):
    tried(Accepted(external_id="job-1"), Failed(reason="It broke."))
    entry = LedgerEntry.objects.get()
    assert (entry.spent_micro, entry.note) == (0, "one: It ended badly: It broke.")


def test_one_that_somebody_breaks_off_is_booked_all_the_same(provider):
    with pytest.raises(KeyboardInterrupt):
        tried(Accepted(external_id="job-1"), KeyboardInterrupt())
    assert LedgerEntry.objects.get().external_id == "job-1"


def test_its_job_is_no_stranger_to_a_sweep_and_booked_once_whoever_comes_first(provider):
    now = datetime.now(UTC)
    tried(Accepted(external_id="job-1"), Finished(units={"calls": 1}))
    assert not late.book_orphan(provider, "job-1", PRICE, now)
    assert late.book_orphan(provider, "job-2", PRICE, now)
    tried(Accepted(external_id="job-2"), Finished(units={"calls": 1}))
    assert sorted(LedgerEntry.objects.values_list("kind", "external_id")) == [("orphan", "job-2"), ("trial", "job-1")]
    tried(Finished(units={"calls": 1})), tried(Finished(units={"calls": 1}))  # without names: two
    assert LedgerEntry.objects.filter(kind="trial").count() == 3


def test_what_works_on_this_machine_is_not_booked(provider, monkeypatch):
    monkeypatch.setattr(Tried, "local", True)
    tried(Finished(units={"calls": 1}))
    assert not LedgerEntry.objects.exists()
