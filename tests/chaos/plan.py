"""What happens in a trial, drawn from its seed and number: the same again for the same two. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.chaos import pace

DEPTHS = {"texts": 40, "stills": 28, "clips": 24, "films": 8}  # how far the videos go, and how often; renders are dear
CAPS = {  # in micro: none, or one that is soon used up
    "texts": (None, 1_400, 2_800),
    "stills": (None, 45_000, 90_000),
    "clips": (None, 60_000, 300_000),
    "films": (None, 300_000),
}
VENDORS = ("instant", "keyed", "jobs", "bulk")
OFTEN = (3, 3, 3, 1)  # bulk jobs take the longest
STAGES = ("topic_moderation", "script", "text_moderation", "voiceover", "image", "clip")
STRATEGIES = ("pipelined", "pipelined", "parallel", "chunked", "sequential")
FAULTS = {
    "instant": ("lose_before_accept", "lose_after_accept", "500_before", "500_after", "garbage_after", "slow"),
    "keyed": ("lose_before_accept", "lose_after_accept", "500_after", "504_after", "garbage_after", "slow"),
    "jobs": ("lose_before_accept", "lose_after_accept", "503_before", "500_after", "garbage_after", "no_id"),
    "bulk": ("lose_before_accept", "lose_after_accept", "500_before", "500_after", "garbage_after"),
}
QUICK_BULK = {
    "bulk_validate_s": [0.0, 5.0],
    "bulk_latency_s": [2.0, 30.0],
    "bulk_finalize_s": 0.0,
    "bulk_cancel_s": 5.0,
}
BULK_FAULTS = ("expires", "no_output", "invalid", "token_limit", "stuck", "lines_doubled")
ALWAYS = ("429", "400", "402", "fail_job", "moderated", "unknown_status", "stuck", "cut_file", "broken_file")
ALWAYS += ("expired_file",)
LOOKS = ("lose", "429", "500", "503", "garbage")
OF_GENERATION = """
    mid_claim after_claim before_send on_wire after_send_before_record before_stamp before_settle mid_settle
    after_settle before_poll after_poll before_find after_find mid_adopt mid_absent after_take mid_download
    before_rename after_rename_before_row mid_record_files mid_recovery after_recovery before_drain after_drain
    after_spill mid_spilled
"""
OF_BULK = """
    mid_fill after_fill before_upload after_upload before_create after_create mid_created mid_read after_read
"""
OF_MEDIA = """
    after_take mid_qc after_qc mid_verdicts before_settle after_settle mid_recovery after_recovery mid_render
    after_send_before_record mid_claim after_claim mid_settle before_drain after_drain
"""
PLACES_OF = {
    "generation": [*OF_GENERATION.split(), *OF_BULK.split()],
    "media": OF_MEDIA.split(),
}  # where a drive of this role comes by
WRITES_FILES = ("mid_download", "before_rename")
ACTIONS = ("kill",) * 6 + ("stop", "stop", "sleep+0.6", "raise", "busy", "kill+0.05")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    at_s: float
    what: str
    how: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    name: str
    topics: int
    depth: str
    settings: dict[str, Any]
    vendor_of: dict[str, str]  # stage -> vendor
    controls: dict[str, dict[str, Any]]  # of each vendor, while it storms
    cap_micro: int | None
    crew: dict[str, int]  # role -> drives
    storm_s: float
    events: tuple[Event, ...]
    failpoint_share: float = 0.0  # of the drives that are started while it storms
    orders: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # role -> what its drives do to themselves, in turn
    must_pass: str = ""  # the storm goes on until this failpoint was reached
    is_free: bool = False  # the vendor that answers at once costs nothing and may be asked again at will


def draw(seed: str, number: int, *, depth: str = "") -> Plan:
    chance = Random(f"{seed} {number}")
    drawn = chance.choices(list(DEPTHS), list(DEPTHS.values()))[0]
    depth = depth or drawn
    topics = {"texts": chance.randint(3, 6), "stills": chance.randint(2, 3)}.get(depth, chance.randint(1, 2))
    strategy = chance.choice(STRATEGIES)
    storm_s = chance.uniform(0.8, 2.0)
    vendor_of = {stage: chance.choices(VENDORS, OFTEN)[0] for stage in STAGES}
    return Plan(
        name=f"{seed}-{number}",
        topics=topics,
        depth=depth,
        settings={**_settings(chance, depth, strategy), "bulk": in_bulk(vendor_of)},
        vendor_of=vendor_of,
        controls={vendor: _control(chance, vendor) for vendor in VENDORS},
        cap_micro=chance.choice(CAPS[depth]),
        crew={"generation": chance.choice((1, 2, 2)), "media": 1},
        storm_s=storm_s,
        events=tuple(sorted(_events(chance, storm_s), key=lambda event: event.at_s)),
        failpoint_share=chance.choice((0.0, 0.4, 0.8)),
    )


def _settings(chance: Random, depth: str, strategy: str) -> dict[str, Any]:
    return {
        "strategy": strategy,
        "chunk_size": 2,
        "scenes": chance.choice((1, 1, 2)) if depth in ("texts", "stills") else 1,
        "seconds": 2,
        "short_side": 64,
        "fps": 24,
        "moderation": chance.random() < 0.6,
        "script_gate": depth == "texts",
        "render_gate": depth == "clips",
    }


def in_bulk(vendor_of: dict[str, str]) -> list[str]:
    return [stage for stage, vendor in vendor_of.items() if vendor == "bulk"]


def _control(chance: Random, vendor: str) -> dict[str, Any]:
    wild = chance.choice((0.0, 0.05, 0.12))
    names = chance.sample(FAULTS[vendor], 2) + chance.sample(ALWAYS, 3)
    slowest = chance.choice((5.0, 20.0, 40.0))
    return {
        "latency_s": [1.0, slowest],
        "queue_s": [0.0, 5.0],
        "list_lag_s": chance.choice((0.0, 0.0, 0.5)) * pace.LIST_LAG_S * pace.SCALE,
        "bill_failed": chance.random() < 0.5,
        "rates": {name: wild * chance.uniform(0.3, 1.0) for name in names},
        "next_get": chance.choices(LOOKS, k=chance.randint(0, 4)) if wild else [],
        "bulk_rates": dict.fromkeys(chance.sample(BULK_FAULTS, 2), wild),
        **QUICK_BULK,
        "link_life_s": chance.choice((0.0, 0.0, 0.0, 2.0)) if vendor == "jobs" else 0.0,  # others give no fresh link
    }


def order_of(chance: Random, role: str) -> str:
    """What a drive is to do to itself."""
    place = chance.choice(PLACES_OF[role])
    action = (
        "enospc" if place in ("mid_download", "before_rename") and chance.random() < 0.4 else chance.choice(ACTIONS)
    )
    return f"{place}={action}@{chance.choice((1, 1, 2, 3))}"


def _events(chance: Random, storm_s: float) -> list[Event]:
    kinds = {
        "kill": 5,
        "kill_all": 2,
        "stop": 4,
        "person": 3,
        "pause": 2,
        "cancel": 1,
        "clock": 2,
        "database": 3,
        "disk": 1,
        "vendor": 1,
        "cap": 1,
        "hooks": 4,
    }
    made = []
    for _ in range(chance.randint(2, 7)):
        what = chance.choices(list(kinds), list(kinds.values()))[0]
        made.append(Event(at_s=chance.uniform(0.1, storm_s), what=what, how=_how(chance, what)))
    return made


def _how(chance: Random, what: str) -> dict[str, Any]:
    match what:
        case "stop":
            return {"for_s": chance.choice((0.2, 1.3, 4.0))}  # shorter than a deadline, longer, longer than a lease
        case "pause":
            return {"for_s": chance.uniform(0.1, 0.5)}
        case "cancel":
            return {"how": chance.choice(("video", "waiting", "all_but_running", "everything"))}
        case "clock":
            by_s = chance.choice((600.0, 86_400.0, 7200.0, -0.5, 1.5, -7200.0))
            back_after_s = {-0.5: None, -7200.0: 0.5}  # two hours behind for good, nothing would end for as long
            return {"by_s": by_s, "back_after_s": back_after_s.get(by_s, chance.choice((None, 0.5)))}
        case "database":
            return {"for_s": chance.choice((0.3, 1.2, 2.5))}
        case "disk" | "vendor":
            return {"for_s": chance.uniform(0.2, 0.8)}
    return {}
