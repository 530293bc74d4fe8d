from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from json import loads
from typing import TYPE_CHECKING, Any, ClassVar

from ...answers import Said
from ...base import Adapter, HttpAnswer, LineOutcome
from ...exceptions import CallError, Unknown
from ...types import Bulk, Capability, Failed, Finished, Recovery, Request
from . import bulk, errors, images, moderation, speech, text
from .offers import OFFERS

if TYPE_CHECKING:
    import openai


class OpenAI(Adapter):
    slug = "openai"
    label = "OpenAI"
    base_url = "https://api.openai.com/v1"
    key_env = "OPENAI_API_KEY"
    own_servers = True
    capabilities = frozenset({Capability.SCRIPT, Capability.IMAGE, Capability.VOICEOVER, Capability.MODERATION})
    offers = OFFERS
    recovery: ClassVar = {Capability.MODERATION: Recovery.FREE}
    deadline_s: ClassVar = {
        Capability.SCRIPT: 180.0,
        Capability.IMAGE: 420.0,  # about two minutes for a difficult prompt, and up to ten of them
        Capability.VOICEOVER: 180.0,  # 46 s were seen for 4,096 characters
        Capability.MODERATION: 30.0,
    }
    usual_s: ClassVar = {
        Capability.SCRIPT: (4.0, 40.0),
        Capability.IMAGE: (15.0, 120.0),
        Capability.VOICEOVER: (2.0, 30.0),
        Capability.MODERATION: (0.3, 2.0),
    }
    bulk_capabilities = frozenset({Capability.SCRIPT, Capability.IMAGE})  # moderation, too; but that is free anyway
    bulk_lines = bulk.MOST_LINES
    where_to_look = "https://platform.openai.com/usage"

    def headers(self) -> dict[str, str]:
        """Organisation and project only where the provider's options name them."""
        named = {"OpenAI-Organization": "organization", "OpenAI-Project": "project"}
        return super().headers() | {
            header: str(self.options[option]) for header, option in named.items() if self.options.get(option)
        }

    def submit(self, request: Request) -> Finished | Failed:
        sdk = self.client(timeout_s=self.deadline_of(request.capability), paid=True)
        match request.capability:
            case Capability.SCRIPT:
                return text.read(self.said(self._chat(sdk, request)), request)
            case Capability.IMAGE:
                return images.read(self.said(self._pictures(sdk, request)), request)
            case Capability.VOICEOVER:
                return speech.read(self.label, self._voice(sdk, request), request)
            case _:
                return moderation.read(self.said(self._judgement(sdk, request)), request)

    def _chat(self, sdk: openai.OpenAI, request: Request) -> bytes:
        body = text.body(request)
        model, messages = body.pop("model"), body.pop("messages")
        made = sdk.chat.completions.with_raw_response.create(model=model, messages=messages, extra_body=body)
        return made.content

    def _voice(self, sdk: openai.OpenAI, request: Request) -> bytes:
        body = speech.body(request)
        model, words, voice = body.pop("model"), body.pop("input"), body.pop("voice")
        made = sdk.audio.speech.with_raw_response.create(model=model, input=words, voice=voice, extra_body=body)
        return made.content

    def _judgement(self, sdk: openai.OpenAI, request: Request) -> bytes:
        body = moderation.body(request)
        return sdk.moderations.with_raw_response.create(input=body.pop("input"), extra_body=body).content

    def _pictures(self, sdk: openai.OpenAI, request: Request) -> bytes:
        body, like = images.body(request), images.references(request)
        model, prompt, made = body.pop("model"), body.pop("prompt"), sdk.images.with_raw_response
        if not like:
            return made.generate(model=model, prompt=prompt, extra_body=body).content
        files: Any = like if len(like) > 1 else like[0]  # `image` for one, `image[]` for several
        return made.edit(model=model, prompt=prompt, image=files, extra_body=body).content

    def client(self, *, timeout_s: float = 60.0, paid: bool = False) -> openai.OpenAI:
        """The SDK, sending through `send`."""
        from .client import client_for  # openai takes 57 MB and most of a second

        return client_for(self, timeout_s=timeout_s, paid=paid)

    def said(self, content: bytes) -> Said:
        try:
            return Said(self.label, loads(content))
        except (ValueError, RecursionError) as error:
            detail = content[:2000].decode("utf-8", "replace")
            raise Unknown(f"{self.label} answered something unreadable.", detail=detail) from error

    def account(self) -> str:
        known = sum(1 for _ in self.read("GET", "/models").items("data"))
        return f"The key works; {known} models can be used with it."

    def error_of(self, response: HttpAnswer) -> CallError:
        return errors.named(self.label, response) or super().error_of(response)

    # -- bulk ------------------------------------------------------------------------------------

    @classmethod
    def bulk_takes(cls, request: Request) -> bool:
        return super().bulk_takes(request) and not bulk.has_references(request)

    def bulk_write(self, requests: Sequence[Request]) -> bytes:
        return bulk.written(requests)

    def bulk_upload(self, content: bytes, tag: str) -> str:
        return bulk.upload(self, content, tag)

    def bulk_create(self, file_id: str, capability: Capability, tag: str) -> Bulk:
        return bulk.create(self, file_id, capability, tag)

    def bulk_poll(self, external_id: str) -> Bulk:
        return bulk.look(self, external_id)

    def bulk_find(self, tag: str, since: datetime) -> Bulk | None:
        return bulk.find(self, tag, since)

    def bulk_cancel(self, external_id: str) -> Bulk:
        return bulk.cancel(self, external_id)

    def bulk_read(self, found: Bulk, requests: Mapping[str, Request]) -> Iterator[tuple[str, LineOutcome]]:
        return bulk.read(self, found, requests)

    # -- counting --------------------------------------------------------------------------------

    @classmethod
    def output_tokens_of(cls, request: Request) -> int:
        match request.capability:
            case Capability.SCRIPT:
                return text.most_output_tokens(request)
            case Capability.IMAGE:
                return images.most_output_tokens(request)
            case Capability.VOICEOVER:
                return speech.most_output_tokens(request)
        return 0

    @classmethod
    def input_tokens_of(cls, request: Request) -> int:
        """The most that the text of a request can be, by its bytes: of letters beyond ASCII each is more than one."""
        words = text.words_of(request) if request.capability is Capability.SCRIPT else request.prompt
        return -(-int(len(words.encode()) * (1 + cls.token_slack)) // 4)

    @classmethod
    def most_tokens(cls, request: Request) -> int:
        return cls.input_tokens_of(request) + cls.output_tokens_of(request)

    @classmethod
    def most_units(cls, request: Request) -> dict[str, int]:
        units = super().most_units(request)
        if request.capability is not Capability.MODERATION:
            units |= {"input_tokens": cls.input_tokens_of(request), "output_tokens": cls.output_tokens_of(request)}
        if request.capability is Capability.IMAGE:
            units["image_tokens"] = images.most_image_tokens(request)
        return units

    @classmethod
    def counted_tokens(cls, request: Request, units: Mapping[str, int], reserved: int) -> int:
        """Cached tokens count against the window, too."""
        if "input_tokens" not in units:
            return reserved
        return units["input_tokens"] + units.get("cached_tokens", 0) + cls.output_tokens_of(request)
