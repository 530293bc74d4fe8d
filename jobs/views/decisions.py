"""The page where a person decides what cannot be known: was it made, and what did it cost?"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from jobs import decisions
from jobs.control import Refused
from jobs.decisions import Word
from jobs.models import Attempt, Batch
from jobs.queries import decisions as queries
from jobs.views.people import person

ON_A_PAGE = 20
AT_ONCE = 200  # of one cause by one press
MOST_DOLLARS = Decimal(1_000_000)
SAID = {
    Word.AGAIN: "Nothing is booked, and {} sent again.",
    Word.HAPPENED: "Booked as paid; {} made anew.",
    Word.GIVE_UP: "Given up: {} not made. What the lost answer may have cost stays at risk.",
}
may_decide = permission_required("jobs.add_decision", raise_exception=True)


@require_GET
def decision_list(request: HttpRequest) -> HttpResponse:
    batch = _batch(request, request.GET.get("batch", ""))
    found = queries.questions(request.user, batch=batch.pk if batch else None)
    page = Paginator(queries.in_order(found), ON_A_PAGE).get_page(request.GET.get("page"))
    left = queries.left_at_risk(request.user, batch=batch.pk if batch else None)
    return render(
        request,
        "decisions/list.html",
        {
            "batch": batch,
            "page": page,
            "groups": queries.groups(found, list(page.object_list)),
            "total": queries.totals(found),
            "left": left[: queries.SHOWN_AT_RISK],
            "at_once": AT_ONCE,
        },
    )


@may_decide
@require_POST
def decision_make(request: HttpRequest) -> HttpResponse:
    """`verb` about the lost answer of one `step`, or about all `like` it; `external_id` names the job of one."""
    batch = _batch(request, request.POST.get("batch", ""))
    back = redirect(f"{reverse('decision_list')}?{urlencode({'batch': batch.pk})}" if batch else "decision_list")
    verb = request.POST.get("verb", "")
    if verb not in list(Word):
        messages.error(request, "Say what became of it: it did not happen, it did, or you give it up.")
        return back
    attempts = _meant(request, batch)
    external_id = request.POST.get("external_id", "").strip()[:200] if "step" in request.POST else ""
    if "follow" not in request.POST:
        external_id = ""  # typed, but another button was pressed
    elif not external_id:
        messages.error(request, "Give the provider's id of the job, or book it as paid without one.")
        return back
    _decide(request, attempts, Word(verb), external_id)
    return back


def _meant(request: HttpRequest, batch: Batch | None) -> list[Attempt]:
    found = queries.questions(request.user, batch=batch.pk if batch else None)
    if like := _number(request.POST.get("like", "")):
        found = queries.like(found, like)
    else:
        found = found.filter(step=_number(request.POST.get("step", "")))
    return list(found.select_related("step").order_by("pk")[:AT_ONCE])


def _decide(request: HttpRequest, attempts: list[Attempt], word: Word, external_id: str) -> None:
    done, refused = 0, ""
    for attempt in attempts:
        try:
            decisions.decide(attempt.step, word, person(request), timezone.now(), external_id=external_id)
            done += 1
        except Refused as error:
            refused = str(error)
    if done and external_id:
        messages.success(request, f"The job {external_id} is followed now; its price is booked when it ends.")
    elif done:
        messages.success(request, SAID[word].format("it is" if done == 1 else f"{done} are"))
    if refused:
        messages.warning(request, refused)
    elif not done:
        messages.warning(request, "Nothing waits for that decision any more; somebody has already made it.")


@may_decide
@require_POST
def risk_settle(request: HttpRequest, pk: int) -> HttpResponse:
    """Money that was left at risk: the provider's bill has it (`billed` is yes), or has not."""
    attempt = get_object_or_404(queries.left_at_risk(request.user), pk=pk)
    billed = request.POST.get("billed") == "yes"
    try:
        decisions.settle_risk(attempt, person(request), timezone.now(), billed=billed)
        messages.success(request, "Booked as spent." if billed else "It is free again: nothing was billed for it.")
    except Refused as error:
        messages.warning(request, str(error))
    return redirect("decision_list")


@may_decide
@require_POST
def batch_risk(request: HttpRequest, pk: int) -> HttpResponse:
    """The risk allowance of a batch, in dollars; empty: as the policy of the site says."""
    batch = get_object_or_404(Batch.objects.for_user(request.user), pk=pk)
    given = request.POST.get("dollars", "").strip().removeprefix("$")
    try:
        dollars = Decimal(given) if given else None
        if dollars is not None and not 0 <= dollars <= MOST_DOLLARS:  # also what is no number at all
            raise InvalidOperation
    except InvalidOperation:
        messages.error(request, "An allowance is an amount in dollars, such as 0.50. 0: always ask a person.")
        return redirect("batch_detail", batch.pk)
    micro = None if dollars is None else int(dollars * 10**6)
    decisions.set_allowance(batch, micro, person(request), timezone.now())
    messages.success(
        request, "The risk allowance is set." if given else "The site's policy holds for this batch again."
    )
    return redirect("batch_detail", batch.pk)


def _batch(request: HttpRequest, number: str) -> Batch | None:
    """The batch that the page is about; one that the person may not see is none."""
    if not _number(number):
        return None
    return get_object_or_404(Batch.objects.for_user(request.user), pk=_number(number))


def _number(text: str) -> int:
    """0, which no row has, for what is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
