"""From a topic list to a batch in three steps: choose, check, start."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs.forecast import CannotForecast
from jobs.forms_intake import ChooseForm, StartForm
from jobs.intake import drafts, export
from jobs.intake.columns import FIELDS, LABELS
from jobs.intake.drafts import Column
from jobs.intake.estimate import estimate
from jobs.intake.rules import CheckedRow, RowState
from jobs.intake.samples import SAMPLE_NAME, sample_topics
from jobs.intake.table import IntakeError
from jobs.models import Batch, IntakeDraft, Project
from jobs.offers import AT_ONCE_INSTEAD, LaunchRefused, concerns, in_time
from jobs.queries.forecasting import forecasts_of_topics
from jobs.queries.foreseen import choices, guessed_words, too_late_words
from jobs.settings_types import BatchSettings, TopicRow
from jobs.states import Stage

ROWS_ON_A_PAGE = 100
DUPLICATES = (RowState.TWIN, RowState.EARLIER)
SHOW = {"all": tuple(RowState), "fix": (RowState.FIX,), "ready": (RowState.READY,), "duplicate": DUPLICATES}
CHIPS = {
    RowState.READY: ("done", "Ready"),
    RowState.TWIN: ("needs", "Duplicate"),
    RowState.EARLIER: ("needs", "Made before"),
    RowState.FIX: ("failed", "Needs a fix"),
}
may_produce = permission_required("jobs.add_batch", raise_exception=True)
_CELL = re.compile(r"cell-(\d{1,7})-(\d{1,2})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    value: str
    label: str
    name: str = ""  # of its input; "" for a cell that is only shown
    is_wrong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    row: CheckedRow
    cells: tuple[Cell, ...]
    tone: str
    word: str


# -- 1 choose ----------------------------------------------------------------------------------------------------------


@may_produce
@require_http_methods(["GET", "HEAD", "POST"])
def batch_new(request: HttpRequest, pk: int) -> HttpResponse:
    project = get_object_or_404(Project.objects.for_user(request.user), pk=pk)
    sample = project.is_sample and "sample" in request.GET
    initial = {"name": SAMPLE_NAME, "topics": sample_topics()} if sample else {}
    form = ChooseForm(request.POST, request.FILES) if request.method == "POST" else ChooseForm(initial=initial)
    if form.is_bound and form.is_valid():
        draft = form.make_draft(project, by=_user(request))
        if draft is not None:
            return redirect("draft_check", draft.token)
    unfinished = _open_drafts(request).filter(project=project, created_by=_user(request), batch=None)
    return render(
        request,
        "intake/choose.html",
        {"project": project, "form": form, "unfinished": unfinished.defer("content")[:5]},
    )


@require_GET
def draft_template(request: HttpRequest) -> HttpResponse:
    return _download("topics.csv", export.template_csv())


# -- 2 check -----------------------------------------------------------------------------------------------------------


@may_produce
@require_GET
def draft_check(request: HttpRequest, token: str) -> HttpResponse:
    draft = _draft(request, token)
    if draft.batch_id is not None:
        return _already_started(request, draft)
    show = request.GET.get("show", "all")
    indices = drafts.row_indices(draft, only=SHOW.get(show, SHOW["all"]))
    page = Paginator(indices, ROWS_ON_A_PAGE).get_page(request.GET.get("page"))
    columns = drafts.columns_of(draft)
    shown_columns = sorted((column for column in columns if column.field), key=lambda column: column.index)
    rows = [_shown(row, shown_columns) for row in drafts.rows_at(draft, page.object_list)]
    return render(
        request,
        "intake/check.html",
        {
            "draft": draft,
            "counts": drafts.counts_of(draft),
            "columns": columns,
            "shown_columns": [(column, LABELS[column.field]) for column in shown_columns],
            "fields": [(field, LABELS[field]) for field in FIELDS],
            "rows": rows,
            "can_save": any(cell.name for row in rows for cell in row.cells),
            "page": page,
            "show": show if show in SHOW else "all",
        },
    )


@may_produce
@require_POST
def draft_columns(request: HttpRequest, token: str) -> HttpResponse:
    draft = _draft(request, token)
    if draft.batch_id is not None:
        return _already_started(request, draft)
    width = draft.content["width"]
    columns = {index: request.POST.get(f"column-{index}", "") for index in range(width)}
    try:
        drafts.remap(draft, has_header=request.POST.get("has_header") == "on", columns=columns)
    except IntakeError as error:
        messages.error(request, str(error))
    return redirect("draft_check", draft.token)


@may_produce
@require_POST
def draft_cells(request: HttpRequest, token: str) -> HttpResponse:
    draft = _draft(request, token)
    if draft.batch_id is not None:
        return _already_started(request, draft)
    found = ((_CELL.fullmatch(name), value) for name, value in request.POST.items())
    cells = {(int(match[1]), int(match[2])): str(value) for match, value in found if match}
    drafts.edit_cells(draft, cells)
    response = redirect("draft_check", draft.token)
    if request.POST.get("show") in SHOW and request.POST["show"] != "all":
        response["Location"] += f"?show={request.POST['show']}"
    elif (number := request.POST.get("page", "")).isdecimal() and len(number) < 5:
        response["Location"] += f"?page={number}"
    return response


@may_produce
@require_GET
def draft_rows_rejected(request: HttpRequest, token: str) -> HttpResponse:
    draft = _draft(request, token)
    headings = [column.heading for column in drafts.columns_of(draft)]
    if not draft.mapping["header"]:  # our own words, so that the list is understood when it comes back
        headings = [column.field or column.heading for column in drafts.columns_of(draft)]
    name = f"{slugify(draft.name)[:60] or 'topics'}-to-fix.csv"
    return _download(name, export.rejected_csv(drafts.all_rows(draft), headings=headings))


# -- 3 start -----------------------------------------------------------------------------------------------------------


@may_produce
@require_http_methods(["GET", "HEAD", "POST"])
def draft_start(request: HttpRequest, token: str) -> HttpResponse:
    """Shows what will be made. "Start" makes it, once; "estimate" shows the figures for what was chosen."""
    draft = _draft(request, token)
    if draft.batch_id is not None:
        return _already_started(request, draft)
    counts = drafts.counts_of(draft)
    settings = draft.project.batch_settings()
    data = request.POST if request.method == "POST" else None
    form = StartForm(data, settings=settings, earlier=counts[RowState.EARLIER])
    use: tuple[RowState, ...] = (RowState.READY,)
    priority, finish_by, at_once = int(Batch.Priority.NORMAL), None, False
    if form.is_bound and form.is_valid():
        finish_by, priority = form.cleaned_data["finish_by"], form.cleaned_data["priority"]
        chosen = form.chosen()
        settings = in_time(chosen, finish_by, timezone.now())
        at_once = settings != chosen
        use = (RowState.READY, RowState.EARLIER) if form.cleaned_data.get("with_earlier") else use
        if at_once and request.POST.keys().isdisjoint(("estimate", "at_once")):  # the price in bulk was shown so far
            form.add_error(None, f"{AT_ONCE_INSTEAD} Start again if that is what you want.")
        elif "estimate" not in request.POST and (batch := _start(draft, form, settings, use, _user(request))):
            return redirect("batch_detail", batch.pk)
    topics = drafts.topic_rows(drafts.all_rows(draft), use=use)
    told = concerns(settings, timezone.now().date())
    if at_once:
        told.warned.append(AT_ONCE_INSTEAD)
    return render(
        request,
        "intake/start.html",
        {
            "draft": draft,
            "form": form,
            "counts": counts,
            "at_once": at_once,
            "estimate": estimate(topics, settings),
            "concerns": told,
            **_foreseen(topics, settings, priority, finish_by, form),
        },
    )


def _start(
    draft: IntakeDraft, form: StartForm, settings: BatchSettings, use: tuple[RowState, ...], by: User
) -> Batch | None:
    """None where it cannot be started: the form says why."""
    told = form.cleaned_data
    try:
        return drafts.confirm(
            draft, by=by, settings=settings, use=use, priority=told["priority"], finish_by=told["finish_by"]
        )
    except IntakeError as error:
        form.add_error(None, str(error))
    except LaunchRefused as refused:
        for sentence in refused.sentences:
            form.add_error(None, sentence)
    return None


def _foreseen(
    topics: Sequence[TopicRow], settings: BatchSettings, priority: int, finish_by: datetime | None, form: StartForm
) -> dict[str, object]:
    """The four ways side by side, or the sentence why nothing can be foreseen."""
    try:
        told = forecasts_of_topics(topics, settings, priority=priority)
    except CannotForecast as error:
        return {"unforeseen": str(error)}
    radios = {radio.data["value"]: radio for radio in form["strategy"]}
    return {
        "choices": [(radios[choice.strategy], choice) for choice in choices(told)],
        "guessed": guessed_words(told),
        "too_late": too_late_words(told[settings.strategy], finish_by, timezone.now()),
        "in_bulk": " and ".join(f"{stage.label.lower()}s" for stage in Stage if stage in settings.bulk),
    }


# -- parts -------------------------------------------------------------------------------------------------------------


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else comes past LoginRequiredMiddleware
    return request.user


def _open_drafts(request: HttpRequest) -> QuerySet[IntakeDraft]:
    return IntakeDraft.objects.for_user(request.user).filter(expires_at__gt=timezone.now())


def _draft(request: HttpRequest, token: str) -> IntakeDraft:
    return get_object_or_404(_open_drafts(request).select_related("project"), token=token)


def _already_started(request: HttpRequest, draft: IntakeDraft) -> HttpResponse:
    messages.info(request, "This list was started already. Here is its batch.")
    return redirect("batch_detail", draft.batch_id)


def _shown(row: CheckedRow, columns: Iterable[Column]) -> ShownRow:
    """Cells that break a rule can be edited, and the topic of a duplicate."""
    wrong = {broken.field for broken in row.broken}
    editable = wrong | ({"topic"} if row.state in DUPLICATES else set())
    cells = tuple(
        Cell(
            value=row.cells[column.index] if column.index < len(row.cells) else "",
            label=f"{LABELS[column.field]} of row {row.number}",
            name=f"cell-{row.number}-{column.index}" if column.field in editable else "",
            is_wrong=column.field in wrong,
        )
        for column in columns
    )
    tone, word = CHIPS[row.state]
    return ShownRow(row=row, cells=cells, tone=tone, word=word)


def _download(name: str, content: bytes) -> HttpResponse:
    response = HttpResponse(content, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response
