"""Which column holds what: guessed from headings and values, always open to be put right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .table import SourceRow, Table

FIELDS = ("topic", "notes", "language", "voice", "seconds", "aspect_ratio", "scenes")
LABELS: Mapping[str, str] = {
    "topic": "Topic",
    "notes": "Notes",
    "language": "Language",
    "voice": "Voice",
    "seconds": "Length (s)",
    "aspect_ratio": "Aspect ratio",
    "scenes": "Scenes",
}

# Headings in English, German, Spanish and French, without accents.
_HEADINGS: Mapping[str, str] = {
    "topic": "topic topics subject title theme idea headline keyword prompt video videos videotopic videotitle "
    "thema themen titel betreff uberschrift idee videothema videotitel stichwort "
    "tema temas titulo titulos asunto sujet sujets titre titres",
    "notes": "notes note comment comments remark remarks description brief briefing details instructions hint "
    "notiz notizen hinweis hinweise bemerkung bemerkungen anmerkung anmerkungen kommentar beschreibung "
    "nota notas comentario comentarios observaciones descripcion remarque remarques commentaire commentaires",
    "language": "language lang locale languagecode sprache sprachcode idioma lengua langue",
    "voice": "voice speaker narrator voiceover stimme sprecher sprecherin erzahler voz locutor narrador voix narrateur",
    "seconds": "seconds second secs sec s length duration durations lengthseconds durationseconds lengthsec lengths "
    "sekunden lange dauer laufzeit segundos duracion longitud secondes duree longueur",
    "aspect_ratio": "aspectratio aspect ratio format orientation shape seitenverhaltnis bildformat "
    "relaciondeaspecto formato proporcion orientacion formatdimage rapport ratiodaspect",
    "scenes": "scenes scene scenecount numberofscenes shots szenen szene szenenzahl anzahlszenen anzahlderszenen "
    "escenas escena numerodeescenas nombredescenes planos plans",
}
_FIELD_OF = {word: field for field, words in _HEADINGS.items() for word in words.split()}
_LANGUAGE = re.compile(r"[a-z]{2}(-[a-z]{2})?", re.IGNORECASE)
_RATIO = re.compile(r"(16|9|1) ?[:x/] ?(16|0?9|0?1)(:00)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """The mapping of a list: whether its first row is a heading, and which column each field is read from."""

    has_header: bool
    columns: Mapping[str, int]


def folded(heading: str) -> str:
    """Lower case letters only, without accents or what stands in brackets: `Länge (s)` is `lange`."""
    bare = re.sub(r"[(\[].*?[)\]]", "", heading) or heading
    plain = unicodedata.normalize("NFKD", bare.casefold())
    return re.sub(r"[^a-z]", "", plain)


def recognised(cells: Sequence[str]) -> dict[str, int]:
    """The fields whose headings stand in this row; of two equal headings the first counts."""
    found: dict[str, int] = {}
    for column, cell in enumerate(cells):
        field = _FIELD_OF.get(folded(cell)) if len(cell) <= 60 else None
        if field and field not in found:
            found[field] = column
    return found


def guess(table: Table) -> Mapped:
    first = recognised(table.rows[0].cells)
    if "topic" in first or len(first) > 1:
        body = table.rows[1:]
        columns = dict(first)
        columns.setdefault("topic", _wordiest(body, table.width, set(columns.values())))
        return Mapped(has_header=True, columns=columns)
    return Mapped(has_header=False, columns=_guess_by_values(table))


def _guess_by_values(table: Table) -> dict[str, int]:
    columns = {"topic": _wordiest(table.rows, table.width, set())}
    for column in range(table.width):
        values = [row.cells[column].strip() for row in table.rows[:50] if column < len(row.cells)]
        field = _field_of_values([value for value in values if value])
        if field and field not in columns and column != columns["topic"]:
            columns[field] = column
    return columns


def _field_of_values(values: list[str]) -> str | None:
    if not values:
        return None
    if all(_RATIO.fullmatch(value) for value in values):
        return "aspect_ratio"
    if all(_LANGUAGE.fullmatch(value) for value in values):
        return "language"
    if all(value.isdecimal() and len(value) <= 3 for value in values):
        return "seconds" if any(int(value) > 20 for value in values) else "scenes"
    return None


def _wordiest(rows: Sequence[SourceRow], width: int, taken: set[int]) -> int:
    """Topics are the first column that holds words; numbers, codes and ratios hold hardly a letter."""
    letters = dict.fromkeys((column for column in range(width) if column not in taken), 0)
    sample = rows[:50]
    for row in sample:
        for column in letters:
            if column < len(row.cells):
                letters[column] += sum(map(str.isalpha, row.cells[column][:500]))
    wordy = (column for column, count in letters.items() if count >= 4 * len(sample))
    return next(wordy, max(letters, key=lambda column: letters[column], default=0))
