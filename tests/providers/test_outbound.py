import http.client
import io
import ipaddress
import socket
import threading

import pytest

from providers import outbound
from providers.outbound import Blocked, Pace, Target, Unreachable, check, host_is_allowed, is_public

from .scripted_server import answer, serving

PUBLIC = "93.184.216.34"


def resolving(*addresses):
    return lambda host, port: list(addresses)


def checked(url, *, allowed=("*",), allow_loopback=False, addresses=(PUBLIC,)):
    return check(url, allowed=allowed, allow_loopback=allow_loopback, resolve=resolving(*addresses))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "168.63.129.16",
        "172.16.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address):
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(Blocked, match="not public"):
        checked("https://media.example.com/a.mp4", addresses=(address,))


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::200e"])
def test_a_public_address_is_taken(address):
    assert checked("https://media.example.com/a.mp4", addresses=(address,)).addresses == (address,)


def test_one_private_address_among_public_ones_refuses_them_all():
    with pytest.raises(Blocked, match=r"10\.0\.0\.1"):
        checked("https://media.example.com/a", addresses=(PUBLIC, "10.0.0.1"))


def test_a_zone_behind_an_address_is_refused():
    with pytest.raises(Blocked):
        checked("https://media.example.com/a", addresses=("fe80::1%eth0",))


@pytest.mark.parametrize(
    "url",
    [
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://[fe80::1%25eth0]/",
        "https://[::1]/",
        "https://127.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://media.example.com@127.0.0.1/",
        "https://user:secret@media.example.com/",
        "https://@media.example.com/",
        "https://127.0.0.1\\@media.example.com/",
        "https://media.example.com\\.evil.example/",
        "https://media.example.com/a b",
        "https://media.example.com/a\r\nHost: evil",
        "https://media.example.com/\x00",
        "https://mediä.example.com/",
        "https://１２７.０.０.１/",
        "https://ⓔxample.com/",
        "https://media.example.com./",
        "https://media..example.com/",
        "https://-media.example.com/",
        "https:///a",
        "https://media.example.com:8443/",
        "https://media.example.com:99999/",
        "https://media.example.com:x/",
        "https://[::1/",
        "http://media.example.com/",
        "http://media.example.com:443/",
        "ftp://media.example.com/",
        "file:///etc/passwd",
        "gopher://media.example.com/",
        "data:text/plain,hello",
        "//media.example.com/",
        "",
    ],
)
def test_a_link_written_to_mislead_is_refused(url):
    with pytest.raises(Blocked):
        checked(url)


@pytest.mark.parametrize(
    ("host", "allowed", "expected"),
    [
        ("media.example.com", (".example.com",), True),
        ("a.b.example.com", (".example.com",), True),
        ("example.com", (".example.com",), True),
        ("evil-example.com", (".example.com",), False),
        ("example.com.evil.net", (".example.com",), False),
        ("evil-example.com", ("example.com",), False),
        ("media.example.com", ("example.com",), False),
        ("example.com", ("Example.com",), True),
        ("anything.net", ("*",), True),
        ("anything.net", (), False),
    ],
)
def test_hosts_are_allowed_by_whole_labels(host, allowed, expected):
    assert host_is_allowed(host, allowed) is expected


def test_a_host_that_is_not_the_vendors_is_refused_before_it_is_looked_up():
    def never(host, port):
        raise AssertionError("looked up")

    with pytest.raises(Blocked, match="evil-example"):
        check("https://evil-example.com/", allowed=(".example.com",), allow_loopback=False, resolve=never)


def test_the_message_keeps_the_signature_of_a_link_to_itself():
    with pytest.raises(Blocked) as caught:
        checked("https://evil.net/a?signature=s3cret", allowed=(".example.com",))
    assert "s3cret" not in caught.value.message


def test_loopback_is_taken_only_where_the_setting_allows_it():
    url, allowed = "http://127.0.0.1:8123/a?b=c", ("127.0.0.1",)
    assert checked(url, allowed=allowed, allow_loopback=True) == Target(
        scheme="http", host="127.0.0.1", port=8123, path="/a?b=c", addresses=("127.0.0.1",)
    )
    with pytest.raises(Blocked):
        checked(url, allowed=allowed)


def test_a_name_that_leads_to_loopback_is_refused_even_where_loopback_is_allowed():
    with pytest.raises(Blocked, match="not public"):
        checked("https://media.example.com/", allow_loopback=True, addresses=("127.0.0.1",))


def test_odd_letters_in_a_path_are_escaped_and_escapes_are_kept():
    target = checked("https://media.example.com/bäume%20x.png?sig=a%2Fb+c==")
    assert target.path == "/b%C3%A4ume%20x.png?sig=a%2Fb+c=="


def test_a_name_nobody_knows_may_be_known_later(monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match=r"media\.example\.com"):
        check("https://media.example.com/", allowed=("*",), allow_loopback=False)


def test_the_connection_goes_to_the_checked_address_and_asks_for_the_name():
    """A name server that answers differently the second time is never asked a second time."""
    hellos = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen():
            connection, _ = listener.accept()
            with connection:
                hellos.append(connection.recv(4096))

        thread = threading.Thread(target=listen)
        thread.start()
        target = Target(
            scheme="https",
            host="media.example.com",
            port=listener.getsockname()[1],
            path="/",
            addresses=("127.0.0.1",),
        )
        with pytest.raises(Unreachable, match="prove who it is"), outbound.get(target, pace=Pace()):
            pass
        thread.join(5)
    assert b"media.example.com" in hellos[0]


def test_the_next_address_is_tried_when_one_refuses():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        target = Target(scheme="http", host="localhost", port=port, path="/", addresses=("::1", "127.0.0.1"))
        outbound._first_that_answers(target, Pace()).close()


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(answer(b"x", length=1)) as server:
        target = check(server.url + "/a", allowed=("127.0.0.1",), allow_loopback=True)
        with outbound.get(target, pace=Pace()) as got:
            assert b"".join(got.chunks()) == b"x"
        asked = http.client.parse_headers(io.BytesIO(server.asked[0].split(b"\r\n", 1)[1]))
    assert asked["Host"] == f"127.0.0.1:{server.port}"
    assert asked["Authorization"] is None
