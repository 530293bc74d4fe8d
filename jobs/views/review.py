"""The queue of files that wait for a person, and the page to decide about one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from jobs import review
from jobs.control import Refused
from jobs.models import Asset, Review
from jobs.queries import review_queue as queries
from jobs.queries import videos
from jobs.queries.review_queue import Queue
from jobs.views.people import person

FILES_ON_A_PAGE = 48
may_review = permission_required("jobs.add_review", raise_exception=True)


@require_GET
def review_queue(request: HttpRequest) -> HttpResponse:
    queue, now = Queue.of(request.GET), timezone.now()
    files = queries.page_of(queue.files(request.user))
    page = Paginator(files, FILES_ON_A_PAGE).get_page(request.GET.get("page"))
    projects = [("", "All projects"), *videos.projects_of(request.user)]
    selects = [
        ("kind", "Kind", [("", "All kinds"), *queries.KINDS], queue.kind),
        ("project", "Project", projects, queue.project),
    ]
    if queue.tab == "waiting":
        selects.append(("sort", "Order", list(queries.SORTS.items()), queue.sort))
    context = {
        "queue": queue,
        "tabs": queries.TABS.items(),
        "page": page,
        "tiles": queries.tiles(list(page.object_list), viewer=request.user, now=now),
        "selects": selects,
        "done": queries.can_be_undone(request.GET.get("done", ""), request.user, now),
    }
    return render(request, "review/queue.html", context)


@require_GET
def review_asset(request: HttpRequest, pk: int) -> HttpResponse:
    queue, now = Queue.of(request.GET), timezone.now()
    asset = _asset(request, pk)
    item = queries.item(asset, queue, request.user)
    if item.place and request.user.has_perm("jobs.add_review"):
        review.claim(asset, person(request), now)
        asset.refresh_from_db(fields=["reviewing_by", "reviewing_until"])
    context = {
        "item": item,
        "queue": queue,
        "taken_by": queries.taken_by(asset, request.user, now),
        "reasons": Review.Reason.choices,
        "done": queries.can_be_undone(request.GET.get("done", ""), request.user, now),
    }
    return render(request, "review/asset.html", context)


@may_review
@require_POST
def review_approve(request: HttpRequest, pk: int) -> HttpResponse:
    asset, queue, now = _asset(request, pk), Queue.of(request.GET), timezone.now()
    following = queries.next_after(asset, queue, request.user, now)
    try:
        done = review.approve(asset, person(request), now)
    except Refused as error:
        messages.error(request, str(error))
        return _to(asset.pk, queue)
    return _to(following, queue, done)


@may_review
@require_POST
def review_send_back(request: HttpRequest, pk: int) -> HttpResponse:
    asset, queue, now = _asset(request, pk), Queue.of(request.GET), timezone.now()
    following = queries.next_after(asset, queue, request.user, now)
    reason, note = request.POST.get("reason", ""), request.POST.get("note", "")
    try:
        done = review.send_back(asset, person(request), now, reason=reason, note=note)
    except Refused as error:
        messages.error(request, str(error))
        return _to(asset.pk, queue)
    return _to(following, queue, done)


@may_review
@require_POST
def review_undo(request: HttpRequest, pk: int) -> HttpResponse:
    decision = get_object_or_404(queries.decisions_of(request.user), pk=pk)
    try:
        review.undo(decision, timezone.now())
        messages.success(request, "The decision is taken back.")
    except Refused as error:
        messages.error(request, str(error))
    return _to(decision.asset_id, Queue.of(request.GET))


@may_review
@require_POST
def review_approve_many(request: HttpRequest) -> HttpResponse:
    """Files with a failed check are left out unless the form says that they are meant, too."""
    queue, now = Queue.of(request.GET), timezone.now()
    ids = [int(pk) for pk in request.POST.getlist("asset")[:500] if pk.isdecimal() and len(pk) < 15]
    files = Asset.objects.for_user(request.user).select_related("video").filter(pk__in=ids).order_by("pk")
    chosen = files if request.POST.get("with_failed") else files.exclude(inspection__results__status="failed")
    approved, refused = 0, ""
    for asset in chosen:
        try:
            review.approve(asset, person(request), now)
            approved += 1
        except Refused as error:
            refused = str(error)
    left_out = files.count() - chosen.count()
    if approved:
        messages.success(request, f"Approved {approved}.")
    if left_out:
        sentence = "left out: a check failed. To approve them, too, tick “also those with a failed check”."
        messages.warning(request, f"{left_out} {sentence}")
    if refused:
        messages.error(request, refused)
    if not ids:
        messages.error(request, "Nothing was chosen: tick the files to approve.")
    return redirect(reverse("review_queue") + queue.query)


def _asset(request: HttpRequest, pk: int) -> Asset:
    return get_object_or_404(queries.page_of(Asset.objects.for_user(request.user)), pk=pk)


def _to(pk: int | None, queue: Queue, done: Review | None = None) -> HttpResponse:
    """To the next file, or to the queue when none is left; the toast of the decision comes along."""
    address = (reverse("review_asset", args=[pk]) if pk else reverse("review_queue")) + queue.query
    if done is not None:
        address += f"{'&' if queue.query else '?'}done={done.pk}"
    return redirect(address)
