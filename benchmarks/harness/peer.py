"""Starts a peer as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import Any

from .engine import LIMIT_S, ROOT, answer_of


def run_peer(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as given:
        json.dump(spec, given)
        given.flush()
        command = [sys.executable, "-m", "benchmarks.peers", name, given.name]
        return answer_of(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True), LIMIT_S)
