"""Midjourney through a gateway that speaks the dialect of midjourney-proxy: one job is a grid of four pictures.

https://github.com/novicezk/midjourney-proxy (docs/api.md and controllers, 2025-08) and
https://github.com/trueai-org/midjourney-proxy (docs/en/api.md, 2026-08), read 2026-11. Nearly everything is answered
with HTTP 200, and `code` says how it went. `state` is our tag: it comes back in the task, and the gateway lists it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from ..answers import Said
from ..base import Adapter
from ..exceptions import RateLimited, Rejected, Unknown
from ..offer_spec import OfferSpec
from ..pictures import ratio
from ..repeats import repeats
from ..types import Accepted, Capability, Failed, Finished, Output, Recovery, Request, Running

NOBODY = "https://midjourney-gateway.invalid"  # there is no address that all could use: an admin names one
PICTURES = 4  # of a grid
LATEST = 100  # tasks that one kind of gateway lists at most; the other lists all
LISTED_MS = 2 * 3600 * 1000.0  # what the list has to reach back for, to show that a job is not there
QUEUE_FULL_PAUSE_S = 45.0
NO_ACCOUNT_PAUSE_S = 300.0
PARAMETER = re.compile(r"(?<!\S)--([a-z]+)", re.IGNORECASE)
VERSION = re.compile(r"(v|niji) ?(\d+(?:\.\d+)?)")
TITLE = re.compile(r"\[([^\]]+)\]")


class Midjourney(Adapter):
    slug = "midjourney"
    label = "Midjourney"
    base_url = NOBODY
    key_env = "MIDJOURNEY_GATEWAY_SECRET"
    needs_key = False  # a gateway of one's own may ask for none
    off_because = (
        "Midjourney has no official interface. Its guidelines forbid automation and third-party programs, and accounts "
        "that were driven through gateways have been blocked without a refund. Turn it on only with a gateway that you "
        "may use, at your own risk. vidbatch wants the gateway's address and secret, and never a Discord token."
    )
    capabilities = frozenset({Capability.IMAGE})
    offers = (
        OfferSpec(capability=Capability.IMAGE, name="v7", label="Midjourney version 7", takes=PICTURES, tier="hero"),
    )
    recovery: ClassVar = {Capability.IMAGE: Recovery.LISTABLE}
    calls_back = True  # unsigned: the address of each job proves itself
    can_list = 50
    queues_ahead = 1
    usual_s: ClassVar = {Capability.IMAGE: (30.0, 100.0)}
    least_poll_s = 3.0
    max_age_s = 3600.0  # a gateway gives up after five minutes, and one that was started anew knows nothing
    where_to_look = "https://www.midjourney.com/archive, signed in as the account behind the gateway"
    output_hosts: ClassVar[tuple[str, ...]] = ("cdn.discordapp.com", "media.discordapp.net")

    RUNNING = frozenset({"NOT_START", "SUBMITTED", "IN_PROGRESS"})

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        hosts = str(self.options.get("output_hosts", "")).split()  # of a gateway that keeps the pictures elsewhere
        self.output_hosts = (*self.output_hosts, *hosts)  # type: ignore[misc]

    def headers(self) -> dict[str, str]:
        """The secret goes into the header that the provider's options name."""
        name = str(self.options.get("header", "mj-api-secret"))
        value = f"Bearer {self.key}" if name.lower() == "authorization" else self.key
        return {name: value} if self.key else {}

    def address(self, path: str) -> str:
        if self.url == NOBODY:
            raise Rejected("No gateway to Midjourney is named: write its address into VIDBATCH_URL_MIDJOURNEY.")
        return super().address(path)

    @classmethod
    def most_units(cls, request: Request) -> dict[str, int]:
        return {"calls": 1, "images": PICTURES}

    def submit(self, request: Request) -> Accepted:
        own = request.own
        flags = {name: own.pop(name) for name in list(own) if name.startswith("--")}
        body: dict[str, Any] = {"prompt": prompt_of(request, flags), "state": request.tag}
        if request.callback_url:
            body["notifyHook"] = request.callback_url
        seconds = self.deadline_of(request.capability)
        said = self.read("POST", "/mj/submit/imagine", json=body | own, paid=True, timeout_s=seconds)
        detail = json.dumps(said.value, ensure_ascii=False)
        match said.whole("code"):
            case 1 | 21 | 22:  # taken; known already; taken and waiting
                return Accepted(external_id=said.text("result"))
            case 23:
                raise RateLimited("The gateway's queue is full.", retry_after_s=QUEUE_FULL_PAUSE_S, detail=detail)
            case 3:
                message = "The gateway has no account of Midjourney that can work just now."
                raise RateLimited(message, retry_after_s=NO_ACCOUNT_PAUSE_S, detail=detail)
            case 24:
                raise Rejected(_banned(said), moderated=True, detail=detail)
            case 4:
                raise Rejected("The gateway refused the request.", detail=detail)
            case code:
                raise Unknown(f"The gateway failed inside (code {code}).", detail=detail)

    def poll(self, external_id: str) -> Running | Finished | Failed:
        answer = self.send("GET", f"/mj/task/{external_id}/fetch")
        if answer.content.strip() in (b"", b"null"):
            raise Unknown(
                "The gateway does not know the job: it forgets all when it is started anew, or after 30 days."
            )
        return _told(answer.said(self.label))

    def poll_many(self, external_ids: Sequence[str]) -> Mapping[str, Running | Finished | Failed]:
        told: dict[str, Running | Finished | Failed] = {}
        for task in self.read("POST", "/mj/task/list-by-condition", json={"ids": list(external_ids)}).items():
            with suppress(Unknown):  # asked by itself, it says what is wrong with it
                told[task.text("id")] = _told(task)
        return told

    def find(self, tag: str) -> str | None:
        """Raises Unknown where the list may have been cut off before it."""
        tasks = list(self.read("GET", "/mj/task/list").items())
        for task in tasks:
            if task.has("state") and task.value["state"] == tag:
                return task.text("id")
        times = [task.number("submitTime", default=0.0) for task in tasks]
        if len(tasks) == LATEST and max(times) - min(times) < LISTED_MS:
            raise Unknown(f"The gateway lists its latest {LATEST} jobs only, and ours is not among them.")
        return None


# -- prompts -----------------------------------------------------------------------------------------


def prompt_of(request: Request, flags: Mapping[str, Any]) -> str:
    """With Midjourney's parameters at its end, as they must be; those that it has itself stay as they are.

    `--repeat` is never sent: a gateway matches one job with one grid, and loses the others, which are paid for.
    """
    text = " ".join([request.prompt, *(f"{name} {value}".strip() for name, value in flags.items())])
    text = " ".join(repeats(text)[0].split())
    if "{" in text or "}" in text:
        raise Rejected("Midjourney makes a job of every choice in {…}: write one prompt for each instead.")
    given = {name.lower() for name in PARAMETER.findall(text)}
    if request.width and request.height and not given & {"ar", "aspect"}:
        text += f" --ar {ratio((request.width, request.height))}"
    if "seed" not in given:
        text += f" --seed {request.seed % 2**32}"
    version = VERSION.fullmatch(request.offer)
    if version and not given & {"v", "version", "niji"}:
        text += f" --{version[1]} {version[2]}"
    return text


# -- tasks -------------------------------------------------------------------------------------------


def _told(task: Said) -> Running | Finished | Failed:
    match task.text("status"):
        case "SUCCESS":
            return Finished(outputs=_outputs(task), units={"calls": 1, "images": PICTURES})
        case "FAILURE":
            return _failure(task.text("failReason", default=""))
        case "CANCEL":
            return Failed(reason="It was cancelled at the gateway.")
        case "MODAL":
            return Failed(reason="Midjourney asks something back, in a dialog that cannot be answered from here.")
        case status:
            percent = re.match(r"(\d{1,3})%", task.text("progress", default=""))
            progress = int(percent[1]) / 100 if percent else None
            return Running(progress=progress, unknown_status="" if status in Midjourney.RUNNING else status)


def _outputs(task: Said) -> tuple[Output, ...]:
    """Single pictures where the gateway gives them, else the grid."""
    links = [link.text("url") if link.has("url") else link.text() for link in task.items("imageUrls", optional=True)]
    if len(links) == PICTURES:
        return tuple(Output(url=link, media_type="image/png") for link in links)
    return (Output(url=task.text("imageUrl"), media_type="image/png", quarters=True),)


def _failure(said: str) -> Failed:
    """`said` is "[title] text", or the gateway's own words, in Chinese mostly."""
    title = TITLE.match(said)
    words = (title[1] if title else said).lower()
    if any(word in words for word in DECLINED):
        return Failed(reason="Midjourney declined the prompt or the pictures.", moderated=True)
    for word, reason in REASONS.items():
        if word in words:
            return Failed(reason=reason, out_of_credit=word == NO_CREDIT)
    return Failed(reason=f"Midjourney failed: {said[:200]}" if said else "Midjourney failed and did not say why.")


def _banned(said: Said) -> str:
    with suppress(Unknown):
        return f"The gateway does not pass on prompts with “{said.text('properties', 'bannedWord')[:40]}”."
    return "The gateway does not pass on a word of the prompt."


NO_CREDIT = "credits exhausted"
DECLINED = ("banned prompt", "image denied", "output filters")
REASONS = {
    "invalid prompt": "Midjourney cannot read the prompt.",
    "invalid parameter": "Midjourney does not know a parameter in the prompt.",
    "invalid link": "Midjourney cannot read a link in the prompt.",
    "queue full": "Midjourney's queue is full.",
    NO_CREDIT: "Midjourney's fast hours are used up: buy more, or name a gateway that works in relax mode.",
    "action needed": "Midjourney wants a person to confirm something in its own app, with the account of the gateway.",
    "超时": "The gateway gave up waiting for Midjourney.",
    "timeout": "The gateway gave up waiting for Midjourney.",
}
