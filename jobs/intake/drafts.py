"""A topic list on its way to a batch: read, mapped, put right, confirmed once.

Nothing but the draft row exists until `confirm`, which makes the batch with its videos in one transaction.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs import launch
from jobs.models import Batch, IntakeDraft, Project, Video
from jobs.settings_types import BatchSettings, TopicRow
from providers.models import Offer
from providers.types import Capability

from . import reading
from .columns import FIELDS, Mapped, guess
from .rules import CheckedRow, Offered, RowState, check_rows, cleaned, topic_key
from .table import MAX_CELL, MAX_ROWS, PASTED, IntakeError, SourceRow, Table, letter, too_many_rows

_LETTER = {RowState.READY: "r", RowState.TWIN: "t", RowState.EARLIER: "e", RowState.FIX: "f"}
_STATE = {letter: state for state, letter in _LETTER.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the list as its author sees it."""

    index: int
    heading: str
    sample: str
    field: str  # what it is read as; "" when it is left aside


# -- making one --------------------------------------------------------------------------------------------------------


def from_upload(project: Project, *, name: str, filename: str, content: bytes, by: User) -> IntakeDraft:
    return _make(project, name=name, table=reading.read_upload(filename, content), by=by)


def from_paste(project: Project, *, name: str, pasted: str, by: User) -> IntakeDraft:
    return _make(project, name=name, table=reading.read_paste(pasted), by=by)


def _make(project: Project, *, name: str, table: Table, by: User) -> IntakeDraft:
    IntakeDraft.sweep(timezone.now())
    mapped = guess(table)
    hold_to_row_cap(table, mapped)
    shown = "" if table.source_name == PASTED else table.source_name
    draft = IntakeDraft(project=project, created_by=by, source_name=shown[:200])
    draft.name = (cleaned(name) or shown.rsplit(".", 1)[0] or f"{timezone.localtime():%d %b %Y, %H:%M}")[:200]
    draft.content = {
        "rows": [[row.number, list(row.cells)] for row in table.rows],
        "width": table.width,
        "note": table.note,
    }
    draft.mapping = {"header": mapped.has_header, "columns": dict(mapped.columns)}
    _judge(draft)
    draft.save()
    return draft


def hold_to_row_cap(table: Table, mapped: Mapped) -> None:
    if len(table.rows) - mapped.has_header > MAX_ROWS:
        raise too_many_rows(table.source_name)


# -- what is in it -----------------------------------------------------------------------------------------------------


def columns_of(draft: IntakeDraft) -> list[Column]:
    """Every column of the list, also those that are left aside."""
    header, body = _header_and_body(draft)
    field_of = {index: field for field, index in draft.mapping["columns"].items()}
    return [
        Column(
            index=index,
            heading=(_cell(header, index) if header else "").strip() or f"Column {letter(index)}",
            sample=next((cell for row in body[:20] if (cell := cleaned(_cell(row, index)))), ""),
            field=field_of.get(index, ""),
        )
        for index in range(draft.content["width"])
    ]


def counts_of(draft: IntakeDraft) -> dict[str, int]:
    """How many rows have which state, by its name; the total is under "all"."""
    found = Counter(draft.content["states"])
    return {"all": found.total()} | {state.value: found[letter] for letter, state in _STATE.items()}


def row_indices(draft: IntakeDraft, *, only: Collection[RowState]) -> list[int]:
    wanted = {_LETTER[state] for state in only}
    return [index for index, letter in enumerate(draft.content["states"]) if letter in wanted]


def rows_at(draft: IntakeDraft, indices: Iterable[int]) -> list[CheckedRow]:
    """The rows of one page. Only these are looked at again: which rows are equal was found for the whole list."""
    header, body = _header_and_body(draft)
    offered, twins = offered_by(draft.project), draft.content["twins"]
    checked: list[CheckedRow] = []
    for index in indices:
        (row,) = _check(draft, [body[index]], header=header, offered=offered)
        twin_of = twins.get(str(row.number))
        checked.append(replace(row, state=RowState.TWIN, twin_of=twin_of, earlier_batch="") if twin_of else row)
    return checked


def all_rows(draft: IntakeDraft) -> list[CheckedRow]:
    header, body = _header_and_body(draft)
    return _check(draft, body, header=header, offered=offered_by(draft.project))


def offered_by(project: Project) -> Offered:
    """The voices of every provider that is switched on, by language."""
    voices: dict[str, list[str]] = defaultdict(list)
    offers = Offer.objects.usable().filter(capability=Capability.VOICEOVER)
    for offer in offers.values_list("voices", flat=True):
        for language, name, _label in offer:
            voices[language].append(name)
    return Offered(language=project.batch_settings().language, voices=dict(voices))


# -- putting it right --------------------------------------------------------------------------------------------------


def remap(draft: IntakeDraft, *, has_header: bool, columns: Mapping[int, str]) -> None:
    """`columns` says what each column is read as; "" leaves it aside. A field is read from one column only."""
    taken = [field for field in columns.values() if field]
    if unknown := set(taken) - set(FIELDS):
        raise IntakeError(f"“{unknown.pop()}” is no field of a topic list: choose one of those offered.")
    if twice := next((field for field in taken if taken.count(field) > 1), None):
        raise IntakeError(f"Two columns are to be read as {twice}: choose one and leave the other aside.")
    if "topic" not in taken:
        raise IntakeError("No column is read as the topic: choose the one that says what each video is about.")
    with transaction.atomic():
        locked = _locked(draft)
        locked.mapping = {"header": has_header, "columns": {field: index for index, field in columns.items() if field}}
        _judge(locked)
        locked.save(update_fields=["mapping", "content"])
    draft.mapping, draft.content = locked.mapping, locked.content


def edit_cells(draft: IntakeDraft, cells: Mapping[tuple[int, int], str]) -> None:
    """New texts by (row number, column). Rows and columns that the list does not have are left aside."""
    with transaction.atomic():
        locked = _locked(draft)
        by_number: dict[int, list[str]] = dict(locked.content["rows"])
        for (number, column), value in cells.items():
            row = by_number.get(number)
            if row is None or not 0 <= column < locked.content["width"]:
                continue
            row.extend([""] * (column + 1 - len(row)))
            row[column] = value.replace("\0", "")[:MAX_CELL]
        _judge(locked)
        locked.save(update_fields=["content"])
    draft.content = locked.content


# -- the batch ---------------------------------------------------------------------------------------------------------


def confirm(
    draft: IntakeDraft,
    *,
    by: User,
    settings: BatchSettings,
    use: Collection[RowState] = (RowState.READY,),
    priority: int = Batch.Priority.NORMAL,
    finish_by: datetime | None = None,
) -> Batch:
    """Makes the batch of the rows to use. Once only: a second click, or a reload, gets the same batch."""
    with transaction.atomic():
        locked = _locked(draft)
        if locked.batch_id is not None:
            return Batch.objects.get(pk=locked.batch_id)
        _judge(locked)
        topics = topic_rows(all_rows(locked), use=use)
        if not topics:
            raise IntakeError("No row of this list is ready: put at least one right, then start.")
        batch = launch.create_batch(
            locked.project,
            name=locked.name,
            topics=topics,
            settings=settings,
            by=by,
            token=locked.token,
            priority=priority,
            finish_by=finish_by,
        )
        locked.batch = batch
        locked.save(update_fields=["content", "batch"])
    return batch


def topic_rows(rows: Iterable[CheckedRow], *, use: Collection[RowState]) -> list[TopicRow]:
    """Duplicates within the list and rows that need a fix are never used, whatever `use` says."""
    usable = set(use) & {RowState.READY, RowState.EARLIER}
    return [TopicRow(topic=row.topic, notes=row.notes, overrides=row.overrides) for row in rows if row.state in usable]


# -- inside ------------------------------------------------------------------------------------------------------------


def _locked(draft: IntakeDraft) -> IntakeDraft:
    # Without its batch: a join is read before the wait for the lock, and would miss the one made meanwhile.
    return IntakeDraft.objects.select_for_update(of=("self",)).select_related("project").get(pk=draft.pk)


def _cell(row: SourceRow, index: int) -> str:
    return row.cells[index] if index < len(row.cells) else ""


def _header_and_body(draft: IntakeDraft) -> tuple[SourceRow | None, list[SourceRow]]:
    rows = [SourceRow(number=number, cells=tuple(cells)) for number, cells in draft.content["rows"]]
    return (rows[0], rows[1:]) if draft.mapping["header"] else (None, rows)


def _check(
    draft: IntakeDraft, rows: Sequence[SourceRow], *, header: SourceRow | None, offered: Offered
) -> list[CheckedRow]:
    columns = draft.mapping["columns"]
    return check_rows(rows, columns=columns, offered=offered, earlier=draft.content["earlier"], header=header)


def _judge(draft: IntakeDraft) -> None:
    """Finds the state of every row, so that a page needs to look at no others than its own."""
    header, body = _header_and_body(draft)
    column = draft.mapping["columns"]["topic"]
    draft.content["earlier"] = _earlier(draft.project, {topic_key(cleaned(_cell(row, column))) for row in body})
    checked = _check(draft, body, header=header, offered=offered_by(draft.project))
    draft.content["states"] = "".join(_LETTER[row.state] for row in checked)
    draft.content["twins"] = {str(row.number): row.twin_of for row in checked if row.twin_of}


def _earlier(project: Project, keys: set[str]) -> dict[str, str]:
    """The batch of this project that has each of these topics already; of several, the latest."""
    found: dict[str, Any] = {}
    made = Video.objects.filter(batch__project=project, cancelled_at=None).order_by("pk")
    for topic, batch in made.values_list("topic", "batch__name").iterator(chunk_size=5_000):
        if (key := topic_key(topic)) in keys:
            found[key] = batch
    return found
