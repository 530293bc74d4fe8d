"""Haiper 2.0: a still picture to a clip. Submit and poll; nothing calls back, and no job can be found again (BLIND).

https://docs.haiper.ai/api-reference/ (read 2026-05 to 2026-10) and the vendor's own nodes,
https://github.com/Haiper-ai/ComfyUI-HaiperAI-API (2024-12-06), which say more of settings and states than the pages do.
Documents are all there is: the app closed in February 2025, and nobody was seen to use the interface since.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..answers import Said
from ..base import Adapter, HttpAnswer
from ..exceptions import CallError, RateLimited, Rejected
from ..offer_spec import OfferSpec
from ..pictures import data_uri, picture_of
from ..types import Accepted, Capability, Failed, Finished, Output, Request, Running

LENGTHS = (4, 6)  # what prices are given for; older pages say 2, 4 and 8
RESOLUTION = 720
LETTERS_OF_PICTURE = 8 * 2**20  # of a data URI; no limit is documented
QUOTA_PAUSE_S = 3600.0  # VB-100012: when the account's jobs are renewed is not documented
RUNNING = {"pending", "processing", "post_processing"}
MODERATED = "VB-100017"
REASONS = {
    "H-10002001": "does not know the job or the file",
    "H-10002002": "does not give that to this account",
    "H-10002003": "does not know the job or the file",
    "VB-100020": "does not sell this to users of its API",
}


class Haiper(Adapter):
    slug = "haiper"
    label = "Haiper"
    base_url = "https://api.haiper.ai"
    key_env = "HAIPER_API_KEY"
    capabilities = frozenset({Capability.CLIP})
    offers = (
        OfferSpec(
            capability=Capability.CLIP,
            name="gen2",
            label="Haiper 2.0",
            lengths=LENGTHS,
            takes_image=True,
            tier="draft",
        ),
    )
    usual_s: ClassVar = {Capability.CLIP: (60.0, 300.0)}
    least_poll_s = 10.0  # 40 jobs at once, 500 requests a minute; the vendor's own nodes ask every 20 s
    where_to_look = "https://haiper.ai"
    output_hosts = ("*",)  # any public host: where files lie is not documented
    off_because = (
        "Haiper closed its app in 2025, and nobody could say since whether its API still answers. "
        "Check whether the service still answers, and try it with one clip, before you turn it on."
    )

    @classmethod
    def most_units(cls, request: Request) -> dict[str, int]:
        return {"seconds": _seconds(request)}

    def submit(self, request: Request) -> Accepted:
        picture = picture_of(request)
        if picture is None:
            raise Rejected("Haiper makes clips from a picture, and there is none.")
        body: dict[str, Any] = {
            "prompt": request.prompt,
            "config": {"source_image": data_uri(picture, LETTERS_OF_PICTURE)},
            "settings": {"duration": _seconds(request), "resolution": RESOLUTION, "seed": request.seed % 2**31},
            "is_public": False,  # the vendor's default is to publish
            "is_enable_prompt_enhancer": False,
        }
        value = self._value(
            "POST",
            f"/v1/jobs/{request.offer}/image2video",
            json=_merged(body, request.own),
            paid=True,
            timeout_s=self.deadline_of(request.capability),
        )
        return Accepted(external_id=value.text("generation_id"))

    def poll(self, external_id: str) -> Running | Finished | Failed:
        value = self._value("GET", f"/v1/jobs/{external_id}/status")
        match value.text("status"):
            case "succeed":
                return self._finished(external_id)
            case "failed":
                code, said = _code(value), _text(value)
                return Failed(
                    reason=f"Haiper could not make it: {said[:300]}" if said else "Haiper could not make it.",
                    moderated=code == MODERATED,
                )
            case status:
                return Running(
                    progress=value.number("progress", default=0.0),
                    unknown_status="" if status in RUNNING else status,
                )

    def _finished(self, external_id: str) -> Finished:
        """The clip itself has to be asked for: what the creation names carries a watermark."""
        made = self._value("GET", f"/v1/creation/{external_id}")
        if not made.has("video_url") and not list(made.items("outputs", optional=True)):
            raise made.unusable("a video")
        clean = self._value("POST", f"/v1/creation/{external_id}/watermark-free-url")
        return Finished(outputs=(Output(url=clean.text("url"), media_type="video/mp4"),))

    def cancel(self, external_id: str) -> None:
        self.send("POST", f"/v1/jobs/{external_id}/cancel")

    def _value(self, method: str, path: str, **kwargs: Any) -> Said:
        answer = self.send(method, path, **kwargs)
        said = answer.said(self.label)
        if not said.has("value"):
            raise self.error_of(answer)
        return said.part("value")

    def error_of(self, response: HttpAnswer) -> CallError:
        said = response.said(self.label)
        code, detail, status = _code(said), response.detail, response.status_code
        match code:
            case "VB-100011":
                message = "Haiper has as many jobs of this account as it may have."
                return RateLimited(message, detail=detail, http_status=status)
            case "VB-100012":
                message = "Haiper says that the account's jobs are used up."
                return RateLimited(message, retry_after_s=QUOTA_PAUSE_S, detail=detail, http_status=status)
            case "VB-100017":
                message = "Haiper declined the prompt or the picture."
                return Rejected(message, moderated=True, detail=detail, http_status=status)
            case _ if code in REASONS:
                return Rejected(f"Haiper {REASONS[code]}.", detail=detail, http_status=status)
        return super().error_of(response)


def _seconds(request: Request) -> int:
    """An offer's own length comes first."""
    own = request.own.get("settings")
    if isinstance(own, dict) and type(own.get("duration")) is int:
        return int(own["duration"])
    return next((length for length in LENGTHS if length >= round(request.seconds, 2)), LENGTHS[-1])


def _merged(body: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`config` and `settings` keep what an offer's own parameters do not name."""
    whole = {**body, **own}
    for name in ("config", "settings"):
        if isinstance(own.get(name), dict):
            whole[name] = {**body[name], **own[name]}
    return whole


def _code(said: Said) -> str:
    """Below `error`, as the page says, or beside it, as the reconstruction has it."""
    return said.text("error", "code", default="") or said.text("code", default="")


def _text(said: Said) -> str:
    return said.text("error", "message", default="") or said.text("message", default="")
