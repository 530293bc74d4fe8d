"""The page of metrics: four figures, and cards whose title says what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from jobs.templatetags.vidbatch import NOTHING, duration, money, percent
from providers.models import Provider

from . import charts, tables
from .filters import Filters, Period
from .gathering import Gathered, gather, share
from .tables import Cell, Table

MOST_BARS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    label: str
    figure: str
    of: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    finding: str
    table: Table
    chart: charts.Timeline | charts.Bars | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    figures: Sequence[Figure]
    cards: Sequence[Card]
    is_empty: bool
    is_capped: bool

    def table(self, slug: str) -> Table | None:
        return next((card.table for card in self.cards if card.table.slug == slug), None)


def report(filters: Filters, now: datetime) -> Report:
    found = gather(filters, now)
    providers = dict(Provider.objects.values_list("pk", "label"))
    return Report(
        figures=_figures(found, filters.period),
        cards=_cards(found, filters.period, providers),
        is_empty=found.is_empty,
        is_capped=found.is_capped,
    )


# -- figures -----------------------------------------------------------------------------------------------------------


def _change(now: float | None, before: float | None, period: Period, say: Callable[[float], str]) -> str:
    if period.before is None:
        return ""
    days = f"the {period.first - period.before} days before"
    if now is None:
        return "nothing to say yet"
    if before is None:
        return f"nothing to compare with in {days}"
    difference = now - before
    said = say(abs(difference))
    if said == say(0):
        return f"as in {days}"
    return f"{'+' if difference > 0 else '−'}{said} on {days}"


def _points(value: float) -> str:
    return f"{100 * value:.1f} points"


def _money(micro: float) -> str:
    return money(round(micro))


def _figures(found: Gathered, period: Period) -> list[Figure]:
    videos, before = found.videos, found.videos_before
    judged, judged_before = found.now.all_judged, found.before.all_judged
    first = share(judged.first_passed, judged.first)
    first_before = share(judged_before.first_passed, judged_before.first)
    cost = share(found.now.spent.total(), videos.finished)
    cost_before = share(found.before.spent.total(), before.finished)
    median, p95, average = videos.percentile_s(0.5), videos.percentile_s(0.95), videos.average_s
    times = f"average {duration(average)}, p95 {duration(p95)}; " if average is not None else ""
    of_videos = f"of {videos.succeeded + videos.lost:,} videos" if videos.success is not None else ""
    return [
        Figure(
            label="Success rate",
            figure=percent(videos.success),
            of=of_videos,
            note=_change(videos.success, before.success, period, _points),
        ),
        Figure(
            label="Checks passed first time",
            figure=percent(first),
            of=f"of {judged.first:,} files" if judged.first else "",
            note=_change(first, first_before, period, _points),
        ),
        Figure(
            label="Cost per video",
            figure=NOTHING if cost is None else _money(cost),
            of="",
            note=_change(cost, cost_before, period, _money),
        ),
        Figure(
            label="Median time per video",
            figure=duration(median),
            of="",
            note=times + _change(median, before.percentile_s(0.5), period, duration),
        ),
    ]


# -- cards -------------------------------------------------------------------------------------------------------------


def _cards(found: Gathered, period: Period, providers: Mapping[int, str]) -> list[Card]:
    cards = [
        _cost_per_video(found, period),
        _success(found, period),
        _times(tables.times(found, providers)),
        _checks(tables.checks(found, providers)),
        _failures(tables.failures(found, providers)),
        _cost_per_asset(tables.cost_per_asset(found, providers)),
    ]
    return sorted(cards, key=lambda card: card.chart is None)  # what has nothing to draw comes last


def _day_words(period: Period) -> list[str]:
    return [_day(period.days_of(number)[1]) for number in range(period.columns)]


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"


def _cost_per_video(found: Gathered, period: Period) -> Card:
    table = tables.cost_per_video(found, period)
    spent, finished = found.now.spent.total(), found.videos.finished
    if not spent:
        free = "Nothing was spent: every call was free" if found.now.made else "Nothing was spent"
        return Card(finding=free, table=table, chart=None)
    stages = tables.stages_of(found.now)
    dearest = max(stages, key=lambda stage: tables.by_stage(found.now, stage))
    part = percent(round(tables.by_stage(found.now, dearest) / spent, 2))
    each = f"A video costs {_money(spent / finished)}" if finished else f"{_money(spent)} spent, no video finished"
    stacks = [
        [tables.by_stage(counts, stage) / videos.finished if videos.finished else 0.0 for stage in stages]
        for counts, videos in zip(found.columns, found.video_columns, strict=True)
    ]
    names = [tables.stage_word(stage) for stage in stages]
    chart = charts.stacked(stacks, names=names, days=_day_words(period), show=_money) if finished else None
    finding = f"{each}; {part} of it is {tables.stage_word(dearest).lower()}"
    return Card(finding=finding, table=table, chart=chart)


def _success(found: Gathered, period: Period) -> Card:
    table = tables.success(found, period)
    judged = found.now.all_judged
    rate, first = found.videos.success, share(judged.first_passed, judged.first)
    said = [f"{percent(rate)} of videos succeed"] if rate is not None else []
    said += [f"{percent(first)} of files pass at the first try"] if first is not None else []
    if not said:
        return Card(finding="No video has come to an end yet", table=table, chart=None)
    series = [[row[5] for row in table.rows], [row[8] for row in table.rows]]
    chart = charts.lines(
        [[_float(cell) for cell in values] for values in series],
        names=["Success", "Passed first time"],
        days=_day_words(period),
        show=percent,
    )
    return Card(finding=", ".join(said), table=table, chart=chart)


def _float(cell: Cell) -> float | None:
    return float(cell) if isinstance(cell, int | float) else None


def _number(cell: Cell) -> float:
    return _float(cell) or 0.0


def _times(table: Table) -> Card:
    if not table.rows:
        return Card(finding="Nothing was made yet", table=table, chart=None)
    most = max(_number(row[5]) for row in table.rows)
    longest = max(table.rows, key=lambda row: _number(row[4]))
    bars = [
        charts.Bar(
            words=str(row[0]),
            sub=str(row[1]),
            width=charts.width_of(_number(row[4]), most),
            mark=charts.width_of(_number(row[5]), most),
            value=duration(_float(row[4])),
            note=f"average {duration(_float(row[3]))}, p95 {duration(_float(row[5]))}",
            series=1,
        )
        for row in table.rows
    ]
    finding = f"{longest[0]} takes longest: {duration(_float(longest[4]))} at the median"
    return Card(finding=finding, table=table, chart=_bars(bars))


def _bars(bars: Sequence[charts.Bar]) -> charts.Bars:
    return charts.Bars(bars=bars[:MOST_BARS], left_out=max(0, len(bars) - MOST_BARS))


def _checks(table: Table) -> Card:
    if not table.rows:
        return Card(finding="No file was judged yet", table=table, chart=None)
    tried = [row for row in table.rows if row[7] is not None] or list(table.rows)
    worst = min(tried, key=lambda row: 1.0 if row[7] is None else _number(row[7]))
    perfect = all(row[7] in (1.0, None) for row in table.rows)
    bars = [
        charts.Bar(
            words=str(row[0]),
            sub=str(row[1]),
            width=charts.width_of(_number(row[7]), 1),
            value=percent(_float(row[7])),
            note=f"first time; {percent(_float(row[4]))} of all {row[2]:,}",
            series=2,
        )
        for row in table.rows
    ]
    found = "Every first file passed its checks"
    least = f"{worst[0]} by {worst[1]} passes least: {percent(_float(worst[7]))} first time"
    return Card(finding=found if perfect else least, table=table, chart=_bars(bars))


def _failures(table: Table) -> Card:
    if not table.rows:
        return Card(finding="Nothing failed", table=table, chart=None)
    total = sum(_number(row[2]) for row in table.rows)
    most = table.rows[0]
    bars = [
        charts.Bar(
            words=str(row[0]),
            sub=str(row[1]),
            width=charts.width_of(_number(row[2]), _number(most[2])),
            value=f"{row[2]:,}",
            note=f"{percent(_float(row[3]))} of its calls" if row[3] is not None else "",
            series=3,
        )
        for row in table.rows
    ]
    finding = f"Most frequent: {str(most[0])[:1].lower()}{str(most[0])[1:]} ({most[2]:,} of {total:,.0f})"
    return Card(finding=finding, table=table, chart=_bars(bars))


def _cost_per_asset(table: Table) -> Card:
    if not any(row[2] for row in table.rows):
        finding = "Every result was free" if table.rows else "Nothing was made yet"
        return Card(finding=finding, table=table, chart=None)
    most = max(_number(row[4]) for row in table.rows)
    dearest = max(table.rows, key=lambda row: _number(row[4]))
    bars = [
        charts.Bar(
            words=str(row[0]),
            sub=str(row[1]),
            width=charts.width_of(_number(row[4]), most),
            value=NOTHING if row[4] is None else _money(_number(row[4])),
            note=f"{_money(_number(row[2]))} for {row[3]:,}",
            series=4,
        )
        for row in table.rows
    ]
    finding = f"{dearest[0]} is dearest: {_money(_number(dearest[4]))} each"
    return Card(finding=finding, table=table, chart=_bars(bars))


def summary(made: Report) -> list[list[str]]:
    """The figures as lines of CSV."""
    lines = [[each.label, each.figure, each.of, each.note] for each in made.figures]
    return [["Figure", "Value", "Of", "Change"], *lines]
