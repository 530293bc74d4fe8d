"""OpenAI's interface: all answers come at once, but for batches. With an account that is `open` any server of its kind:
no key needed, and models of other makers.

What stands in `account`: `answer` ("refusal", "content_filter", "length", "no_json", "flagged"), `empty_error_file`,
`open`, `budget` ("spent": no money is left).
"""

from __future__ import annotations

import random
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, Any

from ... import media, telling
from ...books import Row
from ...limits import Refusal
from ...manner import request_of
from ...meters import Told
from ...replies import Asked, Reply
from ..base import BadBody, Protocol
from . import batches, models, orders, words

if TYPE_CHECKING:
    from ...vendor import Vendors

KINDS = {
    ("chat", "completions"): "text",
    ("images", "generations"): "image",
    ("images", "edits"): "image",
    ("audio", "speech"): "speech",
    ("moderations",): "moderation",
}
PREFIX = {"text": "chatcmpl-", "moderation": "modr-", "image": "img-", "speech": "snd-"}
EDITED = ("n", "output_compression", "partial_images")  # numbers, which a form has as text


class OpenAI(Protocol):
    slug = "openai"
    settings = {
        "limits": [
            {"requests": 500, "per_s": 60, "policy": "bucket"},
            {"tokens": 200_000, "per_s": 60, "policy": "bucket"},
            {"images": 5, "per_s": 60},
        ],
        "tell_headers": True,
        "retry_after": "seconds",
        "latency_s": [3, 40],
        "answers": "base64",
        "price_micro": {"text": 2, "image": 2, "moderation": 2},  # a line of a batch has one; see batches.py
        "account": {},
    }

    def answer(self, vendors: Vendors, asked: Asked) -> Reply:
        try:
            reply = self._answer(vendors, asked)
        except BadBody as trouble:
            vendors.books.saw(vendors.entry(asked), verdict="bad request")
            wrong = trouble if isinstance(trouble, orders.Wrong) else orders.Wrong(str(trouble))
            reply = words.error(wrong.status, str(wrong), code=wrong.code, param=wrong.param)
        reply.headers.setdefault("x-request-id", f"req_{vendors.books.next_number():x}")
        reply.headers.setdefault("openai-version", "2020-10-01")
        return reply

    def _answer(self, vendors: Vendors, asked: Asked) -> Reply:
        account = vendors.behaviour.of(self.slug)["account"]
        key = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if (not key and not account.get("open")) or "bad" in key:
            return self.refuse(vendors, asked, 401, "401")
        if asked.path[:1] != ("v1",):
            raise orders.Wrong("Invalid URL", status=404)
        path = asked.path[1:]
        if asked.method == "POST" and path in KINDS:
            if account.get("budget") == "spent":
                return self.refuse(vendors, asked, 402, "402")
            return self.take(vendors, asked, KINDS[path], self._order(vendors, asked, path), waits=True)
        if path[:1] == ("models",) and asked.method == "GET":
            return self._models(vendors, asked, *path[1:])
        if path[:1] in (("files",), ("batches",)):
            return self._of_batches(vendors, asked, path)
        raise orders.Wrong(f"Invalid URL ({asked.method} /{'/'.join(asked.path)})", status=404)

    def _order(self, vendors: Vendors, asked: Asked, path: tuple[str, ...]) -> dict[str, Any]:
        account = vendors.behaviour.of(self.slug)["account"]
        match path:
            case ("chat", "completions"):
                order = orders.chat(self.said(asked), is_open=bool(account.get("open")))
                order = {name: value for name, value in order.items() if value is not None} | {
                    "schema": order["schema"]
                }
            case ("images", "edits"):
                fields, pictures = self._edit(asked)
                order = orders.image(fields, pictures=pictures, known=orders.EDITS)
            case ("images", _):
                order = orders.image(self.said(asked))
            case ("audio", _):
                order = orders.voice(self.said(asked))
            case _:
                order = orders.moderation(self.said(asked))
        return order | {"answer": account.get("answer", "")}

    def _edit(self, asked: Asked) -> tuple[dict[str, Any], int]:
        """The fields of the form, and how many pictures came with it: `image`, or `image[]` several times."""
        if "multipart/form-data" not in asked.media_type:
            raise BadBody("not a multipart form")
        head = b"Content-Type: " + asked.media_type.encode() + b"\r\n\r\n"
        fields, pictures = dict[str, Any](), list[bytes]()
        for part in BytesParser(policy=HTTP).parsebytes(head + asked.raw).iter_parts():
            name, content = str(part.get_param("name", header="content-disposition")), part.get_payload(decode=True)
            assert isinstance(content, bytes)
            if name in ("image", "image[]"):
                pictures.append(content)
            else:
                fields[name] = int(content) if name in EDITED else content.decode()
        good = 1 <= len(pictures) <= 16 and all(_is_picture(content) for content in pictures)
        orders.need(good, "Invalid image file: PNG, WebP or JPEG, at most 16 of them.", param="image")
        return fields, len(pictures)

    def _models(self, vendors: Vendors, asked: Asked, name: str = "") -> Reply:
        jobs = self.see(vendors, asked)
        if isinstance(jobs, Reply):
            return jobs
        told = [
            {"id": one, "object": "model", "created": 1_790_000_000, "owned_by": "openai"}
            | {"shutdown_date": models.ENDS.get(one)}
            for one in models.ALL
        ]
        if not name:
            return Reply(body={"object": "list", "data": told})
        orders.known_model(name, models.ALL)
        return Reply(body=next(one for one in told if one["id"] == name))

    def _of_batches(self, vendors: Vendors, asked: Asked, path: tuple[str, ...]) -> Reply:
        trouble, fault = batches.trouble_on_the_way(self, vendors, asked)
        if trouble:
            return trouble
        match asked.method, path:
            case "POST", ("files",):
                return batches.upload(self, vendors, asked)
            case "GET", ("files", name):
                return Reply(body=batches.told_file(vendors, batches.of_id(vendors, asked, name)))
            case "GET", ("files", name, "content"):
                return batches.content(self, vendors, asked, name)
            case "POST", ("batches",):
                return batches.create(self, vendors, asked)
            case "GET", ("batches",):
                return batches.listing(self, vendors, asked, fault)
            case "GET", ("batches", name):
                return batches.look(self, vendors, asked, name)
            case "POST", ("batches", name, "cancel"):
                return batches.cancel(self, vendors, asked, name)
        raise orders.Wrong(f"Invalid URL ({asked.method} /{'/'.join(asked.path)})", status=404)

    # -- money -----------------------------------------------------------------------------------

    def bill_micro(self, vendors: Vendors, vendor: str, kind: str, body: dict[str, Any], units: dict[str, int]) -> int:
        model = body["model"]
        match kind:
            case "text":
                read, _, written = models.TEXT.get(model, (0, 0, 0))
                return -(-(read * units["input_tokens"] + written * units["output_tokens"]) // 1000)
            case "image":
                text, picture, made = models.IMAGE[model]
                tokens = made * body["each_tokens"] * body["count"]
                return -(-(text * body["text_tokens"] + picture * body["image_tokens"] + tokens) // 1000)
            case "speech" if model in models.LETTERS:
                return models.LETTERS[model] * len(body["prompt"])
            case "speech":
                read, written = models.SPEECH[model]
                return -(-(read * body["read"] + written * body["written"]) // 1000)
        return 0

    # -- words -----------------------------------------------------------------------------------

    def job_id(self, kind: str, number: int, chance: random.Random) -> str:
        return f"{PREFIX[kind]}{chance.getrandbits(96):024x}"

    def finished(self, vendors: Vendors, asked: Asked, job: Row) -> Reply:
        order = request_of(job)
        created = round(vendors.clock.real(job["accepted_at"]))
        match job["kind"]:
            case "text":
                return Reply(made=[(job, 0)], shape=lambda made: words.chat(job, made[0], created))
            case "image":
                numbers = [(job, number) for number in range(order["count"])]
                return Reply(made=numbers, shape=lambda made: words.images(job, made, created))
            case "speech" if order["stream"] == "sse":
                return Reply(
                    made=[(job, 0)], shape=lambda made: words.events(job, made[0]), media_type="text/event-stream"
                )
            case "speech":
                return Reply(content=job, media_type=media.type_of(job)[0])
        return Reply(body=words.moderation(job))

    def refused(self, vendors: Vendors, asked: Asked, refusal: Refusal) -> Reply:
        reply = telling.refused(vendors, refusal, vendors.behaviour.of(self.slug)["retry_after"])
        said = reply.body["error"]["message"] if vendors.behaviour.of(self.slug)["retry_after"] == "body" else ""
        told = words.error(429, said or "Rate limit reached.", code="rate_limit_exceeded")
        told.headers = reply.headers
        return told

    def declined(self, asked: Asked, why: str) -> Reply:
        if why != "content_policy":
            return self.failed(asked, 500, why)
        if asked.path[1:2] == ("images",):
            return words.error(400, "Your request was rejected by the safety system.", code="moderation_blocked")
        message = "Invalid prompt: your prompt was flagged as potentially violating our usage policy."
        return words.error(400, message, code="invalid_prompt")

    def failed(self, asked: Asked, status: int, why: str) -> Reply:
        match status:
            case 401:
                return words.error(401, "Incorrect API key provided.", code="invalid_api_key")
            case 402 if asked.path[1:2] == ("images",):
                return words.error(400, "Billing hard limit has been reached", code="billing_hard_limit_reached")
            case 402:
                message = "You exceeded your current quota, please check your plan and billing details."
                return words.error(429, message, code="credit_balance_exhausted", kind="insufficient_quota")
            case 429:
                reply = words.error(429, "Rate limit reached.", code="rate_limit_exceeded")
                reply.headers["Retry-After"] = "1"
                return reply
            case 503:
                return words.error(503, "The server is currently overloaded.", code="server_is_overloaded")
        return words.error(status, f"Something is wrong: {why}.")

    def limit_headers(self, vendors: Vendors, asked: Asked, told: dict[str, Told]) -> dict[str, str]:
        """Nothing is said of images: no document speaks of such headers."""
        spoken = {unit: limit for unit, limit in told.items() if unit in ("requests", "tokens")}
        return super().limit_headers(vendors, asked, spoken)


def _is_picture(content: bytes) -> bool:
    return content.startswith((b"\x89PNG", b"\xff\xd8\xff")) or content[8:12] == b"WEBP"
