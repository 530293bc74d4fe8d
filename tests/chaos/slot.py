"""One place where trials run one after the other: reads orders from stdin, a line each, and answers with results."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from django.db.backends.signals import connection_created

import tests.chaos.preload  # noqa: F401
from tests.chaos import ground, matrix, plan
from tests.chaos.trial import Result, Trial


def wait_for_no_lock_for_ever(connection: Any, **kwargs: Any) -> None:
    """Who holds it may have been stopped by us, and goes on only when we say so. In this process alone."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout TO '2s'")


def main() -> None:
    connection_created.connect(wait_for_no_lock_for_ever)
    root = Path(tempfile.mkdtemp(prefix="vidbatch-chaos-"))
    kept = False
    try:
        prepared = ground.prepare(root)
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            result = run(json.loads(line), prepared, root)
            kept = kept or bool(result.violations)
            print(json.dumps(result.as_json()), flush=True)
    finally:
        if not kept:
            shutil.rmtree(root, ignore_errors=True)


def run(order: dict[str, Any], prepared: str, root: Path) -> Result:
    if "cell" in order:
        drawn = matrix.plan_of(order["cell"])
    else:
        drawn = plan.draw(order["seed"], order["number"], depth=order.get("depth", ""))
    trial = Trial(drawn, prepared, root, bug=order.get("bug", ""))
    try:
        result = trial.run()
    except Exception:
        result = Result(trial.plan.name, [f"the trial itself broke: {traceback.format_exc()}"], 0.0)
    if result.violations:
        result.log.append(f"everything is kept in {trial.folder}")
        (trial.folder / "result.json").write_text(json.dumps(result.as_json(), indent=1))
    else:
        trial.remove()
    return result


if __name__ == "__main__":
    main()
