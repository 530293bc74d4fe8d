"""Kling AI's interface in both designs: models in the path and /tasks; or /v1/videos, which takes signed tokens, too.

The business code says what is meant, not the status. As documented in 2026-05 to 2026-10.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import json
import random
from typing import TYPE_CHECKING, Any

from PIL import Image

from .. import hooks
from ..books import Row
from ..manner import request_of
from ..replies import Asked, Reply
from .base import BadBody, Protocol

if TYPE_CHECKING:
    from ..vendor import Vendors

MILLIUNIT = 140  # millionths of a USD
# Thousandths of a unit a second, by resolution: silent, with sound
NEW = {
    "kling-3.0-turbo": {"720p": (800, 800), "1080p": (1000, 1000)},
    "kling-3.0": {"720p": (600, 900), "1080p": (800, 1200), "4k": (3000, 3000)},
    "kling-2.6": {"720p": (300, 0), "1080p": (500, 1000)},
    "kling-2.5-turbo": {"720p": (300, 0), "1080p": (500, 0)},
}
OLD = {"kling-v3": "kling-3.0", "kling-v2-6": "kling-2.6", "kling-v2-5-turbo": "kling-2.5-turbo"}
MODES = {"std": "720p", "pro": "1080p"}
HEIGHTS = {"720p": 720, "1080p": 1080, "4k": 2160}
FIELDS = {"contents", "settings", "options"}
SETTINGS = {"resolution", "duration", "audio", "multi_shot"}
OPTIONS = {"callback_url", "external_task_id", "watermark_info"}
OLD_FIELDS = OPTIONS | {
    *("model_name", "image", "image_tail", "prompt", "negative_prompt", "cfg_scale", "mode", "duration", "sound"),
    *("camera_control", "static_mask", "dynamic_masks"),
}
WORDS = {"queued": "submitted", "throttled": "submitted", "running": "processing"}
STATUS = {  # of each business code
    **dict.fromkeys((1000, 1001, 1002, 1003, 1004), 401),
    **dict.fromkeys((1100, 1101, 1102, 1302, 1303, 1304), 429),
    **dict.fromkeys((1200, 1201, 1300, 1301), 400),
    **{1103: 403, 1202: 404, 1203: 404, 5000: 500, 5001: 503, 5002: 504},
}
CODES = {400: 1201, 401: 1002, 402: 1102, 403: 1103, 404: 1203, 429: 1302, 503: 5001, 504: 5002}  # of a fault's status


class Trouble(BadBody):
    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Kling(Protocol):
    slug = "kling"
    settings = {
        "concurrency": 3,
        "latency_s": [60, 240],
        "retry_after": "none",
        "link_life_s": 30 * 86_400.0,
        "hook_events": "all",
        # `code`: what is wrong with the account, told at every submit; the pair of keys whose tokens are taken
        "account": {"code": 0, "access": "access", "secret": "secret", "units": 5000},
    }

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        try:
            self._let_in(vendors, asked)
            return self._answer(vendors, asked)
        except Trouble as trouble:
            vendors.books.saw(vendors.entry(asked), verdict="bad request")
            return _told(trouble.code, str(trouble))
        except BadBody as trouble:
            vendors.books.saw(vendors.entry(asked), verdict="bad request")
            return _told(1200, str(trouble))

    def _answer(self, vendors: Vendors, asked: Asked) -> Reply:
        match asked.method, asked.path:
            case "POST", ("image-to-video", model):
                return self._submitted(vendors, asked, self._order(model, self.said(asked)))
            case "POST", ("v1", "videos", "image2video"):
                return self._submitted(vendors, asked, self._old_order(self.said(asked)))
            case "GET", ("tasks",):
                return self._tasks(vendors, asked)
            case "POST", ("tasks",):
                return self._listing(vendors, asked, self.said(asked))
            case "GET", ("v1", "videos", "image2video"):
                return self._old_listing(vendors, asked)
            case "GET", ("v1", "videos", "image2video", name):
                return self._old_look(vendors, asked, name)
            case "GET", ("account", "costs"):
                return self._costs(vendors, asked)
        raise Trouble(1202, "The requested method is invalid")

    # -- keys ------------------------------------------------------------------------------------

    def _let_in(self, vendors: Vendors, asked: Asked) -> None:
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not token:
            raise Trouble(1001, "Authorization is empty")
        if token.count(".") == 2:
            if asked.path[:1] != ("v1",):
                raise Trouble(1002, "Authorization is invalid: only API keys are supported")
            account = vendors.behaviour.of(self.slug)["account"]
            _check_token(token, account["access"], account["secret"], vendors.clock.real(asked.at))
        elif "bad" in token:
            raise Trouble(1002, "Authorization is invalid")

    # -- submits ---------------------------------------------------------------------------------

    def _submitted(self, vendors: Vendors, asked: Asked, order: dict[str, Any]) -> Reply:
        if code := vendors.behaviour.of(self.slug)["account"].get("code"):
            raise Trouble(code, "something is wrong with the account")
        if order["tag"] and self._ids_of(vendors, order["tag"]):
            raise Trouble(1201, "external_task_id already exists")
        width, height = self._frame(vendors, order)
        return self.take(vendors, asked, "clip", {**order, "width": width, "height": height})

    def _order(self, model: str, said: dict[str, Any]) -> dict[str, Any]:
        if model not in NEW:
            raise Trouble(1203, "The requested resource does not exist: the model")
        settings, options = said.get("settings", {}), said.get("options", {})
        for part, known in ((said, FIELDS), (settings, SETTINGS), (options, OPTIONS)):
            _only(part, known)
        given = {part.get("type"): part for part in said.get("contents", ())}
        if not set(given) <= {"prompt", "first_frame", "last_frame"} or "first_frame" not in given:
            raise Trouble(1201, "Invalid parameters: contents")
        text = given.get("prompt", {}).get("text", "")
        seconds, resolution = settings.get("duration", 5), settings.get("resolution", "720p")
        lengths = (5, 10) if model == "kling-2.5-turbo" else range(3, 16)
        if not text or len(text) > 3072:
            raise Trouble(1201, "Invalid parameters: text")
        if type(seconds) is not int or seconds not in lengths:
            raise Trouble(1201, "Invalid parameters: duration")
        if settings.get("audio", "off") not in ("native", "off"):
            raise Trouble(1201, "Invalid parameters: audio")
        return {
            **_terms(model, resolution, has_sound=settings.get("audio") == "native"),
            "prompt": text,
            "seconds": seconds,
            "picture": _picture(given["first_frame"].get("url"), 50 * 10**6),
            "tag": options.get("external_task_id", ""),
            "design": "new",
            **_callback(options),
        }

    def _old_order(self, said: dict[str, Any]) -> dict[str, Any]:
        _only(said, OLD_FIELDS)
        name = said.get("model_name", "kling-v1")
        if name not in OLD:  # v1 to v2-1 were switched off on 2026-09-15
            raise Trouble(1203, "The requested resource does not exist: the model")
        seconds, mode = said.get("duration", "5"), said.get("mode", "std")
        lengths = map(str, range(3, 16)) if name == "kling-v3" else ("5", "10")
        if not isinstance(seconds, str) or seconds not in lengths:
            raise Trouble(1201, "Invalid parameters: duration")
        if mode not in MODES:
            raise Trouble(1201, "Invalid parameters: mode")
        if said.get("sound", "off") not in ("on", "off") or ("sound" in said and name == "kling-v2-5-turbo"):
            raise Trouble(1201, "Invalid parameters: sound")
        if not said.get("prompt") or len(said["prompt"]) > 2500:
            raise Trouble(1201, "Invalid parameters: prompt")
        return {
            **_terms(OLD[name], MODES[mode], has_sound=said.get("sound") == "on"),
            "prompt": said["prompt"],
            "seconds": int(seconds),
            "picture": _picture(said.get("image"), 10 * 10**6),
            "tag": said.get("external_task_id", ""),
            "design": "old",
            **_callback(said),
        }

    def _frame(self, vendors: Vendors, order: dict[str, Any]) -> tuple[int, int]:
        """The clip has the picture's ratio."""
        width, height = order.pop("picture")
        is_real = vendors.behaviour.of(self.slug)["media"] == "real"
        if is_real and (min(width, height) < 300 or not 0.4 <= width / height <= 2.5):
            raise Trouble(1201, "Invalid parameters: image size")
        share = HEIGHTS[order["resolution"]] / min(width, height)
        return round(width * share), round(height * share)

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        return NEW[body["model"]][body["resolution"]][body["has_sound"]] * int(body["seconds"]) * MILLIUNIT

    # -- looks -----------------------------------------------------------------------------------

    def _tasks(self, vendors: Vendors, asked: Asked) -> Reply:
        if len(asked.query.keys() & {"task_ids", "external_task_ids"}) != 1:
            raise Trouble(1201, "Invalid parameters: one of task_ids and external_task_ids")
        names = [name for name in asked.query.get("task_ids", "").split(",") if name]
        for tag in asked.query.get("external_task_ids", "").split(","):
            names += self._ids_of(vendors, tag, asked.at) if tag else []
        jobs = self.see(vendors, asked, *names)
        if isinstance(jobs, Reply):
            return jobs
        return _fine([self._task(vendors, job, asked.at, asked.base) for job in jobs if _design(job) == "new"])

    def _listing(self, vendors: Vendors, asked: Asked, said: dict[str, Any]) -> Reply:
        now_ms = vendors.clock.real(asked.at) * 1000
        until = float(said.get("end_time") or now_ms)
        since = float(said.get("start_time") or until - 30 * 86_400_000)
        size = int(said.get("limit") or 100)
        if not 1 <= size <= 500:
            raise Trouble(1201, "Invalid parameters: limit")
        query = {"created_after": since / 1000, "created_before": until / 1000, "limit": size}
        page = self.page(vendors, asked, **query, **({"after": said["cursor"]} if said.get("cursor") else {}))
        if isinstance(page, Reply):
            return page
        jobs, cursor = page
        told = [self._task(vendors, job, asked.at, asked.base) for job in jobs if _design(job) == "new"]
        for wanted in said.get("filters", ()):
            if wanted["key"] == "status":
                told = [task for task in told if task["status"] in wanted["values"]]
        return _fine({"result": told, "count": len(told), "next_cursor": cursor, "has_more": bool(cursor)})

    def _old_listing(self, vendors: Vendors, asked: Asked) -> Reply:
        number, size = int(asked.query.get("pageNum", 1)), int(asked.query.get("pageSize", 30))
        if not (1 <= number <= 1000 and 1 <= size <= 500):
            raise Trouble(1201, "Invalid parameters: pageNum, pageSize")
        page = self.page(vendors, asked)
        if isinstance(page, Reply):
            return page
        jobs = [job for job in reversed(page[0]) if _design(job) == "old"]
        begin = (number - 1) * size
        return _fine([self._old_task(vendors, job, asked.at, asked.base) for job in jobs[begin : begin + size]])

    def _old_look(self, vendors: Vendors, asked: Asked, name: str) -> Reply:
        jobs = self.see(vendors, asked, *(self._ids_of(vendors, name, asked.at) or [name]))
        if isinstance(jobs, Reply):
            return jobs
        if not jobs or _design(jobs[0]) != "old":
            return _told(1203, "The requested resource does not exist: the task")
        return _fine(self._old_task(vendors, jobs[0], asked.at, asked.base))

    def _costs(self, vendors: Vendors, asked: Asked) -> Reply:
        if not asked.query.keys() >= {"start_time", "end_time"}:
            raise Trouble(1201, "Invalid parameters: start_time, end_time")
        units = vendors.behaviour.of(self.slug)["account"].get("units", 0)
        pack = {
            "resource_pack_name": "Video",
            "resource_pack_type": "decreasing_total",
            "total_quantity": units,
            "remaining_quantity": units,
            "status": "online",
        }
        found = {"resource_pack_subscribe_infos": [pack]} if units else {}
        return _fine({"code": 0, "msg": "success", **found})

    def _ids_of(self, vendors: Vendors, tag: str, at: float = 1e18) -> list[str]:
        until = at - vendors.behaviour.of(self.slug)["list_lag_s"]
        sql = "SELECT id FROM jobs WHERE vendor = ? AND tag = ? AND accepted_at <= ?"
        return [row["id"] for row in vendors.books.rows(sql, self.slug, tag, until)]

    # -- words -----------------------------------------------------------------------------------

    def _task(self, vendors: Vendors, job: Row, at: float, base: str) -> dict[str, Any]:
        status = vendors.status(job, at)
        told: dict[str, Any] = {
            "id": job["id"],
            "status": WORDS.get(status, status),
            "message": _why(job) if status == "failed" else "",
            "create_time": self.real_ms(vendors, job["accepted_at"]),
            "update_time": self.real_ms(vendors, at),
            "external_id": job["tag"],
            "outputs": [],
            "billing": [],
        }
        if status == "succeeded":
            video = {"type": "video", "id": _video_id(job), "watermark_url": "", "duration": _length(job)}
            told["outputs"] = [{**video, "url": self.links(vendors, job, base)[0]}]
        if status in ("succeeded", "failed") and job["billed_micro"]:
            told["billing"] = [{"charge_type": "unit", "amount": _amount(job), "package_type": "video"}]
        return told

    def _old_task(self, vendors: Vendors, job: Row, at: float, base: str) -> dict[str, Any]:
        status = vendors.status(job, at)
        told: dict[str, Any] = {
            "task_id": job["id"],
            "task_status": "succeed" if status == "succeeded" else WORDS.get(status, status),
            "task_status_msg": _why(job) if status == "failed" else "",
            "task_info": {"external_task_id": job["tag"]},
            "created_at": self.real_ms(vendors, job["accepted_at"]),
            "updated_at": self.real_ms(vendors, at),
        }
        if status == "succeeded":
            video = {"id": _video_id(job), "watermark_url": "", "duration": _length(job)}
            told["task_result"] = {"videos": [{**video, "url": self.links(vendors, job, base)[0]}]}
        if status in ("succeeded", "failed"):
            told["final_unit_deduction"] = _amount(job)
        return told

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        return f"9{number:07d}{chance.randrange(10**10):010d}"

    def taken(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        if _design(job) == "old":
            told = self._old_task(vendors, job, job["accepted_at"], asked.base)
            del told["task_status_msg"]
            return _fine({**told, "task_status": "submitted"})
        told = self._task(vendors, job, job["accepted_at"], asked.base)
        kept = ("id", "create_time", "update_time", "external_id")
        return _fine({"status": "submitted", **{name: told[name] for name in kept}})

    def refused(self, vendors: Vendors, asked: Asked, refusal: Any) -> Reply:
        if refusal.why == "429 concurrency":
            return _told(1303, "parallel task over resource pack limit")
        return _told(1302, "The API request is too fast, exceeding the rate limit")

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        return _told(CODES.get(status, 5000), why, status)

    # -- webhooks --------------------------------------------------------------------------------

    def hook(self, vendors: Vendors, job: Row, base: str) -> dict[str, Any]:
        tell = self._old_task if _design(job) == "old" else self._task
        return tell(vendors, job, vendors.clock.now(), base)

    def signs(self, message: str, body: str, secret: str, at: float) -> dict[str, str]:
        """Nothing, where no secret was made in the console."""
        return hooks.standard(message, body, secret, at) if secret else {}


def _fine(found: Any) -> Reply:
    return Reply(body={"code": 0, "message": "SUCCEED", "request_id": "5f0c8f6e-sim", "data": found})


def _told(code: int, why: str, status: int = 0) -> Reply:
    return Reply(status=status or STATUS[code], body={"code": code, "message": why, "request_id": "5f0c8f6e-sim"})


def _only(said: Any, known: set[str]) -> None:
    if not isinstance(said, dict) or set(said) - known:
        raise Trouble(1201, f"Invalid parameters: {said if not isinstance(said, dict) else sorted(set(said) - known)}")


def _terms(model: str, resolution: Any, *, has_sound: bool) -> dict[str, Any]:
    if resolution not in NEW[model]:
        raise Trouble(1201, "Invalid parameters: resolution")
    if not NEW[model][resolution][has_sound]:
        raise Trouble(1201, "Invalid parameters: audio is not sold with this model and resolution")
    return {"model": model, "resolution": resolution, "has_sound": has_sound}


def _callback(said: dict[str, Any]) -> dict[str, Any]:
    return {"callback_url": said["callback_url"]} if said.get("callback_url") else {}


def _picture(said: Any, most_bytes: int) -> tuple[int, int]:
    """(width, height) of an address or of bare base64; with data: in front it is refused."""
    if not isinstance(said, str) or not said:
        raise Trouble(1201, "Invalid parameters: image")
    if said.startswith(("http://", "https://")):
        return 1280, 720
    try:
        content = base64.b64decode(said, validate=True)
        with Image.open(io.BytesIO(content)) as picture:
            if picture.format in ("PNG", "JPEG") and len(content) <= most_bytes:
                return picture.size
    except (binascii.Error, OSError):
        pass
    raise Trouble(1201, "Invalid parameters: image")


def _check_token(token: str, access: str, secret: str, now: float) -> None:
    head, claims, signature = token.split(".")
    wanted = hmac.new(secret.encode(), f"{head}.{claims}".encode(), hashlib.sha256).digest()
    try:
        said, claimed = json.loads(_unpacked(head)), json.loads(_unpacked(claims))
        is_right = hmac.compare_digest(wanted, _unpacked(signature))
    except ValueError:
        raise Trouble(1002, "Authorization is invalid") from None
    if not is_right or said != {"alg": "HS256", "typ": "JWT"} or claimed.get("iss") != access or "iat" in claimed:
        raise Trouble(1002, "Authorization is invalid")
    if claimed["nbf"] > now:
        raise Trouble(1003, "Authorization is not yet valid")
    if claimed["exp"] < now or claimed["exp"] > now + 1900:
        raise Trouble(1004, "Authorization has expired")


def _unpacked(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _design(job: Row) -> str:
    return str(request_of(job)["design"])


def _why(job: Row) -> str:
    return "Failure to pass the risk control system" if job["ending"] == "moderated" else "Server internal error"


def _video_id(job: Row) -> str:
    return f"{job['id'][:-1]}0"


def _length(job: Row) -> str:
    return f"{request_of(job)['seconds']}.1"


def _amount(job: Row) -> str:
    return f"{job['billed_micro'] / MILLIUNIT / 1000:g}"
