"""What a row must keep to become a video: ready, a duplicate, or which cell breaks which rule."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .columns import LABELS
from .table import SourceRow

TOPIC_CHARACTERS = 500
SECONDS = (5, 180)
SCENES = (1, 20)
ASPECT_RATIOS = ("16:9", "9:16", "1:1")

ROW = "row"  # a rule that the row breaks as a whole

_LANGUAGE_NAMES: Mapping[str, str] = {
    "en": "english englisch ingles anglais",
    "de": "german deutsch aleman allemand",
    "es": "spanish spanisch espanol castellano espagnol",
    "fr": "french franzosisch frances francais",
}
_CODE_OF = {name: code for code, names in _LANGUAGE_NAMES.items() for name in names.split()}
_SHAPES = {"landscape": "16:9", "horizontal": "16:9", "portrait": "9:16", "vertical": "9:16", "square": "1:1"}
_SPREADSHEET_ERRORS = frozenset(
    ["#REF!", "#N/A", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"]
)
_NUMBER = re.compile(r"(\d{1,6})(?:[.,]0+)?")
_SECONDS = re.compile(r"(\d{1,6})(?:[.,]0+)? ?(?:s|sec|secs|second|seconds|sek|sekunden|segundos|secondes)?\.?")
_RATIO = re.compile(r"(\d{1,2}) ?[:x×/] ?(\d{1,2})(?::00)?")
_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF])


class RowState(StrEnum):
    READY = "ready"
    TWIN = "twin"  # the same as another row of this list
    EARLIER = "earlier"  # the same as a video of an earlier batch
    FIX = "fix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What this project can speak: voices by language, and the language of a row that names none."""

    language: str
    voices: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    field: str
    value: str
    rule: str

    @property
    def sentence(self) -> str:
        if self.field == ROW:
            return self.rule
        shown = self.value if len(self.value) <= 60 else self.value[:59] + "…"
        return f"{LABELS[self.field]} “{shown}”: {self.rule}" if shown.strip() else f"{LABELS[self.field]}: {self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRow:
    number: int
    cells: tuple[str, ...]
    state: RowState
    topic: str = ""
    notes: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    broken: tuple[Broken, ...] = ()
    twin_of: int = 0
    earlier_batch: str = ""

    @property
    def reason(self) -> str:
        if self.state == RowState.TWIN:
            return f"Duplicate of row {self.twin_of:,}."
        if self.state == RowState.EARLIER:
            return f"Already made in the batch “{self.earlier_batch}”."
        return " ".join(broken.sentence for broken in self.broken)


class _Breaks(ValueError):
    """A cell breaks a rule; its text is the rule."""


def cleaned(text: str) -> str:
    """One line, without control characters, invisible spaces and marks that turn the reading direction."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    visible = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text.translate(_TURNING))
    return " ".join(unicodedata.normalize("NFC", visible).split())


def topic_key(topic: str) -> str:
    """Equal for topics that differ in case, spacing, width of letters, invisible signs or the last full stop."""
    if topic.isascii():
        return " ".join(topic.lower().split()).rstrip(" .!?")
    plain = unicodedata.normalize("NFKC", topic).casefold()
    seen = "".join(sign for sign in plain if unicodedata.category(sign) != "Cf")
    return " ".join(seen.split()).rstrip(" .!?…")


def check_rows(
    rows: Sequence[SourceRow],
    *,
    columns: Mapping[str, int],
    offered: Offered,
    earlier: Mapping[str, str],
    header: SourceRow | None = None,
) -> list[CheckedRow]:
    """`earlier` names the batch that holds a topic, by topic_key."""
    first_with: dict[tuple[str, Any, Any], int] = {}
    known = max([len(header.cells) if header else 0, *(column + 1 for column in columns.values())])
    checked: list[CheckedRow] = []
    for row in rows:
        rule = _unfit(row, header, known) if header else ""
        if rule:
            broken = Broken(field=ROW, value="", rule=rule)
            checked.append(CheckedRow(number=row.number, cells=row.cells, state=RowState.FIX, broken=(broken,)))
        else:
            checked.append(_check(row, columns, offered, earlier, first_with))
    return checked


def _unfit(row: SourceRow, header: SourceRow, known: int) -> str:
    """Cells beyond all headings are the rest of a text that was cut at its commas: no silent loss."""
    if row.cells == header.cells:
        return "This row repeats the headings. Leave it out."
    if any(cell.strip() for cell in row.cells[known:]):
        counts = f"This row has {len(row.cells)} cells under {known} headings."
        return f"{counts} Put text that holds the separator in quotes."
    return ""


def _check(
    row: SourceRow,
    columns: Mapping[str, int],
    offered: Offered,
    earlier: Mapping[str, str],
    first_with: dict[tuple[str, Any, Any], int],
) -> CheckedRow:
    values: dict[str, Any] = {}
    broken: list[Broken] = []
    for name, rule in _RULES.items():
        column = columns.get(name)
        raw = row.cells[column] if column is not None and column < len(row.cells) else ""
        try:
            values[name] = rule(_without_error(cleaned(raw)), offered, values)
        except _Breaks as breaks:
            broken.append(Broken(field=name, value=raw, rule=str(breaks)))
    if broken:
        return CheckedRow(number=row.number, cells=row.cells, state=RowState.FIX, broken=tuple(broken))
    topic, notes = values.pop("topic"), values.pop("notes")
    overrides = {name: value for name, value in values.items() if value not in ("", None)}
    if values["language"] not in ("", offered.language):
        overrides.setdefault("voice", "")  # the project's voice speaks the project's language
    key = topic_key(topic)
    # The same topic in another language or shape is another video.
    twin_of = first_with.setdefault((key, values["language"], values["aspect_ratio"]), row.number)
    batch = earlier.get(key, "")
    state = RowState.TWIN if twin_of != row.number else RowState.EARLIER if batch else RowState.READY
    return CheckedRow(
        number=row.number,
        cells=row.cells,
        state=state,
        topic=topic,
        notes=notes,
        overrides=overrides,
        twin_of=twin_of if state == RowState.TWIN else 0,
        earlier_batch=batch if state == RowState.EARLIER else "",
    )


def _without_error(value: str) -> str:
    if value in _SPREADSHEET_ERRORS:
        raise _Breaks("is an error of the spreadsheet. Write the text itself.")
    return value


def _topic(value: str, offered: Offered, values: Mapping[str, Any]) -> str:
    if not value:
        raise _Breaks("is empty. Write what the video is about.")
    if len(value) > TOPIC_CHARACTERS:
        raise _Breaks(
            f"has {len(value):,} characters. At most {TOPIC_CHARACTERS} are allowed; move details to the notes."
        )
    if not any(sign.isalnum() for sign in value):
        raise _Breaks("has no letter and no digit. Say in words what the video is about.")
    return value


def _notes(value: str, offered: Offered, values: Mapping[str, Any]) -> str:
    return value


def _language(value: str, offered: Offered, values: Mapping[str, Any]) -> str:
    if not value:
        return ""
    known = {code.lower(): code for code in offered.voices}
    asked = value.lower().replace("_", "-")
    plain = unicodedata.normalize("NFKD", asked)
    named = _CODE_OF.get("".join(sign for sign in plain if sign.isalpha() and sign.isascii()), "")
    for code in (asked, named, asked.split("-")[0] if "-" in asked else ""):
        if code in known:
            return known[code]
    raise _Breaks(f"has no voice here. Use one of {', '.join(sorted(offered.voices))}.")


def _voice(value: str, offered: Offered, values: Mapping[str, Any]) -> str:
    if not value:
        return ""
    if "language" not in values:
        return value  # which voices there are is unknown until the language is put right
    language = values["language"] or offered.language
    voices = offered.voices.get(language, ())
    for voice in voices:
        if voice.lower() == value.lower():
            return voice
    raise _Breaks(f"is no voice for the language {language}. Use one of {', '.join(voices) or 'another language'}.")


def _seconds(value: str, offered: Offered, values: Mapping[str, Any]) -> int | None:
    return _whole_number(value, _SECONDS, SECONDS, "length must be {}–{} s, as a whole number.")


def _scenes(value: str, offered: Offered, values: Mapping[str, Any]) -> int | None:
    return _whole_number(value, _NUMBER, SCENES, "must be {}–{}, as a whole number.")


def _whole_number(value: str, pattern: re.Pattern[str], bounds: tuple[int, int], rule: str) -> int | None:
    if not value:
        return None
    match = pattern.fullmatch(value.lower())
    if match is None or not bounds[0] <= int(match[1]) <= bounds[1]:
        raise _Breaks(rule.format(*bounds))
    return int(match[1])


def _aspect_ratio(value: str, offered: Offered, values: Mapping[str, Any]) -> str:
    """Spreadsheets turn 16:9 into the time 16:09:00: that is understood too."""
    if not value:
        return ""
    match = _RATIO.fullmatch(value)
    ratio = f"{int(match[1])}:{int(match[2])}" if match else _SHAPES.get(value.lower(), "")
    if ratio not in ASPECT_RATIOS:
        raise _Breaks(f"must be one of {', '.join(ASPECT_RATIOS)}.")
    return ratio


_RULES = {  # language before voice: a voice belongs to a language
    "topic": _topic,
    "notes": _notes,
    "language": _language,
    "voice": _voice,
    "seconds": _seconds,
    "aspect_ratio": _aspect_ratio,
    "scenes": _scenes,
}
