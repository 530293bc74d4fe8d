"""What the metrics are asked about: a period, and within what the person may see a project, a batch, a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Min, QuerySet
from django.http import Http404

from jobs.models import Batch, Project
from providers.models import Provider

PERIODS = {"7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days", "all": "All time"}
USUAL_PERIOD = "30"
USUAL = ("period", USUAL_PERIOD)
COLUMNS = {"7": 1, "30": 2, "90": 7}  # days in one column of a chart
MOST_COLUMNS = 16
BATCHES_OFFERED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Whole days in UTC, as ordinals; the last one is today."""

    first: int
    last: int
    column: int  # days that a chart puts together
    word: str
    before: int | None  # first day of the period of the same length before it

    @property
    def columns(self) -> int:
        return -(-(self.last - self.first + 1) // self.column)

    def column_of(self, day: int) -> int:
        """Columns are counted from the newest, so that the last one is always whole."""
        return self.columns - 1 - (self.last - day) // self.column

    def days_of(self, column: int) -> tuple[date, date]:
        last = self.last - (self.columns - 1 - column) * self.column
        return date.fromordinal(max(self.first, last - self.column + 1)), date.fromordinal(last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    period: Period
    batches: QuerySet[Batch]
    chosen: dict[str, str]  # as they stand in the URL, without what is usual
    selects: tuple[tuple[str, str, list[tuple[str, str]], str], ...]  # for components/_filter_bar.html
    provider: Provider | None
    words: str

    @property
    def query(self) -> str:
        return urlencode(self.chosen)


def midnight(day: int) -> datetime:
    return datetime.combine(date.fromordinal(day), time(), UTC)


def day_of(moment: datetime) -> int:
    return moment.astimezone(UTC).toordinal()


def period_of(name: str, *, today: int, since: int) -> Period:
    if name == "all":
        column = max(1, -(-(today - since + 1) // MOST_COLUMNS))
        return Period(first=since, last=today, column=column, word=PERIODS[name], before=None)
    days = int(name)
    first = today - days + 1
    return Period(first=first, last=today, column=COLUMNS[name], word=PERIODS[name], before=first - days)


def read(asked: Mapping[str, str], user: AbstractBaseUser | AnonymousUser, now: datetime) -> Filters:
    """A project or batch that the person may not see is as unknown as one that does not exist."""
    visible = Batch.objects.for_user(user)
    projects = [(str(pk), name) for pk, name in Project.objects.for_user(user).values_list("pk", "name")]
    project = _known(asked.get("project", ""), projects)
    batches: QuerySet[Batch] = visible.filter(project=int(project)) if project else visible
    offered = [(str(pk), name) for pk, name in batches.order_by("-pk").values_list("pk", "name")[:BATCHES_OFFERED]]
    batch = asked.get("batch", "")
    if batch and batch not in dict(offered):
        offered += [(str(pk), name) for pk, name in batches.filter(pk=_number(batch)).values_list("pk", "name")]
    _known(batch, offered)
    if batch:
        batches = batches.filter(pk=batch)
    providers = {str(each.pk): each for each in Provider.objects.order_by("label")}
    labels = [(pk, each.label) for pk, each in providers.items()]
    provider = _known(asked.get("provider", ""), labels)
    name = asked.get("period", "")
    name = name if name in PERIODS else USUAL_PERIOD
    today = day_of(now)
    oldest = visible.aggregate(at=Min("created_at"))["at"]
    period = period_of(name, today=today, since=min(today, day_of(oldest)) if oldest else today)
    selects = (
        ("period", "Period", list(PERIODS.items()), name),
        ("project", "Project", [("", "All projects"), *projects], project),
        ("batch", "Batch", [("", "All batches"), *offered], batch),
        ("provider", "Provider", [("", "All providers"), *labels], provider),
    )
    said = [words for _name, _label, choices, value in selects for key, words in choices if key == value]
    chosen = {select: value for select, _label, _choices, value in selects if value and (select, value) != USUAL}
    return Filters(
        period=period,
        batches=batches,
        chosen=chosen,
        selects=selects,
        provider=providers.get(provider),
        words=" · ".join(said),
    )


def _known(value: str, choices: list[tuple[str, str]]) -> str:
    if value and value not in dict(choices):
        raise Http404
    return value


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Http404
    return int(text)
