"""Several candidates by one request: the best by its checks goes on, the others stay as versions."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from jobs import editing
from jobs.engine import assets, books, calls, checking, failpoints
from jobs.engine.requests import request_of
from jobs.models import Asset, Attempt, Step
from jobs.pipeline import canonical
from jobs.settings_types import BatchSettings
from jobs.states import Stage, State, Verdict
from providers import downloads
from providers.base import Adapter
from providers.models import Offer, Price
from providers.types import Capability, Output, Request
from qc.types import Examined, Result, Status
from tests.factories import a_batch

pytestmark = [pytest.mark.engine, pytest.mark.django_db]

NOW = datetime(2025, 11, 28, 12, tzinfo=UTC)


def examined(*statuses: Status, name: str = "x") -> Examined:
    results = tuple(
        Result(name=f"check{n}", status=status, measured="", threshold="", sentence="It is so.")
        for n, status in enumerate(statuses)
    )
    passed = Status.PASSED in statuses and Status.FAILED not in statuses
    return Examined(
        file_hash=name * 64, kind="image", facts={}, results=results, passed=passed, expectations_hash="0" * 64
    )


GOOD, POOR, BAD, WORST = (
    (Status.PASSED, Status.PASSED),
    (Status.PASSED, Status.SKIPPED),
    (Status.PASSED, Status.FAILED),
    (Status.FAILED, Status.FAILED),
)


@pytest.mark.parametrize(
    ("looks", "best"),
    [([BAD, GOOD, POOR], 1), ([POOR, GOOD], 1), ([WORST, BAD], 1), ([GOOD, GOOD], 0), ([BAD], 0)],
)
def test_the_best_passes_fails_little_and_skips_little(looks, best):
    takes = [Asset(pk=n) for n in range(len(looks))]
    assert assets.best_of(takes, [examined(*look) for look in looks]).pk == best


@pytest.fixture
def step():
    """An image step whose files are there."""
    a_batch(settings=BatchSettings(scenes=1, seconds=4, auto_retries=1), now=NOW)
    step = Step.objects.select_related("provider", "offer").get()
    Step.objects.update(stage=Stage.IMAGE, state=State.CHECKING, want={"prompt": "a lake", "width": 64, "height": 36})
    return Step.objects.select_related("provider", "offer").get(pk=step.pk)


def a_take(step: Step, n: int) -> Asset:
    return Asset.objects.create(
        video_id=step.video_id,
        step=step,
        kind=Stage.IMAGE,
        round=step.round,
        name=f"{n}.png",
        sha256=f"{n}" * 64,
        size=1,
        media_type="image/png",
        made_for=step.wanted,
        stands_for=step.wanted,
    )


def check(step: Step, *looks: tuple[Status, ...]) -> list[Asset]:
    """Files of a round, looked at; the assets as they stand then."""
    for n in range(len(looks)):
        a_take(step, n)
    (ticket,) = checking.tickets_for([step])
    assert len(ticket.takes) == len(looks)
    found = tuple(examined(*look, name=str(n)) for n, look in enumerate(looks))
    answer = checking.Checked(ticket=ticket, examined=found, took_s=(0.1,) * len(looks))
    checking.settle_checks([answer], NOW)
    return list(Asset.objects.filter(step=step).order_by("pk"))


def test_the_best_becomes_current_and_the_others_stay(step):
    takes = check(step, BAD, GOOD, POOR)
    assert [take.current for take in takes] == [False, True, False]
    assert [take.verdict for take in takes] == [Verdict.FAILED, Verdict.PASSED, Verdict.PASSED]
    assert all(take.inspection_id for take in takes)
    assert Step.objects.get(pk=step.pk).state == State.DONE


def test_where_none_is_good_enough_it_is_one_try(step):
    first = check(step, BAD, WORST, BAD)
    assert {take.verdict for take in first} == {Verdict.FAILED}
    assert not any(take.current for take in first)
    again = Step.objects.get(pk=step.pk)
    again.pk, again.round, again.state = None, 2, State.CHECKING
    again.save()
    second = check(again, WORST, BAD)
    assert [take.verdict for take in second] == [Verdict.FAILED, Verdict.FLAGGED]
    assert [take.current for take in second] == [False, True]


def test_as_many_are_asked_for_as_the_model_gives():
    a_batch(settings=BatchSettings(scenes=1, seconds=4, takes=4), now=NOW)
    step = Step.objects.select_related("offer").get()
    step.want = {**step.want, "takes": 4}
    assert request_of(step).takes == 1
    step.offer = Offer(name="several", takes=3)
    assert request_of(step).takes == 3
    assert '"takes":3' in canonical({"takes": request_of(step).takes})


@pytest.mark.parametrize(
    ("unit", "units", "micro"),
    [
        ("credits", {"credits": 3}, 30),
        ("credits", {}, 500),
        ("credits", {"seconds": 5}, 500),
        ("calls", {}, 10),
        ("credits", {"credits": 0}, 0),
    ],
)
def test_where_the_vendor_does_not_say_what_it_bills_the_most_is_booked(unit, units, micro):
    attempt = Attempt(price=Price(unit=unit, micro=10, per=1), reserved_micro=500)
    assert books.billed(attempt, units) == micro


def test_a_call_may_be_billed_by_several_units():
    price = Price(unit="input_tokens", micro=100_000, per=1_000_000, beside={"output_tokens": 500_000})
    assert books.cost(price, {"input_tokens": 412, "output_tokens": 655}) == 369  # 41.2 + 327.5, rounded up once


@pytest.mark.parametrize("units", [{"input_tokens": 412}, {}])
def test_half_of_a_bill_is_none(units):
    price = Price(unit="input_tokens", micro=100_000, per=1_000_000, beside={"output_tokens": 500_000})
    assert books.billed(Attempt(price=price, reserved_micro=5000), units) == 5000


def test_a_failed_take_beside_the_one_that_was_sent_back_uses_up_no_try(step):
    good, _ = check(step, GOOD, BAD)
    Asset.objects.filter(pk=good.pk).update(verdict=Verdict.SENT_BACK, current=False, stands_for="")
    again = Step.objects.get(pk=step.pk)
    again.pk, again.round, again.state = None, 2, State.CHECKING
    again.save()
    (second,) = check(again, BAD)
    assert second.verdict == Verdict.FAILED  # a new try by itself


def test_one_take_that_cannot_be_looked_at_leaves_the_others(step, monkeypatch):
    a_take(step, 0), a_take(step, 1)

    def look(path, **more):
        if path.name == "0.png":
            raise FileNotFoundError(path)
        return examined(*GOOD, name="1")

    monkeypatch.setattr(checking.inspection, "examine", look)
    (ticket,) = checking.tickets_for([step])
    checking.settle_checks([checking.examine(ticket)], NOW)
    assert Asset.objects.get(current=True).name == "1.png"


@pytest.mark.parametrize("place", ["mid_qc", "after_qc"])
def test_no_exception_comes_out_of_an_examination(step, monkeypatch, place):
    a_take(step, 0)
    monkeypatch.setattr(checking.inspection, "examine", lambda path, **more: examined(*GOOD, name="0"))
    (ticket,) = checking.tickets_for([step])
    failpoints.arm(f"{place}=raise@1")
    try:
        checked = checking.examine(ticket)
    finally:
        failpoints.arm("")
    assert (checked.examined, checked.broke) == ((), f"Disturbed: on purpose at {place}")


def test_a_file_that_a_person_chose_meanwhile_is_looked_at_all_the_same(step, monkeypatch):
    editing.choose_version(a_take(step, 0), NOW)
    monkeypatch.setattr(checking.inspection, "examine", lambda path, **more: examined(*GOOD, name="0"))
    (ticket,) = checking.tickets_for([step])
    checking.settle_checks([checking.examine(ticket)], NOW)
    assert Step.objects.get(pk=step.pk).state == State.DONE


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"", b"GIF89a" + bytes(30)])
def test_a_picture_that_cannot_be_read_stays_as_it_came(content):
    request = Request(capability=Capability.IMAGE, offer="x", prompt="", width=1280, height=720)
    assert calls._shaped(content, request) is None


def test_a_picture_of_too_many_pixels_stays_as_it_came():
    buffer = io.BytesIO()
    Image.new("1", (9000, 9000)).save(buffer, "PNG")
    request = Request(capability=Capability.IMAGE, offer="x", prompt="", width=1280, height=720)
    assert calls._shaped(buffer.getvalue(), request) is None


def a_grid() -> Output:
    grid, buffer = Image.new("RGB", (64, 36)), io.BytesIO()
    for number, colour in enumerate(("red", "lime", "blue", "white")):
        grid.paste(colour, (number % 2 * 32, number // 2 * 18, number % 2 * 32 + 32, number // 2 * 18 + 18))
    grid.save(buffer, "PNG")
    return Output(content=buffer.getvalue(), media_type="image/png", quarters=True)


@pytest.fixture
def media(tmp_path, settings):
    settings.MEDIA_ROOT, settings.MIN_FREE_BYTES = tmp_path / "media", 0
    settings.MEDIA_ROOT.mkdir()
    return settings.MEDIA_ROOT


def stored(output: Output, store=calls._store) -> list[calls.Stored]:
    request = Request(capability=Capability.IMAGE, offer="x", prompt="", width=32, height=18)
    return list(calls._whole(Adapter(workdir=Path("nowhere")), request, output, store))


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.is_file())


def test_of_a_grid_its_quarters_are_stored_and_nothing_else(media):
    files = stored(a_grid())
    colours = [Image.open(media / file.name).getpixel((16, 9)) for file in files]
    assert colours == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    assert names_in(media) == sorted(file.name for file in files)


def test_a_grid_that_was_broken_off_leaves_nothing_that_the_next_try_does_not_make(media):
    def breaks_off(adapter, output, **more):
        if output is not grid:
            raise downloads.DownloadError("The disk went away.")
        return calls._store(adapter, output, **more)

    grid = a_grid()
    with pytest.raises(downloads.DownloadError):
        stored(grid, breaks_off)
    (left,) = names_in(media)
    assert left in [file.name for file in stored(grid)]


def test_a_grid_that_had_to_wait_for_room_is_four_pictures_all_the_same(media):
    def waits(adapter, output, **more):
        if reshape := more.get("reshape"):
            reshape(output.content)  # and then there was no room for what it made
        return calls._store(adapter, output, **more)

    assert len(stored(a_grid(), waits)) == 4


def test_a_grid_that_cannot_be_read_stays_as_it_came(media):
    broken = Output(content=a_grid().content[:60], media_type="image/png", quarters=True)
    (file,) = stored(broken)
    assert (media / file.name).read_bytes() == broken.content


def test_what_was_promised_at_the_start_counts_where_the_end_says_nothing_of_it():
    attempt = Attempt(
        units={"credits": 30, "listings_without": 1}, reserved_micro=5000, price=Price(unit="credits", micro=10)
    )
    assert books.billed(attempt, books.promised_of(attempt) | {"seconds": 5}) == 300
    assert books.billed(attempt, books.promised_of(attempt) | {"credits": 20}) == 200
