import errno
import hashlib
import io
import os
import wave
from types import SimpleNamespace

import pytest
from PIL import Image

from providers import downloads, outbound
from providers.downloads import DiskFull, DownloadError, Speed, free_bytes, store, sweep_temp
from providers.file_types import EXTENSIONS, sniff
from providers.outbound import Pace
from providers.types import Output

from .scripted_server import answer, serving


def a_png(size=(8, 8)):
    buffer = io.BytesIO()
    Image.effect_noise(size, 50).save(buffer, "PNG")
    return buffer.getvalue()


def a_wav():
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\x00\x01" * 80)
    return buffer.getvalue()


def kept(media_root, output, **changes):
    settings = {"adapter_host_allow": (), "base_url": "http://127.0.0.1:1/v1", "allow_loopback": True} | changes
    return store(output, media_root=media_root, min_free_bytes=settings.pop("min_free_bytes", 0), **settings)


def fetched(media_root, sent, *, hold=False, declared="", **changes):
    with serving(sent, hold=hold) as server:
        output = Output(url=server.url + "/a.png", media_type=declared)
        return kept(media_root, output, base_url=server.url, **changes)


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_content_is_stored_under_its_hash(tmp_path):
    png = a_png()
    digest = hashlib.sha256(png).hexdigest()
    stored = kept(tmp_path, Output(content=png))
    assert stored.name == f"{digest[:2]}/{digest[2:4]}/{digest}.png"
    assert (stored.sha256, stored.size, stored.media_type) == (digest, len(png), "image/png")
    assert (tmp_path / stored.name).read_bytes() == png
    assert files_in(tmp_path) == [stored.name]


def test_a_file_of_ours_is_moved(tmp_path):
    made = tmp_path / "made.bin"
    made.write_bytes(a_wav())
    stored = kept(tmp_path / "media", Output(path=made))
    assert stored.name.endswith(".wav")
    assert not made.exists()


def test_a_link_to_a_file_elsewhere_is_not_followed(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "made").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(DownloadError, match="ordinary"):
        kept(tmp_path / "media", Output(path=tmp_path / "made"))


def test_a_linked_file_is_fetched(tmp_path):
    png = a_png((64, 64))
    stored = fetched(tmp_path, answer(png, length=len(png)))
    assert (tmp_path / stored.name).read_bytes() == png


def test_a_file_sent_in_chunks_is_fetched(tmp_path):
    png = a_png()
    body = b"5\r\n" + png[:5] + b"\r\n" + f"{len(png) - 5:x}".encode() + b"\r\n" + png[5:] + b"\r\n0\r\n\r\n"
    stored = fetched(tmp_path, answer(body, headers=["Transfer-Encoding: chunked"]))
    assert stored.size == len(png)


def test_a_file_cut_between_chunks_is_refused(tmp_path):
    body = b"64\r\n" + a_png()[:40]
    with pytest.raises(DownloadError) as caught:
        fetched(tmp_path, answer(body, headers=["Transfer-Encoding: chunked"]))
    assert caught.value.retry


def test_the_same_file_twice_is_kept_once(tmp_path):
    png = a_png()
    first, second = kept(tmp_path, Output(content=png)), kept(tmp_path, Output(content=png))
    assert first == second
    assert files_in(tmp_path) == [first.name]


def test_a_damaged_file_under_the_final_name_is_replaced(tmp_path):
    png = a_png()
    first = kept(tmp_path, Output(content=png))
    (tmp_path / first.name).write_bytes(png[:10])
    assert (tmp_path / kept(tmp_path, Output(content=png)).name).read_bytes() == png


def test_a_body_shorter_than_promised_leaves_nothing_and_may_be_tried_again(tmp_path):
    png = a_png()
    with pytest.raises(DownloadError, match=f"{len(png) // 2} of {len(png)} bytes") as caught:
        fetched(tmp_path, answer(png[: len(png) // 2], length=len(png)))
    assert caught.value.retry
    assert files_in(tmp_path) == []


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(DownloadError, match="empty"):
        fetched(tmp_path, answer(b"", length=0))


@pytest.mark.parametrize("status", ["401 No", "403 Forbidden", "404 Not Found", "410 Gone"])
def test_a_dead_link_asks_for_a_fresh_one(tmp_path, status):
    with pytest.raises(DownloadError) as caught:
        fetched(tmp_path, answer(b"", status=status, length=0))
    assert caught.value.expired


@pytest.mark.parametrize(
    ("status", "retry"), [("500 Oops", True), ("503 Busy", True), ("429 Slow", True), ("400 No", False)]
)
def test_only_a_passing_failure_is_tried_again(tmp_path, status, retry):
    with pytest.raises(DownloadError) as caught:
        fetched(tmp_path, answer(b"", status=status, length=0))
    assert (caught.value.retry, caught.value.expired) == (retry, False)


def test_a_redirect_is_not_followed(tmp_path):
    with serving(answer(a_png())) as inner:
        sent = answer(b"", status="302 Found", length=0, headers=[f"Location: {inner.url}/secret"])
        with pytest.raises(DownloadError, match="302"):
            fetched(tmp_path, sent)
        assert inner.asked == []


def test_a_packed_answer_is_refused(tmp_path):
    with pytest.raises(DownloadError, match="packed"):
        fetched(tmp_path, answer(b"\x1f\x8b", length=2, headers=["Content-Encoding: gzip"]))


def test_a_file_too_large_is_refused_before_its_body(tmp_path):
    with pytest.raises(DownloadError, match="larger"):
        fetched(tmp_path, answer(b"", length=1001), hold=True, max_bytes=1000)


def test_a_body_without_an_announced_length_stops_at_the_limit(tmp_path):
    with pytest.raises(DownloadError, match="larger"):
        fetched(tmp_path, answer(b"x" * 5000), hold=True, max_bytes=1000)
    assert files_in(tmp_path) == []


def test_content_too_large_is_refused(tmp_path):
    with pytest.raises(DownloadError, match="larger"):
        kept(tmp_path, Output(content=b"x" * 11), max_bytes=10)


def test_a_silent_server_is_left(tmp_path):
    with pytest.raises(DownloadError, match="slow") as caught:
        fetched(tmp_path, answer(b"x", length=9), hold=True, pace=Pace(read_s=0.1))
    assert caught.value.retry


def test_the_whole_download_has_an_end(tmp_path):
    with pytest.raises(DownloadError, match="slow"):
        fetched(tmp_path, answer(b"x", length=9), hold=True, pace=Pace(read_s=30, total_s=0.1))


def test_a_server_that_never_ends_its_headers_is_left(tmp_path):
    with pytest.raises(DownloadError, match="slow"):
        fetched(tmp_path, b"HTTP/1.1 200 OK\r\nX-", hold=True, pace=Pace(read_s=30, total_s=0.1))


def test_a_trickle_is_given_up(tmp_path):
    with pytest.raises(DownloadError, match="too slowly"):
        fetched(tmp_path, answer(b"x" * 10, length=99), hold=True, speed=Speed(least_bytes_per_s=10**12, grace_s=0))


def test_a_closed_port_may_be_tried_again(tmp_path):
    with serving(b"") as server:
        url = server.url
    with pytest.raises(DownloadError) as caught:
        kept(tmp_path, Output(url=url + "/a"), base_url=url)
    assert caught.value.retry


def test_loopback_is_refused_in_ordinary_settings(tmp_path):
    with serving(answer(a_png())) as server:
        with pytest.raises(DownloadError):
            kept(tmp_path, Output(url=server.url + "/a"), base_url=server.url, allow_loopback=False)
        assert server.asked == []


def test_a_host_that_is_not_the_vendors_is_refused(tmp_path):
    with pytest.raises(DownloadError, match=r"evil-example\.com") as caught:
        kept(tmp_path, Output(url="https://evil-example.com/a"), adapter_host_allow=(".example.com",))
    assert not caught.value.retry


def test_the_providers_own_host_may_hold_results(tmp_path, monkeypatch):
    found = [(2, 1, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(outbound.socket, "getaddrinfo", lambda *args, **kwargs: found)
    with pytest.raises(DownloadError, match="not public"):  # so the name itself was accepted
        kept(tmp_path, Output(url="https://api.example.com/a"), base_url="https://api.example.com/v1")


def test_little_room_stops_before_anything_is_fetched_or_moved(tmp_path):
    made = tmp_path / "made.txt"
    made.write_text("hello")
    with pytest.raises(DiskFull, match="GiB"):
        kept(tmp_path, Output(path=made), min_free_bytes=free_bytes(tmp_path) * 2)
    assert made.exists()


def test_the_announced_length_must_fit_too(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(DiskFull):
        fetched(tmp_path, answer(b"", length=501), hold=True, min_free_bytes=500)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_meanwhile_is_said_so(tmp_path, monkeypatch, number):
    def full(handle):
        raise OSError(number, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        fetched(tmp_path, answer(a_png()))
    assert files_in(tmp_path) == []


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fsync", lambda handle: calls.append("fsync"))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *args: (calls.append("replace"), replace(*args)))
    kept(tmp_path, Output(content=a_png()))
    assert calls[:3] == ["fsync", "replace", "fsync"]


def test_old_leftovers_are_swept_and_young_ones_stay(tmp_path):
    (tmp_path / "tmp").mkdir()
    old, young = tmp_path / "tmp/old.part", tmp_path / "tmp/young.part"
    for path, age_h in ((old, 25), (young, 23)):
        path.touch()
        os.utime(path, (1_000_000 - age_h * 3600,) * 2)
    assert sweep_temp(tmp_path, now=1_000_000) == 1
    assert files_in(tmp_path) == ["tmp/young.part"]


def test_an_error_page_in_place_of_a_film_is_refused(tmp_path):
    body = b'{"error": "try again later"}'
    with pytest.raises(DownloadError, match="promised video/mp4 and sent application/json"):
        fetched(tmp_path, answer(body), declared="video/mp4")


def test_a_png_where_a_jpeg_was_promised_is_kept_as_png(tmp_path):
    assert fetched(tmp_path, answer(a_png()), declared="image/jpeg").media_type == "image/png"


@pytest.mark.parametrize(
    "head",
    [b"<!doctype html><p>", b" \n<svg xmlns=", b"\x7fELF\x02\x01", b"PK\x03\x04", b"GIF89a\x01\x00", b"\xff\xfe<\x00"],
)
def test_a_kind_that_is_not_kept_is_refused(tmp_path, head):
    with pytest.raises(DownloadError, match="no kind"):
        fetched(tmp_path, answer(head))


def test_every_kind_of_the_table_is_known_by_its_first_bytes():
    heads = {
        "image/png": b"\x89PNG\r\n\x1a\n",
        "image/jpeg": b"\xff\xd8\xff\xe0",
        "image/webp": b"RIFF\x10\0\0\0WEBPVP8 ",
        "video/mp4": b"\0\0\0\x20ftypisom",
        "video/quicktime": b"\0\0\0\x14ftypqt  ",
        "video/webm": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm",
        "audio/wav": b"RIFF\x10\0\0\0WAVEfmt ",
        "audio/mpeg": b"\xff\xfb\x90\x64",
        "audio/mp4": b"\0\0\0\x20ftypM4A ",
        "audio/ogg": b"OggS\0\x02",
        "application/json": b'{"a": 1}',
        "application/x-subrip": b"1\r\n00:00:00,000 --> 00:00:01,000\r\nhello",
        "text/vtt": b"\xef\xbb\xbfWEBVTT\n",
        "text/plain": "Bäume".encode() + b"\xc3",  # a letter cut in the middle
    }

    assert {name: sniff(head) for name, head in heads.items()} == {name: name for name in EXTENSIONS}
    assert sniff(b"ID3\x04\0") == "audio/mpeg"
    assert sniff(b"\xff\xf1\x50\x80") == ""  # raw AAC
    assert sniff(b"\0\0\0\x20ftypisom", declared="audio/mp4") == "audio/mp4"
