"""Nothing that is not public is connected to, unless it is allowed."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from clairo.embeddings.web.addresses import permitted

PRIVATE = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.0.100",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "233.252.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]
PUBLIC = [
    "8.8.8.8",
    "151.101.1.16",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "::ffff:0:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_what_is_not_public_is_refused(text: str) -> None:
    assert not permitted(ipaddress.ip_address(text), [])


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public_is_permitted(text: str) -> None:
    assert permitted(ipaddress.ip_address(text), [])


def test_networks_that_are_allowed_and_no_others() -> None:
    networks = [ipaddress.ip_network(text) for text in ("10.1.0.0/16", "fd00::/8")]
    for text, allowed in {
        "10.1.2.3": True,
        "::ffff:10.1.2.3": True,
        "10.2.0.1": False,
        "fd12::1": True,
        "fc00::1": False,
    }.items():
        assert permitted(ipaddress.ip_address(text), networks) is allowed


def names(monkeypatch: pytest.MonkeyPatch, **answers: list[list[str]]) -> list[str]:
    """Give names addresses: a list for each time that one is asked for, the last for ever."""
    real, asked = socket.getaddrinfo, list[str]()

    def lookup(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host not in answers:
            return real(host, port, *args, **options)
        asked.append(host)
        lists = answers[host]
        found = lists.pop(0) if len(lists) > 1 else lists[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in found]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


def test_the_loopback_is_refused_however_it_is_written(site: Any, shelf: Any, answers: Any) -> None:
    site.serve("/a", answers.noise())
    hosts = ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "0"]
    addresses = {host: [f"http://{host}:{site.port}/a"] for host in hosts}
    records = shelf.fetch(addresses, private_networks=[])
    assert {record.status for record in records.values()} <= {"not-public", "bad-address"}
    assert records["localhost"].status == records["127.0.0.1"].status == "not-public"
    assert not site.asked


def test_a_redirect_to_what_is_not_public_is_refused(site: Any, shelf: Any) -> None:
    # 127.0.0.1 is allowed here, and 127.0.0.2 is not, nor what the name stands for.
    for number, target in enumerate(("127.0.0.2", "169.254.169.254", "10.0.0.1")):
        url = site.redirect(f"/{number}", f"http://{target}:{site.port}/secret")
        record = shelf.fetch({f"B{number}": [url]})[f"B{number}"]
        assert record.status == "not-public"
        assert record.failures[0][1].endswith(f"is {target}")
    assert "/secret" not in site.asked


def test_a_name_is_what_it_stands_for(
    site: Any, shelf: Any, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, inner=[["10.0.0.1"]], outer=[["10.0.0.1", "127.0.0.1"]])
    site.serve("/a", answers.noise())
    assert shelf.one(f"http://inner:{site.port}/a").status == "not-public"
    assert shelf.one(f"http://outer:{site.port}/a").ok  # by the one of its addresses that is allowed


def test_a_name_that_changes_its_meaning_gains_nothing(
    site: Any, shelf: Any, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = names(monkeypatch, rebound=[["127.0.0.1"], ["127.0.0.2"]])
    site.serve("/a", answers.noise())
    assert shelf.one(f"http://rebound:{site.port}/a").ok
    assert asked == ["rebound"]  # looked up once: what was judged is what was connected to
    second = shelf.fetch({"B2": [f"http://rebound:{site.port}/a"]})["B2"]
    assert second.status == "not-public"
    assert site.asked == {"/a": 1}


def test_a_name_that_nobody_knows_may_be_known_later(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    record = shelf.one("http://nobody.example/a.jpg")
    assert (record.status, record.passing) == ("name-not-found", True)


def test_a_port_that_nobody_listens_at_may_be_served_later(shelf: Any) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        record = shelf.one(f"http://127.0.0.1:{unheard.getsockname()[1]}/a")
    assert (record.status, record.passing) == ("no-connection", True)
