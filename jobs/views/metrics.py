"""How well it goes, how long it takes and what it costs."""

from __future__ import annotations

import csv
import io

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from jobs.metrics import filters, report
from jobs.queries import forecast_comparison

FORECASTS_ON_A_PAGE = 20


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    asked = filters.read(request.GET, request.user, now)
    return render(request, "metrics/page.html", {"filters": asked, "report": report.report(asked, now)})


@require_GET
def metrics_csv(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    made = report.report(filters.read(request.GET, request.user, now), now)
    name = request.GET.get("table", "summary")
    table = made.table(name)
    if table is None and name != "summary":
        raise Http404
    file = io.StringIO(newline="")
    csv.writer(file).writerows(table.plain if table else report.summary(made))
    answer = HttpResponse(file.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = content_disposition_header(True, f"metrics-{name}-{now:%Y-%m-%d}.csv") or ""
    return answer


@require_GET
def forecasts(request: HttpRequest) -> HttpResponse:
    """Every finished batch beside what was foreseen of it."""
    found = forecast_comparison.finished_with_forecast(request.user)
    page = Paginator(found, FORECASTS_ON_A_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "forecast/comparison.html",
        {
            "page": page,
            "rows": forecast_comparison.compared(list(page.object_list)),
            "summary": forecast_comparison.summary_of(request.user),
        },
    )
