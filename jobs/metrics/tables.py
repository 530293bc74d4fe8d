"""The numbers as tables: the same rows for the page and for CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from jobs.intake.export import guarded
from jobs.states import STAGE_NUMBER, Stage
from jobs.templatetags.vidbatch import NOTHING, duration, money, percent

from .counting import Cause
from .filters import Period
from .gathering import Counts, Gathered, Place, share

Cell = str | int | float | date | None
CAUSES = {
    Cause.LIMIT: "Rate limit reached",
    Cause.ACCOUNT: "Key or credit not accepted",
    Cause.REFUSED: "Refused by the provider",
    Cause.FAILED: "Failed while it was made",
    Cause.NOT_SENT: "Could not be sent",
    Cause.LOST: "Answer lost",
    Cause.GIVEN_UP: "Given up",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    words: str
    show: Callable[[Cell], str]
    plain: Callable[[Cell], str]
    is_number: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    slug: str
    question: str
    definition: str
    headings: tuple[Heading, ...]
    rows: Sequence[Sequence[Cell]]

    @property
    def shown(self) -> list[list[tuple[str, bool]]]:
        return [
            [(heading.show(cell), heading.is_number) for heading, cell in zip(self.headings, row, strict=True)]
            for row in self.rows
        ]

    @property
    def plain(self) -> list[list[str]]:
        lines = [[heading.plain(cell) for heading, cell in zip(self.headings, row, strict=True)] for row in self.rows]
        return [[heading.words for heading in self.headings], *lines]


# -- kinds of columns --------------------------------------------------------------------------------------------------


def _text(words: str) -> Heading:
    return Heading(words=words, show=str, plain=lambda cell: guarded(str(cell)), is_number=False)


def _day(words: str) -> Heading:
    return Heading(words=words, show=lambda cell: f"{cell:%d %b}", plain=str, is_number=False)


def _count(words: str) -> Heading:
    return Heading(words=words, show=lambda cell: f"{cell:,}", plain=str)


def _number(words: str, show: Callable[[float], str], unit: str, scale: Callable[[float], str]) -> Heading:
    return Heading(
        words=f"{words}{unit}",
        show=lambda cell: NOTHING if not isinstance(cell, int | float) else show(cell),
        plain=lambda cell: "" if not isinstance(cell, int | float) else scale(cell),
    )


def _money(words: str) -> Heading:
    return _number(words, lambda cell: money(round(cell)), ", $", lambda cell: f"{cell / 1_000_000:.6f}")


def _seconds(words: str) -> Heading:
    return _number(words, duration, ", s", lambda cell: f"{cell:.2f}")


def _share(words: str) -> Heading:
    return _number(words, percent, ", %", lambda cell: f"{100 * cell:.2f}")


# -- the tables --------------------------------------------------------------------------------------------------------


def stage_word(stage: str) -> str:
    return Stage(stage).label if stage else "Other"


def _in_order(places: set[Place], providers: Mapping[int, str]) -> list[Place]:
    return sorted(places, key=lambda place: (STAGE_NUMBER.get(place[0], 99), providers.get(place[1], "")))


def stages_of(counts: Counts) -> list[str]:
    return sorted({stage for stage, _ in counts.spent}, key=lambda stage: STAGE_NUMBER.get(stage, 99))


def by_stage(counts: Counts, stage: str) -> int:
    return sum(micro for place, micro in counts.spent.items() if place[0] == stage)


def cost_per_video(found: Gathered, period: Period) -> Table:
    stages = stages_of(found.now)
    rows = []
    for number, (counts, videos) in enumerate(zip(found.columns, found.video_columns, strict=True)):
        total, done = counts.spent.total(), videos.finished
        per_stage = [by_stage(counts, stage) for stage in stages]
        rows.append([*period.days_of(number), *per_stage, total, done, total / done if done else None])
    heads = (_day("From"), _day("To"), *(_money(stage_word(stage)) for stage in stages))
    return Table(
        slug="cost_per_video",
        question="Cost per video, by stage",
        definition="Everything spent on these days, failed tries too, divided by the videos finished on them.",
        headings=(*heads, _money("Spent"), _count("Videos finished"), _money("Per video")),
        rows=rows,
    )


def cost_per_asset(found: Gathered, providers: Mapping[int, str]) -> Table:
    spent, made = found.now.spent, found.now.made
    rows = [
        [stage_word(place[0]), providers[place[1]], spent[place], made[place], _per(spent[place], made[place])]
        for place in _in_order({*spent, *made}, providers)
    ]
    return Table(
        slug="cost_per_asset",
        question="Cost per asset, by stage",
        definition="Everything spent in the stage, failed tries too, divided by the calls that brought a result.",
        headings=(_text("Stage"), _text("Provider"), _money("Spent"), _count("Results"), _money("Per result")),
        rows=rows,
    )


def _per(whole: float, parts: int) -> float | None:
    return whole / parts if parts else None


def success(found: Gathered, period: Period) -> Table:
    rows = []
    for number, (counts, videos) in enumerate(zip(found.columns, found.video_columns, strict=True)):
        judged = counts.all_judged
        of_videos = [videos.started, videos.succeeded, videos.lost, videos.success]
        of_files = [judged.first, judged.first_passed, share(judged.first_passed, judged.first)]
        rows.append([*period.days_of(number), *of_videos, *of_files])
    heads = (_count("Videos started"), _count("Finished"), _count("Cancelled or stuck"), _share("Success"))
    files = (_count("First files"), _count("Passed"), _share("Passed first time"))
    return Table(
        slug="success",
        question="Success and first-time pass rate",
        definition="Success: of the videos started on these days, those finished by now, against those cancelled or "
        "waiting for a person after a failure; those still at work or in review count for neither. Passed first time: "
        "of the first files made for their places, those that passed every check that ran.",
        headings=(_day("From"), _day("To"), *heads, *files),
        rows=rows,
    )


def times(found: Gathered, providers: Mapping[int, str]) -> Table:
    now = found.now
    rows = [
        [
            stage_word(place[0]),
            providers[place[1]],
            now.made[place],
            now.made_ms[place] / 1000 / now.made[place],
            now.percentile_s(place, 0.5),
            now.percentile_s(place, 0.95),
        ]
        for place in _in_order(set(now.made), providers)
    ]
    columns = (_count("Results"), _seconds("Average"), _seconds("Median"), _seconds("p95"))
    return Table(
        slug="times",
        question="Generation time, by stage and provider",
        definition="From the moment a call was sent to the moment its result was there, of calls that brought one; "
        "averages are exact, median and p95 (the mark) are within 5 %.",
        headings=(_text("Stage"), _text("Provider"), *columns),
        rows=rows,
    )


def checks(found: Gathered, providers: Mapping[int, str]) -> Table:
    rows: list[list[Cell]] = []
    for place in _in_order(set(found.now.judged), providers):
        judged = found.now.judged[place]
        all_ = [judged.all, judged.passed, share(judged.passed, judged.all)]
        first = [judged.first, judged.first_passed, share(judged.first_passed, judged.first)]
        rows.append([stage_word(place[0]), providers[place[1]], *all_, *first])
    files = (_count("Files judged"), _count("Passed"), _share("Pass rate"))
    first_files = (_count("First files"), _count("First passed"), _share("Passed first time"))
    return Table(
        slug="checks",
        question="Check pass rate, by stage and provider",
        definition="A file passes when no check objects; first files are those of version 1. Checks that could not run "
        "count for neither, and what a reviewer decided afterwards changes nothing here.",
        headings=(_text("Stage"), _text("Provider"), *files, *first_files),
        rows=rows,
    )


def failures(found: Gathered, providers: Mapping[int, str]) -> Table:
    now = found.now
    calls: dict[int, int] = dict.fromkeys(providers, 0)
    for (_stage, provider), count in now.made.items():
        calls[provider] += count
    for (provider, _cause), count in now.missed.items():
        calls[provider] += count
    named = [(count, provider, CAUSES.get(cause, cause)) for (provider, cause), count in now.missed.items()]
    named += [
        (count, provider, f"Check failed: {check_word(name)}") for (provider, name), count in now.objected.items()
    ]
    rows = [
        [cause, providers[provider], count, share(count, calls[provider])]
        for count, provider, cause in sorted(named, key=lambda each: (-each[0], each[2]))
    ]
    return Table(
        slug="failures",
        question="Failures, by cause and provider",
        definition="Calls that brought no result, and checks that failed on what was made, against all calls of the "
        "provider that ended; a rate limit only means waiting and costs nothing.",
        headings=(_text("Cause"), _text("Provider"), _count("Times"), _share("Of its calls")),
        rows=rows,
    )


def check_word(name: str) -> str:
    """image.not_blank → image, not blank"""
    return name.replace(".", ", ").replace("_", " ")
