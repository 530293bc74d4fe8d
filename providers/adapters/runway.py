"""Runway: a still picture to a clip. Submit and poll; nothing calls back.

https://docs.dev.runwayml.com/api (version 2024-11-06, read 2026-09), https://docs.dev.runwayml.com/errors/task-failures/
There is no idempotency key, no listing and no reference of ours: a lost answer stays lost (BLIND).
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..answers import Said
from ..base import Adapter, HttpAnswer
from ..exceptions import CallError, OutOfCredit, RateLimited, Rejected
from ..offer_spec import OfferSpec
from ..pictures import data_uri, nearest, picture_of
from ..types import Accepted, Capability, Failed, Finished, Output, Request, Running

RATIOS = ((1280, 720), (720, 1280), (1104, 832), (832, 1104), (960, 960), (1584, 672))
LENGTHS = tuple(range(2, 11))
CREDITS_A_SECOND = {"gen4_turbo": 5, "gen4.5": 12}
LETTERS_OF_PICTURE = 5_242_880  # of a data URI
DAY_PAUSE_S = 900.0  # a day's generations are used up: the window is a rolling one of 24 hours


class Runway(Adapter):
    slug = "runway"
    label = "Runway"
    base_url = "https://api.dev.runwayml.com"
    key_env = "RUNWAYML_API_SECRET"
    capabilities = frozenset({Capability.CLIP})
    offers = (
        OfferSpec(
            capability=Capability.CLIP,
            name="gen4_turbo",
            label="Gen-4 Turbo",
            lengths=LENGTHS,
            max_prompt=1000,
            takes_image=True,
            sizes=RATIOS,
            tier="standard",
        ),
        OfferSpec(
            capability=Capability.CLIP,
            name="gen4.5",
            label="Gen-4.5",
            lengths=LENGTHS,
            max_prompt=1000,
            takes_image=True,
            sizes=RATIOS,
            tier="hero",
        ),
    )
    queues_ahead = 1  # a job too many is THROTTLED, not refused
    usual_s: ClassVar = {Capability.CLIP: (20.0, 120.0)}
    least_poll_s = 5.0
    cancel_deletes = True
    where_to_look = "https://dev.runwayml.com/ → Usage"
    output_hosts = (".cloudfront.net", ".runwayml.com")

    RUNNING = frozenset({"PENDING", "THROTTLED", "RUNNING"})

    def headers(self) -> dict[str, str]:
        return {**super().headers(), "X-Runway-Version": "2024-11-06"}

    @classmethod
    def most_units(cls, request: Request) -> dict[str, int]:
        seconds = _seconds(request)
        return {"seconds": seconds, "credits": seconds * CREDITS_A_SECOND.get(request.offer, 12)}

    def submit(self, request: Request) -> Accepted:
        picture = picture_of(request)
        if picture is None:
            raise Rejected("Runway makes clips from a picture, and there is none.")
        width, height = nearest(RATIOS, request.width, request.height)
        body: dict[str, Any] = {
            "model": request.offer,
            "promptImage": data_uri(picture, LETTERS_OF_PICTURE),
            "promptText": request.prompt[:1000],
            "ratio": f"{width}:{height}",
            "duration": _seconds(request),
            "seed": request.seed % 2**32,
            **request.own,
        }
        limit_s = self.deadline_of(request.capability)
        task = self.read("POST", "/v1/image_to_video", json=body, paid=True, timeout_s=limit_s)
        return Accepted(external_id=task.text("id"))

    def account(self) -> str:
        credits = self.read("GET", "/v1/organization").whole("creditBalance")
        return f"The key works; {credits:,} credits are left."

    def poll(self, external_id: str) -> Running | Finished | Failed:
        task = self.read("GET", f"/v1/tasks/{external_id}")
        match task.text("status"):
            case "SUCCEEDED":
                outputs = tuple(Output(url=link.text(), media_type="video/mp4") for link in task.items("output"))
                return Finished(outputs=outputs, units=_credits(task))
            case "FAILED" | "CANCELLED" as status:
                code = task.text("failureCode", default="")
                units = _credits(task)
                return Failed(
                    reason=_reason(code) or task.text("failure", default=status.lower()),
                    moderated=code.startswith("SAFETY.") or code == "INPUT_PREPROCESSING.SAFETY.TEXT",
                    billed=units.get("credits", 0) > 0,
                    units=units,
                )
            case status:
                return Running(
                    progress=task.number("progress", default=0.0),
                    unknown_status="" if status in self.RUNNING else status,
                )

    def cancel(self, external_id: str) -> None:
        """Deletes one that is over, with its output. Either way it cannot be asked about again, and the pages do not
        say whether one that was ended is billed: it is booked at the most that was reserved for it."""
        self.send("DELETE", f"/v1/tasks/{external_id}")

    def error_of(self, response: HttpAnswer) -> CallError:
        said = response.said(self.label).text("error", default="").lower()
        if response.status_code == 429 and "daily" in said:
            message = "Runway's generations of a day are used up."
            return RateLimited(message, retry_after_s=DAY_PAUSE_S, detail=response.detail)
        if response.status_code == 400 and "credits" in said:
            return OutOfCredit("Runway says the account is out of credits.", detail=response.detail, http_status=400)
        return super().error_of(response)


def _seconds(request: Request) -> int:
    return min(LENGTHS[-1], max(LENGTHS[0], -(-round(request.seconds * 100) // 100)))


def _credits(task: Said) -> dict[str, int]:
    return {"credits": task.whole("cost", "credits")} if task.has("cost", "credits") else {}


def _reason(code: str) -> str:
    """For people; the vendor's own text is not meant for them."""
    for start, words in REASONS.items():
        if code.startswith(start):
            return f"{words} ({code})"
    return ""


REASONS = {
    "SAFETY.INPUT": "Runway declined the prompt or the picture.",
    "SAFETY.OUTPUT": "Runway made it and declined to give it.",
    "INPUT_PREPROCESSING.SAFETY": "Runway declined the prompt.",
    "INPUT_PREPROCESSING": "Runway could not read what was sent.",
    "INTERNAL.BAD_OUTPUT": "Runway made nothing usable; text or a logo in the picture is the usual cause.",
    "ASSET.INVALID": "Runway cannot use the picture: its size or format.",
    "THIRD_PARTY": "A model that Runway only passes on is not available.",
    "INTERNAL": "Runway failed inside.",
}
