"""A forecast as a page shows it: words, and the geometry of its picture as attributes of SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from jobs.forecast import Forecast
from jobs.metrics.charts import Block, Label
from jobs.queries.progress import WORDS
from jobs.templatetags.vidbatch import duration, money, percent

ROW = 26  # px, of a lane
BAR = 18
STRATEGY_WORDS: Mapping[str, tuple[str, str]] = {
    "pipelined": ("Pipelined", "Every video goes on as soon as it can. First videos come out early."),
    "parallel": ("Stage by stage", "All scripts, then all voices and pictures, then all clips."),
    "chunked": ("In chunks", "Stage by stage for a few videos, then for the next few."),
    "sequential": ("One by one", "A single step at a time, in the order of the list."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Lanes below each other, time to the right; a bar is as high as its lane is busy."""

    names: Sequence[tuple[str, str]]  # (name, share of the time it is busy)
    grounds: Sequence[Block]
    bars: Sequence[Block]
    labels: Sequence[Label]
    height: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    strategy: str
    name: str
    what: str
    done: str
    within: str
    first: str
    cost: str
    of_it_exact: str
    peak: str
    binding: str
    picture: Picture


def choices(told: Mapping[str, Forecast]) -> list[Choice]:
    return [_choice(one) for one in told.values()]


def _choice(one: Forecast) -> Choice:
    name, what = STRATEGY_WORDS[one.strategy]
    roughly = "about " if one.estimated_micro else ""
    return Choice(
        strategy=one.strategy,
        name=name,
        what=what,
        done=about(one.p50_s),
        within=about(one.p90_s),
        first=about(one.first_s),
        cost=f"{roughly}{money(one.micro)}",
        of_it_exact=f"{money(one.exact_micro)} by the call, {money(one.estimated_micro)} estimated" if roughly else "",
        peak=money(one.peak_micro),
        binding=one.binding,
        picture=picture_of(one, name),
    )


def about(seconds: float) -> str:
    """No more digits than a forecast has: 45 s, 5 m 40 s, 39 min, 4 h 10 m."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 600:
        return duration(10 * round(seconds / 10))
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return duration(60 * minutes) if minutes < 6000 else f"{round(minutes / 60):,} h"


def guessed_words(told: Mapping[str, Forecast]) -> str:
    """What nobody has measured here yet: "clips and renders"; "" when everything was."""
    stages = sorted({stage for one in told.values() for stage in one.guessed})
    words = [WORDS[stage].lower() for stage in stages]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def too_late_words(one: Forecast, finish_by: datetime | None, now: datetime) -> str:
    """ "" where nine of ten times are in time, or there is no deadline."""
    left_s = (finish_by - now).total_seconds() if finish_by else one.p90_s
    if one.p90_s <= left_s:
        return ""
    name = STRATEGY_WORDS[one.strategy][0]
    return f"{name} may miss the deadline: it has {about(left_s)}, and takes up to {about(one.p90_s)} in 9 of 10 times."


def picture_of(one: Forecast, name: str) -> Picture:
    span = max(max((bar.end_s for bar in one.bars), default=0.0), 0.001)
    bars = [
        Block(
            x=f"{100 * bar.start_s / span:.3f}%",
            width=f"{max(0.1, 100 * (bar.end_s - bar.start_s) / span):.3f}%",
            y=f"{ROW * bar.lane + 2 + BAR * (1 - _height(bar.busy)):.2f}",
            height=f"{BAR * _height(bar.busy):.2f}",
            series=1 + bar.lane % 4,
            words=f"{one.rows[bar.lane].name}, {about(bar.start_s)} to {about(bar.end_s)}: {percent(bar.busy)} busy",
        )
        for bar in one.bars
    ]
    tops = [f"{ROW * n + 2}" for n in range(len(one.rows))]
    busiest = max(one.rows, key=lambda row: row.busy, default=None)
    most = f" Busiest: {busiest.name}, {percent(round(busiest.busy, 2))} of the time." if busiest else ""
    return Picture(
        names=[(row.name, percent(round(row.busy, 2))) for row in one.rows],
        grounds=[Block(x="0", width="100%", y=y, height=f"{BAR}", series=0, words="") for y in tops],
        bars=bars,
        labels=[
            Label(x=f"{share}%", words=about(span * share / 100) if share else "start", anchor=anchor)
            for share, anchor in ((0, "start"), (50, "middle"), (100, "end"))
        ],
        height=ROW * len(one.rows),
        words=f"{name}: when each lane is busy.{most}",
    )


def _height(busy: float) -> float:
    """Something is never invisible."""
    return max(0.12, min(1.0, busy))
