"""What every adapter sends: one request for a paid call, no longer than its deadline, for what is wanted; and what it
makes of the errors that mean the same everywhere."""

from __future__ import annotations

import base64
import re
import time

import pytest

from providers.exceptions import CallError, NotSent, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from tests.providers import schemas
from tests.providers.every import KINDS, REMOTE, SOLD, good_answer_to, named
from tests.providers.recorded import KEY, a_picture, adapter_at, examples_of, playing, request_of

OUTAGES = ["reset", 408, 409, 425, 500, 502, 503, 504, 520, 302]
MEANINGS = {
    400: Rejected,
    401: Unauthorised,
    402: OutOfCredit,
    403: Unauthorised,
    404: Rejected,
    413: Rejected,
    422: Rejected,
    429: RateLimited,
}
PAGE = "<html>An error of a proxy</html>"


def answered(status):
    return status if isinstance(status, str) else {"status": status, "body": {}}


def outcome(call, *arguments):
    """A CallError is returned, not raised."""
    try:
        return call(*arguments)
    except CallError as error:
        return error


def sent(adapter, tmp_path, offer, **changes):
    """What leaves for a good answer."""
    with playing([good_answer_to(adapter, offer)]) as recorder:
        speaking = adapter_at(adapter, recorder.url, tmp_path)
        speaking.submit(request_of(None, adapter, tmp_path, offer.capability, offer=offer.name, **changes))
    (asked,) = recorder.asked
    return asked


# -- one request, whatever comes back ----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("pair", KINDS, ids=named)
def test_one_submit_is_one_request_whatever_comes_back(pair, tmp_path):
    adapter, capability = pair
    request = request_of(None, adapter, tmp_path, capability)
    with playing([]) as recorder:
        for trouble in OUTAGES:
            recorder.script[:], recorder.asked[:], announced = [answered(trouble)], [], []
            speaking = adapter_at(adapter, recorder.url, tmp_path, on_wire=lambda: announced.append(1))  # noqa: B023
            found = outcome(speaking.submit, request)
            assert (type(found), len(recorder.asked), len(announced)) == (Unknown, 1, 1), trouble
            assert found.message


@pytest.mark.parametrize("trouble", ["hang", "drip"])
@pytest.mark.parametrize("pair", KINDS, ids=named)
def test_a_submit_ends_at_its_deadline(pair, trouble, tmp_path, monkeypatch):
    adapter, capability = pair
    monkeypatch.setattr(adapter, "deadline_s", {capability: 0.2})
    request = request_of(None, adapter, tmp_path, capability)
    with playing([trouble]) as recorder:
        speaking = adapter_at(adapter, recorder.url, tmp_path)
        began = time.monotonic()
        with pytest.raises(Unknown):
            speaking.submit(request)
        assert time.monotonic() - began < 5
    assert len(recorder.asked) < 2


@pytest.mark.parametrize("pair", KINDS, ids=named)
def test_what_never_left_is_not_sent(pair, tmp_path):
    adapter, capability = pair
    with playing([]) as recorder:
        closed = recorder.url
    announced = []
    with pytest.raises(NotSent):
        speaking = adapter_at(adapter, closed, tmp_path, on_wire=lambda: announced.append(1))
        speaking.submit(request_of(None, adapter, tmp_path, capability))
    assert announced == []


# -- errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", KINDS, ids=named)
def test_a_status_without_a_word_means_the_same_everywhere(pair, tmp_path):
    """What a vendor says beside it may mean something else: that stands in its examples."""
    adapter, capability = pair
    request = request_of(None, adapter, tmp_path, capability)
    with playing([]) as recorder:
        speaking = adapter_at(adapter, recorder.url, tmp_path)
        for status, meaning in MEANINGS.items():
            for said in ({"body": {}}, {"text": PAGE}):
                recorder.script[:] = [{"status": status, "headers": {"Retry-After": "7"}, **said}]
                found = outcome(speaking.submit, request)
                assert type(found) is meaning, f"{status} {said}"
                assert status != 429 or found.retry_after_s >= 7
    assert len(recorder.asked) == 2 * len(MEANINGS)


LOOKS = list(  # one example each of what is no submit
    {
        (adapter.slug, example.said["call"]): (adapter, example)
        for adapter in REMOTE
        for example in examples_of(adapter.slug)
        if example.said["call"] != "submit"
    }.values()
)


@pytest.mark.parametrize("pair", LOOKS, ids=named)
def test_a_look_that_fails_says_nothing_of_the_job(pair, tmp_path):
    adapter, example = pair
    announced = []
    with playing([]) as recorder:
        for trouble, meaning in (("reset", Unknown), (401, Unauthorised), (429, RateLimited), (503, Unknown)):
            recorder.script[:], recorder.asked[:] = [answered(trouble)], []
            speaking = adapter_at(adapter, recorder.url, tmp_path, on_wire=lambda: announced.append(1))
            found = outcome(getattr(speaking, example.said["call"]), *example.said.get("arguments", ["job-1"]))
            assert (type(found), len(recorder.asked)) == (meaning, 1), trouble
    assert announced == []


@pytest.mark.parametrize("pair", KINDS, ids=named)
def test_a_key_that_is_repeated_goes_no_further(pair, tmp_path):
    adapter, capability = pair
    request, words = request_of(None, adapter, tmp_path, capability), f"Incorrect API key provided: {KEY}"
    error = {"message": words, "code": words, "type": words, "status": words}
    bodies = [{"error": error, "detail": words, "description": words, **error}, {"error": words}, words]
    with playing([]) as recorder:
        speaking = adapter_at(adapter, recorder.url, tmp_path)
        for status in (200, 400, 401, 403, 429, 500):
            for body in bodies:
                recorder.script[:] = [{"status": status, "body": body}]
                found = outcome(speaking.submit, request)
                assert isinstance(found, CallError)
                assert KEY not in f"{found!r} {found.message} {found.detail}", status


# -- what is asked for -------------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", REMOTE, ids=named)
def test_two_models_are_two_requests(adapter, tmp_path):
    asked = [sent(adapter, tmp_path, offer) for offer in adapter.offers]
    assert len({(one.path, repr(plain(one.fields()))) for one in asked}) == len(adapter.offers)


@pytest.mark.parametrize("pair", SOLD, ids=named)
def test_its_words_and_its_picture_go_along(pair, tmp_path):
    adapter, offer = pair
    body = sent(adapter, tmp_path, offer, prompt="sixteen herons over a weir").body
    assert b"sixteen herons over a weir" in body
    if offer.takes_image:
        picture = a_picture(tmp_path)
        assert (
            picture.url.encode() in body
            if adapter.public_inputs
            else base64.b64encode(picture.path.read_bytes()) in body
        )


def plain(value):
    """Every value with its path, as text."""
    if isinstance(value, dict):
        return {f"{name}.{path}": inner for name, part in value.items() for path, inner in plain(part).items()}
    if isinstance(value, list):
        return plain(dict(enumerate(value)))
    return {"": value}


def holder(fields, name):
    """The object in which that name stands."""
    if name in fields:
        return fields
    inner = (holder(part, name) for part in fields.values() if isinstance(part, dict))
    return next(filter(None, inner), None)


@pytest.mark.parametrize("pair", SOLD, ids=named)
def test_an_offer_s_own_parameters_go_along_and_come_first(pair, tmp_path):
    adapter, offer = pair
    own = {"of_my_own": "x-4711"}
    usual = holder(sent(adapter, tmp_path, offer, extra={"vendor": own}).fields(), "of_my_own")
    assert usual, "they are not sent"
    assert usual["of_my_own"] == "x-4711"
    # One of each kind of value is enough, and its words and model are none to play with.
    ours = [name for name, value in usual.items() if isinstance(value, int | float | bool) and name != "of_my_own"]
    for name in ours[:2]:
        changed = holder(sent(adapter, tmp_path, offer, extra={"vendor": {**own, name: 2}}).fields(), "of_my_own")
        assert changed[name] == 2


TAKING = [pair for pair in SOLD if pair[1].takes > 1]


@pytest.mark.parametrize("pair", TAKING, ids=named)
def test_as_many_candidates_are_asked_for_as_are_wanted(pair, tmp_path):
    adapter, offer = pair
    one, most = (
        {"images": adapter.most_units(request_of(None, adapter, tmp_path, offer.capability, takes=takes))["images"]}
        for takes in (1, offer.takes)
    )
    assert most["images"] >= offer.takes
    if one["images"] < offer.takes:  # else they always come in such a number
        asked = plain(sent(adapter, tmp_path, offer, takes=offer.takes).fields())
        alone = plain(sent(adapter, tmp_path, offer, takes=1).fields())
        changed = [str(value) for name, value in asked.items() if alone.get(name) != value]
        assert str(offer.takes) in changed


ODD = [(1, 1), (333, 77), (77, 333), (1921, 1081), (5000, 5000), (0, 0)]


def sizes_in(fields):
    """(width, height) of all that stand there: two numbers, or a text."""
    for name, value in plain(fields).items():
        if re.fullmatch(r"\d+[x:]\d+", str(value)):
            yield tuple(map(int, re.split("[x:]", str(value))))
        if name.removesuffix(".").split(".")[-1] == "width" and f"{name.removesuffix('.')[:-5]}height." in plain(
            fields
        ):
            yield int(value), int(plain(fields)[f"{name.removesuffix('.')[:-5]}height."])


@pytest.mark.parametrize("pair", [pair for pair in SOLD if pair[1].sizes], ids=named)
def test_only_sizes_that_are_sold_are_asked_for(pair, tmp_path):
    adapter, offer = pair
    for width, height in ODD:
        asked = sent(adapter, tmp_path, offer, width=width, height=height)
        sizes = list(sizes_in(asked.fields()))
        assert sizes, "no size is asked for"
        for wide, high in sizes:
            is_ratio = min(wide, high) < 64 and any(abs(wide * h / high / w - 1) < 0.05 for w, h in offer.sizes)
            assert is_ratio or (wide, high) in offer.sizes, f"{wide} × {high} for {width} × {height}"
        if "json" in asked.headers["Content-Type"]:
            assert schemas.request_trouble(adapter.slug, asked.method, asked.path, asked.json()) == []


@pytest.mark.parametrize("pair", [pair for pair in SOLD if pair[1].lengths], ids=named)
def test_only_lengths_that_are_sold_are_asked_for(pair, tmp_path):
    """Never a shorter one than was wanted, where there is one as long."""
    adapter, offer = pair
    for seconds in (0.0, 0.4, 4.2, 7.5, 60.0):
        fields = plain(sent(adapter, tmp_path, offer, seconds=seconds).fields())
        told = [str(value) for name, value in fields.items() if re.search(r"duration|seconds|length", name)]
        assert len(told) == 1
        right = next((length for length in offer.lengths if length >= seconds), offer.lengths[-1])
        assert told[0].removesuffix("s") == str(right)
