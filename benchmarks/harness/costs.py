"""python -m benchmarks.harness.costs SPEC: what single things cost, each so many times; one line of JSON.

What is asked in CPU seconds counts the processes that are started for it, too.

Models can be imported once Django is set up: hence the imports inside of functions.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from providers.types import Output

FAMILIES = ("skyline", "lake", "botanical")  # of pictures: the costly ones
ANSWERS = 20


def main(spec: dict[str, Any]) -> dict[str, Any]:
    django.setup()
    from providers.sync import sync_providers

    sync_providers()  # the studio's voices, which lists name
    return {name: [cost() for _ in range(spec["runs"])] for name, cost in COSTS.items()}


@contextmanager
def watch(clock: Callable[[], float]) -> Iterator[list[float]]:
    """What the clock went on by meanwhile is in the list when the block is left."""
    took: list[float] = []
    began = clock()
    yield took
    took.append(clock() - began)


def cpu_s() -> float:
    """Of this process and of all its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def forecast() -> float:
    """1,000 videos of six scenes by all four strategies."""
    from jobs.forecast import forecast
    from jobs.states import Stage

    made: Any = import_module("tests.jobs.forecast.situations")  # without types
    measured = {Stage.CLIP: {"judged": 100, "failed": 4}, Stage.IMAGE: {"judged": 100, "failed": 4}}
    plain = made.a_market(
        made.an_order(videos=1000, scenes=6),
        spread=0.3,
        check_s=0.3,
        places=2,
        pickup_s=0.25,
        caps={Stage.SCRIPT: 8, Stage.VOICEOVER: 5, Stage.CLIP: 5, Stage.RENDER: 2},
        quotas=[made.a_quota(Stage.IMAGE, 60, 60.0, guard_s=0.3)],
        measured=measured,
    )
    with watch(cpu_s) as took:
        told = forecast(plain)
    assert len(told) == 4
    return took[0]


# -- the studio --------------------------------------------------------------------------------------------------------


def clip() -> float:
    """Five seconds of 1280x720 out of one picture."""
    from providers.types import InputFile

    with tempfile.TemporaryDirectory(prefix="vidbatch-bench-") as folder:
        drawn = _ask(folder, "image", "layered hills", width=1344, height=768, seed=1)
        assert drawn.path is not None
        source = InputFile(path=drawn.path, sha256="", media_type="image/jpeg", role="image")
        with watch(cpu_s) as took:
            _ask(folder, "clip", "", inputs=(source,), width=1280, height=720, seconds=5.0, seed=2)
    return took[0]


def picture() -> float:
    """1792x1024, the costliest of three families."""
    from providers.adapters.studio.motifs import FAMILY_WORDS

    def one(family: str) -> float:
        with tempfile.TemporaryDirectory(prefix="vidbatch-bench-") as folder, watch(cpu_s) as took:
            _ask(folder, "image", FAMILY_WORDS[family].split()[0], width=1792, height=1024, seed=3)
        return took[0]

    return max(map(one, FAMILIES))


def _ask(folder: str, capability: str, prompt: str, **fields: Any) -> Output:
    from providers.adapters.studio import Studio
    from providers.types import Capability, Request

    adapter = Studio(workdir=Path(tempfile.mkdtemp(dir=folder)))
    answer = adapter.submit(Request(capability=Capability(capability), offer="studio", prompt=prompt, **fields))
    (output,) = answer.outputs
    return output


# -- topic lists -------------------------------------------------------------------------------------------------------


def rules(count: int) -> float:
    """So many rows are judged, all fields filled in."""
    from jobs.intake.rules import Offered, RowState, check_rows
    from jobs.intake.table import SourceRow

    def cells(n: int) -> tuple[str, ...]:
        return (f"Why bread №{n} rises – ünïcode", "notes", "de", "Eva", "45", "16:9", "4")

    fields = ("topic", "notes", "language", "voice", "seconds", "aspect_ratio", "scenes")
    columns = {name: n for n, name in enumerate(fields)}
    offered = Offered(language="en", voices={"en": ("Ada", "Ben"), "de": ("Eva",), "pt-br": ("Rui",)})
    rows = [SourceRow(number=n, cells=cells(n)) for n in range(1, count + 1)]
    with watch(time.perf_counter) as took:
        checked = check_rows(rows, columns=columns, offered=offered, earlier={})
    assert {row.state for row in checked} == {RowState.READY}
    return took[0]


def draft() -> float:
    """From 1,000 lines of CSV to a stored draft and its first page."""
    from django.contrib.auth.models import User

    from benchmarks.harness.rows import a_project
    from jobs.intake import drafts

    by = User.objects.get_or_create(username="bench")[0]
    lines = "topic,seconds,language\n" + "".join(f"Why bread №{n} rises,45,de\n" for n in range(1_000))
    project = a_project()
    with watch(time.perf_counter) as took:
        made = drafts.from_upload(project, name="", filename="a.csv", content=lines.encode(), by=by)
        drafts.rows_at(made, range(100))
    assert drafts.counts_of(made)["ready"] == 1_000
    return took[0]


def empty_rows() -> float:
    """A workbook with one topic and 1,048,575 rows without a cell."""
    from jobs.intake.reading import read_upload

    content = _empty_rows()
    with watch(time.perf_counter) as took:
        table = read_upload("a.xlsx", content)
    assert len(table.rows) == 1
    return took[0]


@cache
def _empty_rows() -> bytes:
    from openpyxl import Workbook

    book, plain, made = Workbook(), io.BytesIO(), io.BytesIO()
    book.save(plain)
    rows = '<row r="1"><c r="A1"><v>1</v></c></row>' + "".join(f'<row r="{n}"/>' for n in range(2, 1_048_577))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'<?xml version="1.0"?><worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else old.read(name))
    return made.getvalue()


# -- the site ----------------------------------------------------------------------------------------------------------


def webhook() -> float:
    """The middle answer, in milliseconds, to webhooks that are new: proved by their address, stored and told."""
    from django.test import Client
    from django.urls import reverse

    from providers import callbacks

    slug, tag, client = _hooked(), "a1b2c3", Client(SERVER_NAME="127.0.0.1")
    url = reverse("webhook_of_attempt", args=[slug, tag, callbacks.mac_of(slug, tag)])

    def answer_ms(n: int) -> float:
        body = json.dumps({"event": f"{time.time_ns()} {n}"})
        with watch(time.perf_counter) as took:
            answer = client.post(url, body, content_type="application/json")
        assert answer.status_code == 204, answer.status_code
        return 1000 * took[0]

    answer_ms(0)  # imports and routes
    return median(map(answer_ms, range(ANSWERS)))


@cache
def _hooked() -> str:
    from providers import registry
    from providers.base import Adapter
    from providers.models import Provider
    from providers.types import Capability

    class Hooked(Adapter):
        """Calls back and signs nothing."""

        slug = "hooked"
        label = "Hooked"
        capabilities = frozenset({Capability.CLIP})
        calls_back = True

    registry.register(Hooked)
    return Provider.objects.create(slug=Hooked.slug, label=Hooked.label).slug


COSTS: dict[str, Callable[[], float]] = {
    "forecast_cpu_s": forecast,
    "clip_cpu_s": clip,
    "picture_cpu_s": picture,
    "rules_1000_s": lambda: rules(1_000),
    "rules_10000_s": lambda: rules(10_000),
    "draft_1000_s": draft,
    "empty_rows_s": empty_rows,
    "webhook_ms": webhook,
}

if __name__ == "__main__":
    print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
