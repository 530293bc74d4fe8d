"""What Kling AI says of a task: the two designs of its interface name its parts differently."""

from __future__ import annotations

from datetime import UTC, datetime

from ...answers import Said
from ...types import Capability, Failed, Finished, JobState, Output, RemoteJob, Running

QUEUED = {"submitted", "processing"}
SUCCEEDED = {"succeeded", "succeed"}  # the new design's word, the classic one's
OVER = SUCCEEDED | {"failed"}
DECLINED = ("risk control", "policy", "policies", "sensitive", "violat", "moderation", "inappropriate")
MILLIUNITS = {"USD": 1000 / 0.14, "CNY": 1000.0}  # of what is paid in money: a unit costs 0.14 USD, in China 1 CNY


def _either(task: Said, new: str, classic: str) -> str:
    return task.text(new if task.has(new) else classic)


def id_of(task: Said) -> str:
    return _either(task, "id", "task_id")


def word_of(task: Said) -> str:
    return _either(task, "status", "task_status")


def tag_of(task: Said) -> str:
    return task.text("external_id", default="") or task.text("task_info", "external_task_id", default="")


def state_of(task: Said) -> Running | Finished | Failed:
    word, units = word_of(task), _units(task)
    if word in SUCCEEDED:
        return Finished(outputs=_outputs(task), units=units)
    if word == "failed":
        said = task.text("message", default="") or task.text("task_status_msg", default="")
        return Failed(
            reason=f"Kling AI could not make it: {said[:300]}" if said else "Kling AI could not make it.",
            moderated=any(hint in said.lower() for hint in DECLINED),
            billed=units.get("milliunits", 0) > 0,
            units=units,
        )
    return Running(unknown_status="" if word in QUEUED else word)


def _outputs(task: Said) -> tuple[Output, ...]:
    if task.has("outputs"):
        videos = [made for made in task.items("outputs") if made.text("type", default="video") == "video"]
    else:
        videos = list(task.items("task_result", "videos"))
    if not videos:
        raise task.unusable("a video")
    return tuple(Output(url=video.text("url"), media_type="video/mp4") for video in videos)


def _units(task: Said) -> dict[str, int]:
    """What was billed, in thousandths of a unit; {} where it is not said."""
    charges = list(task.items("billing", optional=True))
    if not charges:
        amount = _amount(task, "final_unit_deduction")
        is_paid_otherwise = not amount and bool(_amount(task, "final_balance_deduction", "quota"))
        return {} if amount is None or is_paid_otherwise else {"milliunits": round(amount * 1000)}
    total = 0.0
    for charge in charges:
        amount = _amount(charge, "amount")
        is_cash = charge.text("charge_type", default="unit") == "cash"
        worth = MILLIUNITS.get(charge.text("currency", default="")) if is_cash else 1000.0
        if amount is None or worth is None:
            return {}
        total += amount * worth
    return {"milliunits": round(total)}


def _amount(part: Said, *path: str) -> float | None:
    """A number that is written as a text; None where nothing is said."""
    if not part.text(*path, default=""):
        return None
    number = part.number(*path)
    if number < 0:
        raise part.unusable("an amount of 0 or more")
    return number


def listed(task: Said) -> RemoteJob:
    word, units = word_of(task), _units(task)
    state = JobState.FINISHED if word in SUCCEEDED else JobState.FAILED if word == "failed" else JobState.RUNNING
    return RemoteJob(
        external_id=id_of(task),
        created_at=_moment(task, "create_time" if task.has("create_time") else "created_at"),
        state=state,
        tag=tag_of(task),
        units=units,
        billed=state is JobState.FINISHED or units.get("milliunits", 0) > 0,
        capability=Capability.CLIP,
    )


def _moment(task: Said, name: str) -> datetime:
    try:
        return datetime.fromtimestamp(task.whole(name) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise task.unusable(f"a time as {name}") from None
