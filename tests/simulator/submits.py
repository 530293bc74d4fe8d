"""Taking a job, or not: limits first, then luck."""

from __future__ import annotations

import json
import random
from math import log
from typing import TYPE_CHECKING, Any

from . import hooks, media
from .books import Row
from .limits import Gate, Refusal
from .manner import GENERIC, Manner, answered_at
from .replies import Asked, Reply, error, no_answer
from .settings import BEFORE, JOB

if TYPE_CHECKING:
    from .vendor import Vendors

ENDINGS = {"fail_job": "failed", "moderated": "moderated"}


def submit(vendors: Vendors, asked: Asked, kind: str, *, waits: bool, manner: Manner = GENERIC) -> Reply:
    """`asked.body` is in the simulator's own words: prompt, width, height, seconds, count, tag, callback_url, …"""
    reply = _judged(vendors, asked, kind, manner, waits=waits)
    if vendors.behaviour.of(asked.vendor)["tell_headers"] and not reply.lost:
        told = vendors.gate(asked.vendor, asked.at).told(asked.at)
        reply.headers.update(manner.limit_headers(vendors, asked, told))
    return reply


def _judged(vendors: Vendors, asked: Asked, kind: str, manner: Manner, *, waits: bool) -> Reply:
    books, behaviour, vendor = vendors.books, vendors.behaviour, asked.vendor
    settings, entry = behaviour.of(vendor), vendors.entry(asked)
    if kind not in media.MAKERS:
        books.saw(entry, verdict="bad request")
        return error(400, "unknown_kind")
    if (callback := asked.body.get("callback_url")) and not hooks.may_be_called(callback):
        books.saw(entry, verdict="bad request")
        return error(400, "only_addresses_of_this_machine_are_called_back")
    if asked.key and settings["dedupe"] and (job := books.job_of_key(vendor, asked.key)):
        return _again(vendors, asked, job, entry, manner, waits=waits)
    units = media.units(kind, asked.body, behaviour.token_factor(vendor, str(asked.body.get("prompt", ""))))
    counts = _counts(asked, units, manner=settings["tokens_counted"])
    entry["counts"] = json.dumps(counts)
    if refusal := _refusal(vendors, asked, counts):
        books.saw(entry, verdict=refusal.why)
        return manner.refused(vendors, asked, refusal)
    chance = behaviour.chance(vendor)
    fault = behaviour.fault("submit", vendor, chance)
    if fault in BEFORE:
        books.saw(entry, verdict=f"fault {fault}")
        return _not_taken(asked, fault, asked.at + settings["hang_s"], manner)
    if any(word in str(asked.body.get("prompt", "")).lower() for word in settings["moderated_words"]):
        fault = "moderated"
    if waits and fault in ENDINGS:  # one that answers at once says so at once
        books.saw(entry, verdict=f"fault {fault}")
        return manner.declined(asked, "content_policy" if fault == "moderated" else "could_not_make_it")
    job = _new_job(vendors, asked, kind, entry, fault, chance, units, manner)
    letters = hooks.planned(vendors, job) if callback else []
    books.saw(entry, verdict="accepted", job=job, made=[("deliveries", letter) for letter in letters])
    if callback:
        vendors.moved(job)
    if settings["tokens_counted"] == "settled" and job["done_at"] is not None:
        settle_tokens(vendors.gate(vendor, asked.at), counts, units, asked.at, job["done_at"])
    return _taken(vendors, asked, job, fault, manner, waits=waits)


# -- limits ----------------------------------------------------------------------------------------


def _counts(asked: Asked, units: dict[str, int], *, manner: str) -> dict[str, int]:
    output = units.get("output_tokens", 0)
    if manner != "actual" and "output_tokens" in units:
        output = max(output, int(asked.body.get("max_tokens") or output))
    return {
        "requests": 1,
        "tokens": units.get("input_tokens", 0) + output,
        "images": units.get("images", 0),
        "characters": len(str(asked.body.get("prompt", ""))),
    }


def _refusal(vendors: Vendors, asked: Asked, counts: dict[str, int]) -> Refusal | None:
    settings = vendors.behaviour.of(asked.vendor)
    refuses = settings["concurrency"] if settings["over_concurrency"] == "refuse" else 0
    ends = vendors.books.ends_of_living(asked.vendor, asked.at) if refuses else []
    return vendors.gate(asked.vendor, asked.at).admit(counts, now=asked.at, ends=ends, concurrency=refuses)


def settle_tokens(gate: Gate, counts: dict[str, int], units: dict[str, int], taken_at: float, due_at: float) -> None:
    used = units.get("input_tokens", 0) + units.get("output_tokens", 0)
    gate.give_back_later("tokens", counts["tokens"] - used, taken_at=taken_at, due_at=due_at)


# -- taken or not ----------------------------------------------------------------------------------


def _not_taken(asked: Asked, fault: str, hangs_until: float, manner: Manner) -> Reply:
    if not BEFORE[fault]:
        return no_answer(fault, at=hangs_until if fault.startswith("hang") else 0.0)
    return manner.failed(asked, BEFORE[fault], fault)


def _new_job(
    vendors: Vendors,
    asked: Asked,
    kind: str,
    entry: Row,
    fault: str,
    chance: random.Random,
    units: dict[str, int],
    manner: Manner,
) -> Row:
    settings = vendors.behaviour.of(asked.vendor)
    starts_at = asked.at + chance.uniform(*settings["queue_s"])
    takes_s = _latency_s(settings, chance) + (settings["slow_s"] if fault == "slow" else 0)
    if fault == "tail":
        takes_s *= min(20.0, 1 + chance.paretovariate(1.2))
    throttled = False
    if settings["over_concurrency"] == "throttle" and settings["concurrency"]:
        place_at = _next_place(vendors.books.ends_of_living(asked.vendor, asked.at), settings["concurrency"])
        throttled, starts_at = place_at > starts_at, max(place_at, starts_at)
    bills = fault not in ENDINGS or settings["bill_failed"]
    times = 2 if fault == "dear" else 1
    price_micro = manner.bill_micro(vendors, asked.vendor, kind, asked.body, units) if bills else 0
    return {
        "id": manner.job_id(kind, vendors.books.next_number(), chance),
        "vendor": asked.vendor,
        "kind": kind,
        "tag": entry["tag"],
        "key": asked.key or None,
        "fingerprint": entry["fingerprint"],
        "request": json.dumps(asked.body),
        "accepted_at": asked.at,
        "starts_at": starts_at,
        "done_at": None if fault == "stuck" else starts_at + takes_s,
        "ending": ENDINGS.get(fault, "succeeded"),
        "fault": fault if fault in JOB else "",
        "billed_micro": times * price_micro,
        "cancelled_at": None,
        "units": json.dumps({name: times * count for name, count in units.items()}),
        "throttled": int(throttled),
    }


def _latency_s(settings: dict[str, Any], chance: random.Random) -> float:
    low, high = settings["latency_s"]
    if settings["latency_shape"] == "uniform" or low <= 0:
        return chance.uniform(low, high)
    middle, spread = (log(low) + log(high)) / 2, (log(high) - log(low)) / (2 * 1.645)
    return chance.lognormvariate(middle, spread)


def _next_place(ends: list[float], places: int) -> float:
    """When one more may start, given when all taken before it end; a stuck one never does."""
    return sorted(ends)[-places] if len(ends) >= places else float("-inf")


def close_ranks(vendors: Vendors, vendor: str, now: float) -> None:
    """After a job was cancelled: those that waited for a place may start earlier."""
    places, ends = vendors.behaviour.of(vendor)["concurrency"], list[float]()
    for job in vendors.books.living(vendor, now):
        end = job["done_at"]
        if job["throttled"] and job["starts_at"] > now:
            starts_at = max(now, _next_place(ends, places))
            end = None if end is None else end - job["starts_at"] + starts_at
            vendors.books.move(job["id"], starts_at=starts_at, done_at=end)
            vendors.moved({**job, "starts_at": starts_at, "done_at": end})
        ends.append(1e18 if end is None else end)


def _taken(vendors: Vendors, asked: Asked, job: Row, fault: str, manner: Manner, *, waits: bool) -> Reply:
    at = answered_at(job) if waits else 0.0
    match fault:
        case "lose_after_accept" | "reset_after_accept":
            return no_answer(fault, at=at)
        case "hang_after_accept":
            return no_answer(fault, at=max(at, job["accepted_at"] + vendors.behaviour.of(job["vendor"])["hang_s"]))
        case "500_after" | "502_after" | "503_after" | "504_after" | "408_after":
            reply = manner.failed(asked, int(fault[:3]), "internal")
            reply.at = at
            return reply
        case "garbage_after":
            return Reply(body=b"<html>one moment, please</html>", media_type="text/html", at=at)
        case "no_id":
            return Reply(body={"object": "job"}, at=at)
    reply = _whole(vendors, asked, job, manner) if waits else manner.taken(vendors, asked, job)
    reply.drips = fault == "slow_answer"
    reply.sent_share = 0.5 if fault == "cut_answer" else 1.0
    return reply


def _whole(vendors: Vendors, asked: Asked, job: Row, manner: Manner) -> Reply:
    """The finished job, when it is."""
    reply = manner.finished(vendors, asked, job)
    reply.at = answered_at(job)
    return reply


def _again(vendors: Vendors, asked: Asked, job: Row, entry: Row, manner: Manner, *, waits: bool) -> Reply:
    """The same key: the first job's answer, and no second bill; another request under it is refused."""
    if job["fingerprint"] != entry["fingerprint"]:
        vendors.books.saw(entry, verdict="key reused")
        return error(422, "key_was_used_for_another_request")
    vendors.books.saw(entry, verdict="replayed")
    return _whole(vendors, asked, job, manner) if waits else Reply(body=vendors.told(job, entry["at"]))
