"""The SDK's client on our own connections, which announce the first byte, bound the answer, and know what never left.

Imported only when something is sent: it is what makes `openai` heavy.
"""

from __future__ import annotations

import logging

import httpx2
import openai

from ...base import Adapter

logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would note every call, under an address that is none
NOWHERE = "https://vendor.invalid"  # the SDK knows neither key nor address


def client_for(adapter: Adapter, *, timeout_s: float, paid: bool) -> openai.OpenAI:
    """Made anew for each call, in a tenth of a millisecond; what is kept are the connections of the session."""
    wire = _Wire(adapter, timeout_s=timeout_s, paid=paid)
    return openai.OpenAI(
        api_key="none",
        base_url=NOWHERE,
        max_retries=0,
        http_client=httpx2.Client(transport=wire, trust_env=False),
    )


class _Wire(httpx2.BaseTransport):
    """Sends what the SDK wrote by `Adapter.send`, which raises for every status from 300 on.

    Of the SDK's headers only the form of the body goes along: whatever it takes from the environment (OPENAI_ORG_ID,
    OPENAI_PROJECT_ID, OPENAI_CUSTOM_HEADERS …) stays behind.
    """

    def __init__(self, adapter: Adapter, *, timeout_s: float, paid: bool) -> None:
        self._adapter, self._timeout_s, self._paid = adapter, timeout_s, paid

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        body = request.read()
        answer = self._adapter.send(
            request.method,
            request.url.raw_path.decode("ascii"),
            data=body or None,
            headers={"Content-Type": request.headers["content-type"]} if body else {},
            timeout_s=self._timeout_s,
            paid=self._paid,
        )
        headers = {"Content-Type": answer.headers.get("Content-Type", "application/json")}
        return httpx2.Response(answer.status_code, headers=headers, content=answer.content, request=request)
