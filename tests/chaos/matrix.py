"""Every failpoint, for every way in which a vendor can be asked after a crash: one death each, and all must hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.chaos.plan import OF_BULK, OF_GENERATION, OF_MEDIA, QUICK_BULK, STAGES, Plan, in_bulk

VENDOR_OF = {"free": "instant", "blind": "instant", "keyed": "keyed", "listable": "jobs", "bulk": "bulk"}
CALLED = ("free", "blind", "keyed", "listable")
STRATEGIES = ("parallel", "chunked", "sequential")  # beside pipelined, where the order of steps matters
WHERE_ORDER_MATTERS = ("after_claim", "after_send_before_record", "mid_settle", "mid_verdicts")
ONLY = {  # places that only some vendors lead to
    "before_stamp": ("free", "blind", "keyed"),  # the others answer as soon as they have it
    "before_poll": ("listable",),
    "after_poll": ("listable",),
    "before_find": ("listable", "keyed"),
    "after_find": ("listable",),
    "mid_adopt": ("listable", "keyed"),
    "mid_absent": ("listable",),
}
LINKS = ("mid_download", "mid_record_files", "after_take")  # only a file that is fetched leads there
LOST = {"before_find": "lose_after_accept", "after_find": "lose_after_accept", "mid_adopt": "lose_after_accept"}
LOST["mid_absent"] = "lose_before_accept"
AFTER_A_DEATH = ("mid_recovery", "after_recovery", "mid_spilled")
WHILE_AWAY = "before_settle=busy;after_spill=kill"  # the database is away, and then the process dies
SHARED = ("mid_claim", "after_claim", "after_send_before_record", "mid_settle", "before_settle", "after_settle")


@dataclass(frozen=True, slots=True)
class Cell:
    place: str
    recovery: str
    strategy: str
    role: str = "generation"

    @property
    def name(self) -> str:
        return f"{self.place}/{self.recovery}/{self.strategy}/{self.role}"


def cells() -> Iterator[Cell]:
    for place in OF_GENERATION.split():
        for recovery in VENDOR_OF:
            if recovery in ONLY.get(place, CALLED):
                for strategy in ("pipelined", *(STRATEGIES if place in WHERE_ORDER_MATTERS else ())):
                    yield Cell(place, recovery, strategy)
    for place in OF_BULK.split():
        yield Cell(place, "bulk", "pipelined")
    for place in OF_MEDIA.split():  # its own work is free
        for strategy in ("pipelined", *(STRATEGIES if place in WHERE_ORDER_MATTERS else ())):
            yield Cell(place, "free", strategy, "media")


def plan_of(name: str) -> Plan:
    cell = Cell(*name.split("/"))
    vendor_of = dict.fromkeys(STAGES, VENDOR_OF[cell.recovery])
    return Plan(
        name="cell-" + name.replace("/", "-"),
        topics=3 if cell.strategy == "chunked" else 2,
        depth=_depth(cell),
        settings={**_settings(cell), "bulk": in_bulk(vendor_of)},
        vendor_of=vendor_of,
        controls={VENDOR_OF[cell.recovery]: _control(cell)},
        cap_micro=None,
        crew={"generation": 1, "media": 1},
        storm_s=0.2,
        events=(),
        orders=_orders(cell),
        must_pass=cell.place,
        is_free=cell.recovery == "free",
    )


def _depth(cell: Cell) -> str:
    if cell.role == "media" and cell.place in ("mid_render", "after_send_before_record", *SHARED[:2], "mid_settle"):
        return "films"  # only renders are called for there
    if cell.role == "generation" and cell.place in LINKS:
        return "clips" if VENDOR_OF[cell.recovery] == "instant" else "stills"  # the other files come in the answer
    return "texts"


def _settings(cell: Cell) -> dict[str, Any]:
    depth = _depth(cell)
    return {
        "strategy": cell.strategy,
        "chunk_size": 2,
        "scenes": 1,
        "seconds": 2,
        "short_side": 64,
        "fps": 24,
        "script_gate": depth == "texts",
        "render_gate": depth == "clips",
    }


def _control(cell: Cell) -> dict[str, Any]:
    return {"latency_s": [2.0, 8.0], "next": [LOST[cell.place]] if cell.place in LOST else [], **QUICK_BULK}


def _orders(cell: Cell) -> dict[str, tuple[str, ...]]:
    if cell.place == "after_spill":
        return {cell.role: (WHILE_AWAY,)}
    if cell.place not in AFTER_A_DEATH:
        return {cell.role: (f"{cell.place}=kill",)}
    first = "after_claim" if cell.role == "generation" else "after_take"
    if cell.place == "mid_spilled":
        return {cell.role: (WHILE_AWAY, "mid_spilled=kill"), "media": ("mid_spilled=kill",)}
    again = f"{cell.place}=kill"  # whoever sees the dead first: drives of both roles look
    other = "media" if cell.role == "generation" else "generation"
    return {cell.role: (f"{first}=kill", again), other: (again,)}
