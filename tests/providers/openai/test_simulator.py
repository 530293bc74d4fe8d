"""The simulator speaks as OpenAI documents it, and the vendor's own client understands it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel

from providers.adapters.openai import bulk, images, text
from tests.providers import schemas

from .conftest import handed_in, over, several


@pytest.fixture
def client(vendors):
    import openai

    vendors.control("openai", media="tiny", latency_s=[1, 1])
    url = f"{vendors.url}/openai/v1"
    with openai.OpenAI(api_key="a-key", base_url=url, max_retries=0) as client:
        yield client


class Trip(BaseModel):
    title: str
    stops: list[str]
    days: int


def test_its_own_client_reads_scripts_by_a_schema_of_its_own(client):
    told = client.chat.completions.parse(
        model="gpt-6-luna", messages=[{"role": "user", "content": "A trip to the sea"}], response_format=Trip
    )
    assert isinstance(told.choices[0].message.parsed, Trip)
    assert told.usage.completion_tokens == 400


def test_its_own_client_raises_when_an_answer_was_cut(client):
    import openai

    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="gpt-6-luna",
            messages=[{"role": "user", "content": "A trip"}],
            response_format=Trip,
            max_completion_tokens=10,
        )


def test_its_own_client_reads_pictures_voices_and_judgements(client):
    pictures = client.images.generate(model="gpt-image-2", prompt="a lake", n=2, size="1280x720")
    assert len(pictures.data) == 2
    assert base64.b64decode(pictures.data[0].b64_json).startswith(b"\x89PNG")
    edited = client.images.edit(
        model="gpt-image-2", prompt="at night", image=("a.png", base64.b64decode(pictures.data[0].b64_json))
    )
    assert edited.usage.input_tokens_details.image_tokens == 1000
    assert client.audio.speech.create(model="tts-1", voice="alloy", input="Hello.").content.startswith(b"ID3")
    judged = client.moderations.create(input=["a lake", "forbidden"])
    assert [result.flagged for result in judged.results] == [False, True]
    assert judged.results[0].category_scores.self_harm_intent == 0.0003


def test_its_own_client_takes_a_batch_through(client, vendors, script):
    vendors.control("openai", bulk_validate_s=[0, 0], bulk_latency_s=[1, 1], bulk_finalize_s=0)
    given = client.files.create(file=("in.jsonl", bulk.written([script])), purpose="batch")
    made = client.batches.create(
        input_file_id=given.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"vidbatch": "x"}
    )
    until = datetime.now(UTC) + timedelta(seconds=10)
    while made.status != "completed" and datetime.now(UTC) < until:
        made = client.batches.retrieve(made.id)
    assert made.request_counts.completed == 1
    (line,) = client.files.content(made.output_file_id).text.splitlines()
    assert json.loads(line)["custom_id"] == "t1"
    assert [one.id for one in client.batches.list()] == [made.id]


def test_its_own_client_raises_its_own_errors(client, vendors):
    import openai

    hello = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "x"}]}
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="bad").chat.completions.create(**hello)
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(**{**hello, "model": "gpt-4"})
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**hello, temperature=0.2)
    assert refused.value.code == "unsupported_value"
    with pytest.raises(openai.BadRequestError):
        client.images.generate(model="gpt-image-2", prompt="x", response_format="b64_json")
    with pytest.raises(openai.BadRequestError):
        client.images.generate(model="gpt-image-2", prompt="x", size="1920x1080")
    vendors.control("openai", next=["429", "500_before"])
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**hello)
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**hello)
    assert client.models.retrieve("tts-1").model_dump()["shutdown_date"] == "2027-01-06"


def test_its_answers_are_as_the_vendor_documents_them(vendor, quick, script, image, moderation):
    def trouble(method, path, body):
        return schemas.answer_trouble("openai", method, path, 200, body)

    chat = vendor.call("POST", "/chat/completions", json=text.body(script))
    assert trouble("POST", "/chat/completions", chat) == []
    made = vendor.call("POST", "/images/generations", json=images.body(image))
    assert trouble("POST", "/images/generations", made) == []
    judged = vendor.call("POST", "/moderations", json={"input": "a lake"})
    assert trouble("POST", "/moderations", judged) == []
    job = handed_in(quick, several(script, 1))
    told = over(quick, job) and vendor.call("GET", f"/batches/{job.external_id}")
    told = {name: value for name, value in told.items() if value is not None}  # the document knows no null here
    assert trouble("GET", "/batches/batch_1", told) == []
    assert trouble("GET", "/batches", {**vendor.call("GET", "/batches"), "data": [told]}) == []
    assert trouble("GET", "/models", vendor.call("GET", "/models")) == []
