"""benchmarks/report.json: one object a scenario; a part that is measured anew replaces its own and touches no other."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from threading import Lock
from typing import Any

REPORT = Path(__file__).with_name("report.json")
DOCS = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
_one_writes = Lock()
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def read() -> dict[str, Any]:
    return dict(json.loads(REPORT.read_text())) if REPORT.exists() else {}


def keep(key: str, figures: dict[str, Any]) -> None:
    with _one_writes:
        _keep(key, figures)


def _keep(key: str, figures: dict[str, Any]) -> None:
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "measured": time.strftime("%Y-%m-%d")}
    report = {**read(), key: {**figures, **machine}}
    text = json.dumps({name: report[name] for name in sorted(report)}, indent=1)
    REPORT.write_text(text + "\n")


def is_reached(figures: dict[str, Any]) -> bool:
    """The value is at most its target, nothing was refused where nothing may be, and nothing was lost."""
    if "reached" in figures:
        return bool(figures["reached"])
    value, target = figures["value"], figures["target"]
    kept = value >= target if figures.get("at_least") else value <= target
    return bool(kept and not figures.get("refusals") and not figures.get("lost"))


def table(report: dict[str, Any]) -> str:
    """What docs/benchmarks.md shows, in Markdown. What is not reached is bold."""
    lines = [
        "| scenario | value | asked for | refusals | load | measured | beside it |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, figures in report.items():
        value = figures["value"] if is_reached(figures) else f"**{figures['value']}**"
        asked = f"{'at least' if figures.get('at_least') else 'at most'} {figures['target']}"
        peers = "; ".join(f"{name} {_short(peer)}" for name, peer in figures.get("peers", {}).items())
        refusals, load = (figures.get(name, "") for name in ("refusals", "load_average"))
        cells = [key, value, asked, refusals, load, figures.get("measured", ""), peers]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def write_docs(report: dict[str, Any]) -> None:
    """Between the two marks; everything else stays."""
    before, _, rest = DOCS.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCS.write_text(f"{before}{BEGIN}\n{table(report)}\n{END}{after}")


def _short(peer: Any) -> str:
    """The ratio of a peer, and what was refused or lost on the way."""
    said = [f"{peer[name]} {word}" for name, word in (("refusals", "refused"), ("lost", "lost")) if peer.get(name)]
    value = str(peer.get("value", peer.get("ratio", "")))
    return f"{value} with {' and '.join(said)}" if said else value
