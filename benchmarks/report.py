"""benchmarks/report.json: one object a scenario; a part that is measured anew replaces its own and touches no other."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

REPORT = Path(__file__).with_name("report.json")


def read() -> dict[str, Any]:
    return dict(json.loads(REPORT.read_text())) if REPORT.exists() else {}


def keep(key: str, figures: dict[str, Any]) -> None:
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "measured": time.strftime("%Y-%m-%d")}
    report = {**read(), key: {**figures, **machine}}
    text = json.dumps({name: report[name] for name in sorted(report)}, indent=1)
    REPORT.write_text(text + "\n")


def is_reached(figures: dict[str, Any]) -> bool:
    """The value is at most its target, and nothing was refused where nothing may be."""
    if "reached" in figures:
        return bool(figures["reached"])
    value, target = figures["value"], figures["target"]
    kept = value >= target if figures.get("at_least") else value <= target
    return bool(kept and not figures.get("refusals"))


def table(report: dict[str, Any]) -> str:
    """What docs/benchmarks.md shows, in Markdown."""
    lines = ["| scenario | value | target | refusals | load | beside it |", "|---|---|---|---|---|---|"]
    for key, figures in report.items():
        value = figures["value"] if is_reached(figures) else f"**{figures['value']}**"
        peers = "; ".join(f"{name} {_short(peer)}" for name, peer in figures.get("peers", {}).items())
        cells = [key, value, figures["target"], figures.get("refusals", ""), figures.get("load_average", ""), peers]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _short(peer: Any) -> str:
    if not isinstance(peer, dict):
        return str(peer)
    said = [str(peer.get("ratio", peer.get("value", "")))]
    said += [f"{peer[name]} {word}" for name, word in (("refusals", "refused"), ("lost", "lost")) if peer.get(name)]
    return " with ".join([said[0], " and ".join(said[1:])] if said[1:] else said)
