"""What `manage.py batch` reads and shows: a topic list, a progress bar, a table at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.conf import settings

from jobs.intake import drafts, reading
from jobs.intake.columns import Mapped, guess
from jobs.intake.rules import CheckedRow, RowState, check_rows
from jobs.intake.table import IntakeError, Table, place
from jobs.models import Asset, Batch, Project, Step, Video
from jobs.settings_types import TopicRow
from jobs.states import OPEN, State

BAR_WIDTH = 30
ONLY_A_PERSON = (
    Video.State.DONE,
    Video.State.CANCELLED,
    Video.State.REVIEW,
    Video.State.GATE,
    Video.State.ATTENTION,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicList:
    topics: tuple[TopicRow, ...]
    problems: tuple[str, ...]  # with row and column; nothing is made while there is one
    remarks: tuple[str, ...]


def read_topics(project: Project, path: Path) -> TopicList:
    """Raises IntakeError when the file as a whole cannot be read."""
    table = reading.read_upload(path.name, _content(path))
    mapped = guess(table)
    drafts.hold_to_row_cap(table, mapped)
    header, body = (table.rows[0], table.rows[1:]) if mapped.has_header else (None, table.rows)
    rows = check_rows(body, columns=mapped.columns, offered=drafts.offered_by(project), earlier={}, header=header)
    problems = [problem for row in rows if row.state == RowState.FIX for problem in _problems(table, mapped, row)]
    if not rows:
        problems.append(f"{table.source_name} holds no topics: put one topic on each line.")
    twins = [row for row in rows if row.state == RowState.TWIN]
    return TopicList(
        topics=tuple(drafts.topic_rows(rows, use=(RowState.READY,))),
        problems=tuple(problems),
        remarks=tuple(f"{place(table.source_name, row.number)}: {row.reason} It is left out." for row in twins),
    )


def _content(path: Path) -> bytes:
    try:
        reading.check_size(path.name, path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise IntakeError(f"{path} cannot be read ({error.strerror}): name a file that is there.") from error


def _problems(table: Table, mapped: Mapped, row: CheckedRow) -> Iterable[str]:
    for broken in row.broken:
        yield f"{place(table.source_name, row.number, mapped.columns.get(broken.field))}: {broken.sentence}"


# -- waiting -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    videos: int
    done: int
    steps: int
    steps_done: int
    is_over: bool
    reason: str = ""  # why nothing goes on although not everything is done


def progress_of(batch: Batch) -> Progress:
    batch.refresh_from_db()
    states = list(Video.objects.filter(batch=batch).values_list("state", flat=True))
    steps = Step.objects.filter(batch=batch).exclude(state=State.CANCELLED)
    done = states.count(Video.State.DONE)
    reason = _why_nothing_goes_on(batch, states)
    return Progress(
        videos=len(states),
        done=done,
        steps=steps.count(),
        steps_done=steps.filter(state=State.DONE).count(),
        is_over=done == len(states) or bool(reason),
        reason=reason,
    )


def _why_nothing_goes_on(batch: Batch, states: list[str]) -> str:
    if batch.cancelled_at:
        return "The batch was cancelled."
    moving = Step.objects.filter(batch=batch, state__in=OPEN - {State.ATTENTION})
    if batch.paused_at and not moving.exclude(state=State.READY).exists():
        return "The batch is paused; nothing goes on until somebody resumes it."
    if set(states) == {Video.State.DONE} or not set(states) <= set(ONLY_A_PERSON) or moving.exists():
        return ""
    if Video.objects.filter(batch=batch, needs_advance=True).exists():
        return ""
    counts = [(states.count(state), Video.State(state).label.lower()) for state in ONLY_A_PERSON if state in states]
    told = ", ".join(f"{count} {label}" for count, label in counts)
    return f"Nothing more goes on without a person: {told}."


class Writes(Protocol):
    def write(self, msg: str = "", style_func: None = None, ending: str | None = None) -> None: ...

    def isatty(self) -> bool: ...


class Bar:
    """One line that is drawn again on a terminal; elsewhere a line whenever something has changed."""

    def __init__(self, out: Writes) -> None:
        self.out, self.last = out, ""

    def show(self, progress: Progress) -> None:
        line = self._line(progress)
        if line != self.last:
            self.last = line
            if self.out.isatty():
                self.out.write(f"\r{line}", ending="")
            else:
                self.out.write(line)

    def end(self, progress: Progress) -> None:
        self.show(progress)
        if self.out.isatty():
            self.out.write("")

    def _line(self, progress: Progress) -> str:
        share = progress.done / progress.videos if progress.videos else 1.0
        full = int(share * BAR_WIDTH)
        steps = f"{progress.steps_done:,} of {progress.steps:,} steps so far"
        return f"[{'#' * full}{'.' * (BAR_WIDTH - full)}] {progress.done}/{progress.videos} videos, {steps}"


# -- the table at the end ----------------------------------------------------------------------------------------------


def table_of(batch: Batch) -> list[str]:
    renders = dict(
        Asset.objects.filter(video__batch=batch, kind=Asset.Kind.RENDER, current=True).values_list("video", "name")
    )
    rows = [("Video", "State", "Seconds", "File")]
    for video in Video.objects.filter(batch=batch).order_by("position"):
        taken = f"{(video.finished_at - batch.created_at).total_seconds():.0f}" if video.finished_at else "-"
        name = renders.get(video.pk)
        file = str(settings.MEDIA_ROOT / name) if name else video.state_note or "-"
        rows.append((f"{video.position}. {video}"[:50], video.get_state_display(), taken, file))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows]
