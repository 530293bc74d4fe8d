"""The overview, and the page of help."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_POST

from jobs.queries import decisions
from jobs.queries import home as queries
from jobs.queries.batches import state_of
from jobs.queries.eta import renew, times_left
from jobs.queries.gauges import read_market
from jobs.queries.progress import progress_of
from jobs.views.answers import Answer

DISMISSED = "vb_first_steps"
YEAR_S = 365 * 24 * 3600


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    running = queries.open_batches(request.user)
    recent = queries.recent_batches(request.user)
    undecided = queries.undecided_batches(request.user)
    shown = [*running[: queries.SHOWN], *recent]
    progress = progress_of(shown)
    market = read_market()
    left = times_left(shown, progress, market)
    rows = [(b, progress[b.pk], *state_of(b, progress[b.pk]), left[b.pk]) for b in shown]
    steps = queries.first_steps(request.user)
    page = render_to_string(
        "home.html",
        {
            "needs": queries.needs_of({b.pk: b for b in [*running, *recent, *undecided]}.values()),
            "running": [row for row in rows if row[0].is_open],
            "more": max(0, len(running) - queries.SHOWN),
            "recent": [row for row in rows if not row[0].is_open],
            "steps": [] if DISMISSED in request.COOKIES or all(step.done for step in steps) else steps,
            "sample": queries.sample_project(request.user),
            "project": queries.first_project(request.user),
            "undecided": decisions.totals(decisions.questions(request.user)),
            "no_worker": market.nobody,
            "notice": queries.last_notice(),
        },
        request,
    )
    return Answer(page, afterwards=lambda: renew(shown, progress, market))


@require_POST
def home_dismiss(request: HttpRequest) -> HttpResponse:
    """The list of first steps is not shown again in this browser."""
    response = redirect("home")
    response.set_cookie(DISMISSED, "gone", max_age=YEAR_S, httponly=True, samesite="Lax", secure=request.is_secure())
    return response


@require_GET
def help_page(request: HttpRequest) -> HttpResponse:
    return render(request, "help.html")
