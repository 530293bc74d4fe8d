"""The list of batches, the page of one, and what people do with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template import Engine, RequestContext
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from jobs import control
from jobs.advance import mark
from jobs.control import Cancel, Refused
from jobs.forms_deadline import DeadlineForm
from jobs.models import Batch, Project, Video
from jobs.offers import is_nearer_than_bulk
from jobs.queries import batches as queries
from jobs.queries import decisions, notices
from jobs.queries.batch_items import filtered, items_of
from jobs.queries.bulk_words import bulk_words_of
from jobs.queries.eta import done_at, renew, times_left
from jobs.queries.gauges import gauges_of, holds_of, read_market
from jobs.queries.progress import progress_of
from jobs.queries.queues import queues_of
from jobs.risk import allowance_of
from jobs.states import Reason
from jobs.views.answers import Answer

BATCHES_ON_A_PAGE = 20
ITEMS_ON_A_PAGE = 50
SCRIPTS_ON_A_PAGE = 20
BOARD_PARTS = ("title", "actions", "alerts", "figures", "needs", "pipeline", "items", "gauges")
LIVE_PARTS = {**{name: f"batches/_{name}.html" for name in BOARD_PARTS}, "badge": "components/_review_badge.html"}
OUT_OF_BAND = ' hx-swap-oob="true"'
ENDED = 286  # htmx stops asking
may_steer = permission_required("jobs.change_batch", raise_exception=True)


# -- looking -----------------------------------------------------------------------------------------------------------


@require_GET
def batch_list(request: HttpRequest) -> HttpResponse:
    show, project = request.GET.get("show", ""), request.GET.get("project", "")
    search = request.GET.get("q", "").strip()[:100]
    found = queries.batches_shown(request.user, show=show, project=project, search=search)
    page = Paginator(found, BATCHES_ON_A_PAGE).get_page(request.GET.get("page"))
    batches = list(page.object_list)
    progress = progress_of(batches)
    projects = list(Project.objects.for_user(request.user).values_list("pk", "name"))
    return render(
        request,
        "batches/list.html",
        {
            "page": page,
            "rows": [(batch, progress[batch.pk], *queries.state_of(batch, progress[batch.pk])) for batch in batches],
            "filtered": bool(show or project or search),
            "search": search,
            "first_project": projects[0][0] if projects else None,
            "only_project": len(projects) == 1,
            "selects": [
                ("show", "State", [("", "All states"), ("open", "Open"), ("finished", "Finished"),
                                   ("cancelled", "Cancelled")], show),
                ("project", "Project", [("", "All projects"), *((str(pk), name) for pk, name in projects)], project),
            ],
        },
    )  # fmt: skip


@require_GET
def batch_detail(request: HttpRequest, pk: int) -> HttpResponse:
    batch = _batch(request, pk)
    context, afterwards = _board(request, batch)
    parts = _parts(request, context)
    context |= {"parts": parts, "live_version": _version(parts), "priorities": Batch.Priority.choices}
    context |= {"facts": queries.facts_of(batch), "allowance": allowance_of(batch)}
    return Answer(render_to_string("batches/detail.html", context, request), afterwards=afterwards)


@require_GET
def batch_live(request: HttpRequest, pk: int) -> HttpResponse:
    """The parts that change, when one of them has; an ended batch is answered once more, and then no more."""
    batch = _batch(request, pk)
    context, afterwards = _board(request, batch)
    parts = _parts(request, {**context, "oob": True})
    version = _version(parts)
    over = not batch.is_open and not context["progress"].out
    if request.GET.get("v") == version and not over:
        return Answer(status=204, afterwards=afterwards)
    token = render_to_string("components/_live_version.html", {"live_version": version, "oob": True})
    return Answer("\n".join([*parts.values(), token]), status=ENDED if over else 200, afterwards=afterwards)


@require_GET
def batch_scripts(request: HttpRequest, pk: int) -> HttpResponse:
    """The gate “let me read the scripts first”: those that wait, to be read and released."""
    batch = _batch(request, pk)
    waiting = queries.with_scenes(queries.at_script_gate(batch))
    page = Paginator(waiting, SCRIPTS_ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "batches/scripts.html", {"batch": batch, "page": page})


# -- steering ----------------------------------------------------------------------------------------------------------


@may_steer
@require_POST
def batch_pause(request: HttpRequest, pk: int) -> HttpResponse:
    batch = _batch(request, pk)
    if batch.is_open:
        control.pause(batch, timezone.now())
        messages.success(request, "Paused. Nothing new is sent; what is out is fetched and booked.")
    else:
        messages.warning(request, "This batch is already over: there is nothing to pause.")
    return redirect("batch_detail", batch.pk)


@may_steer
@require_POST
def batch_resume(request: HttpRequest, pk: int) -> HttpResponse:
    batch = _batch(request, pk)
    control.resume(batch)
    messages.success(request, "Resumed.")
    return redirect("batch_detail", batch.pk)


@may_steer
@require_POST
def batch_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    batch = _batch(request, pk)
    if request.POST.get("how") not in list(Cancel):
        messages.error(request, "Choose what to cancel: waiting videos only, all but what is running, or everything.")
        return redirect("batch_detail", batch.pk)
    count = control.cancel(batch, Cancel(request.POST["how"]), timezone.now())
    if count:
        messages.success(request, f"Cancelled {count} video{'s' if count > 1 else ''}. What is finished stays.")
    else:
        messages.warning(request, "There was nothing to cancel: every video has begun, or is over.")
    return redirect("batch_detail", batch.pk)


@may_steer
@require_POST
def batch_priority(request: HttpRequest, pk: int) -> HttpResponse:
    batch = _batch(request, pk)
    chosen = request.POST.get("priority", "")
    if chosen not in {str(value) for value in Batch.Priority.values}:
        messages.error(request, "A priority is low, normal or high.")
    else:
        batch.priority = int(chosen)
        batch.save(update_fields=["priority"])
        messages.success(request, f"Priority: {Batch.Priority(int(chosen)).label.lower()}.")
    return redirect("batch_detail", batch.pk)


@may_steer
@require_POST
def batch_finish_by(request: HttpRequest, pk: int) -> HttpResponse:
    batch, form = _batch(request, pk), DeadlineForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(sentence) for sentences in form.errors.values() for sentence in sentences))
    else:
        batch.finish_by = form.cleaned_data["finish_by"]
        batch.save(update_fields=["finish_by"])
        messages.success(request, _deadline_words(batch))
    return redirect("batch_detail", batch.pk)


def _deadline_words(batch: Batch) -> str:
    if batch.finish_by is None:
        return "There is no deadline any more."
    if batch.in_bulk and is_nearer_than_bulk(batch.finish_by, timezone.now()):
        return "The deadline is changed. What was not gathered for bulk yet is made at once, at the full price."
    return "The deadline is changed."


@may_steer
@require_POST
def batch_retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Sends failed steps off once more: one (`step`), those that failed alike (`like`), or all that may succeed.

    Never a lost answer: that is a decision about money. Never what was declined for its content: it would be again.
    """
    batch = _batch(request, pk)
    steps = queries.attention_of(batch).exclude(reason__in=(Reason.DECISION, Reason.CONTENT))
    if step_id := request.POST.get("step"):
        steps = steps.filter(pk=_number(step_id))
    elif like_id := request.POST.get("like"):
        alike = queries.like(batch, get_object_or_404(steps, pk=_number(like_id)))
        steps = steps.filter(pk__in=alike)
    else:
        steps = steps.exclude(reason=Reason.REJECTED)  # something has to be changed first: each by itself
    count, refused = 0, ""
    for step in steps:
        try:
            control.try_again(step, _user(request), timezone.now())
            count += 1
        except Refused as error:
            refused = str(error)
    mark(queries.without_a_provider([batch.pk]).values_list("pk", flat=True))  # asked again by the next drive
    if count:
        messages.success(request, f"{count} step{'s are' if count > 1 else ' is'} tried again.")
    elif refused:
        messages.warning(request, refused)
    else:
        messages.info(request, "Looking at it again. What still cannot go on says why.")
    return redirect("batch_detail", batch.pk)


@may_steer
@require_POST
def batch_release(request: HttpRequest, pk: int) -> HttpResponse:
    """Opens a gate: `what` is scripts or renders, `video` one of them, else all that wait now."""
    batch = _batch(request, pk)
    renders = request.POST.get("what") == "renders"
    waiting = queries.at_render_gate(batch) if renders else queries.at_script_gate(batch)
    if video_id := request.POST.get("video"):
        waiting = waiting.filter(pk=_number(video_id))
    videos = list(waiting)
    if videos:
        release = control.release_renders if renders else control.release_scripts
        release(videos, _user(request), timezone.now())
        what = "video" if renders else "script"
        messages.success(request, f"Released {len(videos)} {what}{'s' if len(videos) > 1 else ''}.")
    else:
        messages.warning(request, "Nothing waits there any more; somebody has released it already.")
    more = not renders and queries.at_script_gate(batch).exists()
    return redirect("batch_scripts" if more else "batch_detail", batch.pk)


# -- parts -------------------------------------------------------------------------------------------------------------


def _board(request: HttpRequest, batch: Batch) -> tuple[dict[str, Any], Callable[[], None]]:
    """All that the live parts of a batch show, in a fixed number of queries; and what is to be done afterwards.

    Nothing is asked about what, by the counts, is not there.
    """
    market = read_market()
    by_batch = progress_of([batch])
    progress = by_batch[batch.pk]
    state, search = request.GET.get("state", ""), request.GET.get("q", "").strip()[:100]
    paginator = Paginator(filtered(batch, state=state, search=search), ITEMS_ON_A_PAGE)
    if not (state or search):
        paginator.count = progress.ordered
    page = paginator.get_page(request.GET.get("page"))
    chip, word = queries.state_of(batch, progress)
    causes = queries.causes_of([batch.pk]) if progress.asking or progress.videos["attention"] else []
    stuck = sum(cause.count for cause in causes)
    queues = queues_of(batch, market.priced, market.now)
    left = times_left([batch], by_batch, market)[batch.pk]
    ends_at = done_at(left, market.now)
    context = {
        "batch": batch,
        "progress": progress,
        "chip": chip,
        "word": word,
        "left": left,
        "done_at": ends_at,
        "is_late": batch.finish_by is not None and batch.finish_by < (ends_at or market.now),
        "money": queries.money_of(batch, market),
        "flagged": progress.flagged,
        "causes": causes,
        "stuck": stuck,
        "needs": progress.flagged + stuck + progress.gates,
        "retryable": sum(cause.count for cause in causes if cause.may_succeed),
        "decisions": decisions.causes(decisions.questions_of([batch])) if progress.asking else [],
        "scripts": queries.at_script_gate(batch).count() if progress.gates else 0,
        "renders": queries.at_render_gate(batch).count() if progress.gates else 0,
        "page": page,
        "items": items_of(batch, list(page.object_list), market, queues),
        "gauges": gauges_of(market, queues),
        "bulk": bulk_words_of(batch) if batch.in_bulk else [],
        "holds": holds_of(batch, market, queues) if batch.is_open else [],
        "no_worker": market.nobody if progress.has_work else "",
        "review_count": notices.review_count(request.user),
        "search": search,
        "selects": [("state", "State", [("", "All states"), *Video.State.choices], state)],
        "is_filtered": bool(state or search),
        "live_query": request.GET.urlencode(),
    }
    return context, lambda: renew([batch], by_batch, market)


def _parts(request: HttpRequest, values: dict[str, Any]) -> dict[str, SafeString]:
    """Each part of the board, rendered once: what is shown is what its version is taken of."""
    engine, context = Engine.get_default(), RequestContext(request)
    templates = {name: engine.get_template(path) for name, path in LIVE_PARTS.items()}
    context.push(values)
    with context.bind_template(templates["title"]):  # once for all: it asks every context processor
        return {name: template.render(context) for name, template in templates.items()}


def _version(parts: dict[str, SafeString]) -> str:
    """Of what is shown; the parts hold no form of their own, so no token that is new every time."""
    return hashlib.sha256("".join(parts.values()).replace(OUT_OF_BAND, "").encode()).hexdigest()[:16]


def _batch(request: HttpRequest, pk: int) -> Batch:
    return get_object_or_404(Batch.objects.for_user(request.user).select_related("project", "created_by"), pk=pk)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else comes past LoginRequiredMiddleware
    return request.user


def _number(text: str) -> int:
    """0, which no row has, for what is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
