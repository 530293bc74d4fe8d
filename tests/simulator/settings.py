"""How each vendor behaves, changed while it runs through POST /control."""

from __future__ import annotations

import base64
import random
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from . import hooks, lines
from .meters import POLICIES, UNITS, Limit

DEFAULTS: dict[str, Any] = {
    # -- limits --
    "limits": [],  # [{"requests": 10, "per_s": 60}, {"tokens": 80000, "per_s": 60, "policy": "bucket"}, …]
    "policy": "sliding",  # of every limit that names none: sliding, fixed, bucket, sliced
    "capacity": 0,  # of a bucket; 0 = a window's worth
    "slice_s": 1.0,  # of a sliced window
    "refused_count": False,  # refused requests count against the windows, too
    "lockout_s": 0.0,  # one 429, and everything is refused for so long
    "jitter_ms": 0.0,  # real milliseconds, at most, between arrival and judgement
    "concurrency": 0,  # living jobs at once; 0 = any number
    "over_concurrency": "refuse",  # or "throttle": taken, and waiting at the vendor
    "waiting_word": "throttled",  # the status of one that waits so; some say "queued"
    "tokens_counted": "reserved",  # input + max_tokens; "settled" gives back the unused at the end; "actual" knows it
    "token_factor": [1.0, 1.0],  # what the vendor's tokens are to a quarter of the characters, drawn per prompt
    "tell_headers": False,  # x-ratelimit-…; "nonsense" tells what no client can use
    "reset_style": "duration",  # 6m0s, 850ms; or "seconds", "date" (ISO)
    "retry_after": "exact",  # or "seconds" (whole), "date", "body", "none"
    # -- work and money --
    "latency_s": [2.0, 6.0],
    "latency_shape": "uniform",  # or "lognormal": nine of ten are within, the others beyond either end
    "queue_s": [0.0, 0.0],  # before a job starts
    "slow_s": 600.0,  # what the fault "slow" adds
    "hang_s": 600.0,  # how long a connection with a fault "hang" stays open without an answer
    "drip_bytes_s": 1.0,  # how fast a slow body comes,
    "drip_s": 60.0,  # and for how long, before the rest comes at once
    "price_micro": 0,  # a number, or one a kind: {"image": 40000}
    "bill_failed": False,
    "dedupe": False,  # on the Idempotency-Key header
    "answers": "url",  # or "base64"
    "media": "real",  # as asked for; "tiny": the same few valid bytes for all, each with its own mark
    "moderated_words": [],  # a prompt with one of them is declined
    "link_life_s": 0.0,  # links to files work so long; 0 = for ever
    "keeps_tags": True,  # and finds jobs by them; else a job shows only what was asked for
    "list_lag_s": 0.0,  # how long a new job is missing from listings
    "page_size": 1000,  # of listings
    "account": {},  # what a protocol knows of the account: credits, tier, …
    "rates": {},  # {"500_after": 0.05}: share of submits with this fault
    "get_rates": {},  # the same for looks and listings
    # -- bulk jobs --
    "bulk_validate_s": [1.0, 5.0],
    "bulk_latency_s": [600.0, 7200.0],  # of the work, behind validation
    "bulk_finalize_s": 5.0,
    "bulk_window_s": 86400.0,  # behind it, what is not done expires
    "bulk_cancel_s": 30.0,  # how long cancelling takes
    "bulk_share": 0.5,  # of the price
    "bulk_lines": 50000,  # at most
    "bulk_done_share": 0.6,  # how far one with the fault "expires" comes
    "enqueued_tokens": 0,  # of all waiting bulk jobs together; 0 = any number
    "line_failures": 0.0,  # share of lines that fail by themselves
    "bulk_rates": {},  # {"expires": 0.1}: share of bulk jobs with this fault
    # -- webhooks, for jobs with a callback_url --
    "hook_secret": "whsec_" + base64.b64encode(b"what only both of us know").decode(),
    "hook_url": "",  # called for every job, where the vendor knows one address an account
    "hook_events": "over",  # or "all": also when the job starts
    "hook_delay_s": [0.0, 0.0],  # after the event
    "hook_tries": 3,
    "hook_gap_s": 5.0,  # between two tries
    "hook_hold_s": 60.0,  # the longest that one with the fault "reversed" waits to be overtaken
    "replay_s": 3600.0,  # how much later a message with the fault "replayed" comes again
    "doubles": 2,  # how often a message with the fault "doubled" comes
    "hook_rates": {},  # {"lost": 0.1}: share of messages with this fault
}
BY_VENDOR: dict[str, dict[str, Any]] = {"keyed": {"dedupe": True}, "instant": {"answers": "base64"}}
CHOICES: dict[str, tuple[Any, ...]] = {
    "policy": POLICIES,
    "over_concurrency": ("refuse", "throttle"),
    "tokens_counted": ("reserved", "settled", "actual"),
    "tell_headers": (False, True, "nonsense"),
    "latency_shape": ("uniform", "lognormal"),
    "reset_style": ("duration", "seconds", "date"),
    "retry_after": ("exact", "seconds", "date", "body", "none"),
    "answers": ("url", "base64"),
    "media": ("real", "tiny"),
    "hook_events": ("over", "all"),
}
ORDERS = {"next", "next_get", "next_hook", "next_bulk", "calm", "usual", "fresh"}  # done once, not kept

# -- faults: ordered one by one ("next"), or by rate ("rates") --
BEFORE = {  # the job is not taken: the status answered, 0 for none
    "lose_before_accept": 0,
    "reset_before_accept": 0,
    "hang_before_accept": 0,
    "500_before": 500,
    "502_before": 502,
    "503_before": 503,
    "504_before": 504,
    "408_before": 408,
    "409_before": 409,
    "429": 429,
    "400": 400,
    "401": 401,
    "402": 402,
}
AFTER = {  # the job is taken, and the client is not told so
    "lose_after_accept",
    "reset_after_accept",
    "hang_after_accept",
    "500_after",
    "502_after",
    "503_after",
    "504_after",
    "408_after",
    "garbage_after",
    "cut_answer",
    "no_id",
    "slow_answer",
}
FILE = {  # something is wrong with the file; all but the last two only when it is fetched first
    "cut_file",
    "expired_file",
    "missing_file",
    "empty_file",
    "slow_file",
    "endless_file",
    "html_file",
    "redirected_file",
    "broken_file",
    "wrong_type",
}
JOB = {"fail_job", "moderated", "unknown_status", "unknown_end", "stuck", *FILE}
WORK = {"slow", "tail", "dear"}  # it takes longer, much longer, or costs and counts twice
SUBMIT_FAULTS = {*BEFORE, *AFTER, *JOB, *WORK}
GET_FAULTS = {"lose", "reset", "hang", "429", "500", "502", "503", "garbage", "cut", "list_miss"}
QUEUES = {"submit": "next", "get": "next_get", "hook": "next_hook", "bulk": "next_bulk"}
FAULTS: dict[str, tuple[str, Collection[str], str]] = {  # the setting with their rates, which there are, their name
    "submit": ("rates", SUBMIT_FAULTS, "fault of a submit"),
    "get": ("get_rates", GET_FAULTS, "fault of a get"),
    "hook": ("hook_rates", hooks.FAULTS, "fault of a webhook"),
    "bulk": ("bulk_rates", lines.FAULTS, "fault of a bulk job"),
}


class BadControl(ValueError):
    pass


class Behaviour:
    """Settings last as long as the books; faults in the queue only as long as the process."""

    def __init__(self, kept: dict[str, dict[str, Any]], seed: int) -> None:
        self.kept, self._seed = kept, seed
        self._all: dict[str, dict[str, Any]] = {}
        self._next: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._count: dict[str, int] = defaultdict(int)

    def of(self, vendor: str) -> dict[str, Any]:
        if vendor not in self._all:
            self._all[vendor] = {**DEFAULTS, **BY_VENDOR.get(vendor, {}), **self.kept.get(vendor, {})}
        return self._all[vendor]

    def limits(self, vendor: str) -> list[Limit]:
        return limits_of(self.of(vendor))

    def price_micro(self, vendor: str, kind: str) -> int:
        price = self.of(vendor)["price_micro"]
        return int(price.get(kind, 0)) if isinstance(price, dict) else int(price)

    def change(self, vendor: str, order: dict[str, Any]) -> None:
        settings = {name: value for name, value in order.items() if name not in ORDERS}
        ordered = {what: order.get(name, []) for what, name in QUEUES.items()}
        _only_known(settings, DEFAULTS, "setting")
        for what, (rates, faults, named) in FAULTS.items():
            _only_known([*ordered[what], *settings.get(rates, {})], faults, named)
        for name, choices in CHOICES.items():
            _only_known([settings[name]] if name in settings else [], choices, name)
        if order.get("calm"):
            for what in QUEUES:
                self._next[vendor, what] = []
            settings = {**settings, **{rates: {} for rates, _, _ in FAULTS.values()}}
        if order.get("usual"):
            self.kept.pop(vendor, None)
            self._all.pop(vendor, None)
        limits_of({**self.of(vendor), **settings})  # refuses nonsense before anything is kept
        for what, faults in ordered.items():
            self._next[vendor, what] += faults
        self.kept[vendor] = {**self.kept.get(vendor, {}), **settings}
        self._all.pop(vendor, None)

    def chance(self, vendor: str) -> random.Random:
        """Luck of the vendor's next submit: the same for the same seed and order."""
        self._count[vendor] += 1
        return random.Random(f"{self._seed}:{vendor}:{self._count[vendor]}")

    def token_factor(self, vendor: str, prompt: str) -> float:
        """The same for the same prompt, whenever it comes."""
        low, high = self.of(vendor)["token_factor"]
        return low if low == high else random.Random(f"{self._seed}:{prompt}").uniform(low, high)

    def luck(self, name: str) -> random.Random:
        return random.Random(f"{self._seed}:{name}")

    def get_fault(self, vendor: str) -> str:
        if not self._next[vendor, "get"] and not self.of(vendor)["get_rates"]:
            return ""  # the usual case, at the price of nothing
        self._count[f"{vendor} gets"] += 1
        chance = self.luck(f"{vendor}:get:{self._count[f'{vendor} gets']}")
        return self.fault("get", vendor, chance)

    def fault(self, what: str, vendor: str, chance: random.Random) -> str:
        """The next one ordered, else by luck."""
        if self._next[vendor, what]:
            return self._next[vendor, what].pop(0)
        draw = chance.random()
        for fault, share in self.of(vendor)[FAULTS[what][0]].items():
            draw -= share
            if draw < 0:
                return str(fault)
        return ""


def known_faults() -> dict[str, list[str]]:
    """By the setting that takes their rates."""
    return {rates: sorted(faults) for rates, faults, _ in FAULTS.values()}


def limits_of(settings: dict[str, Any]) -> list[Limit]:
    found = []
    for row in settings["limits"]:
        units = [unit for unit in UNITS if unit in row]
        if len(units) != 1:
            raise BadControl(f"the limit {row} needs one of: there are {', '.join(UNITS)}")
        _only_known(row, {*UNITS, "per_s", "policy", "capacity", "slice_s"}, "part of a limit")
        said = {name: row.get(name, settings[name]) for name in ("policy", "capacity", "slice_s")}
        _only_known([said["policy"]], POLICIES, "policy")
        if not (row[units[0]] > 0 and row.get("per_s", 0) > 0 and said["slice_s"] > 0):
            raise BadControl(f"the limit {row} needs numbers above 0; there are none without an end")
        found.append(Limit(unit=units[0], most=int(row[units[0]]), per_s=float(row["per_s"]), **said))
    return found


def _only_known(names: Any, known: Any, what: str) -> None:
    for name in names:
        if name not in known:
            raise BadControl(f"{name!r} is no {what}; there are: {', '.join(sorted(map(str, known)))}")
