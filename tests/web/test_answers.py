"""What becomes of an item, whatever its server does."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from clairo.embeddings.web import checks, hosts

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_picture_is_kept_as_it_came(site: Any, shelf: Any, answers: Any) -> None:
    picture = answers.noise(60, "PNG")
    url = site.serve("/a.jpg", picture)  # whatever it is called: the content decides
    record = shelf.one(url)
    assert shelf.files == {"B1.png": picture}
    assert (record.status, record.source, record.url, record.file) == ("ok", url, url, "B1.png")
    assert (record.bytes, record.width, record.height) == (len(picture), 60, 60)
    assert record.sha256 == hashlib.sha256(picture).hexdigest()


def test_the_first_address_that_has_a_picture_counts(site: Any, shelf: Any, answers: Any) -> None:
    small, third = answers.noise(20), answers.noise(30)
    urls = [f"{site.url}/large.jpg", site.serve("/small.jpg", small), site.serve("/third.jpg", third)]
    record = shelf.one(*urls)
    assert shelf.files == {"B1.jpg": small}
    assert record.source == urls[1]
    assert record.failures == ((urls[0], "http-404"),)
    assert site.asked == {"/large.jpg": 1, "/small.jpg": 1}


def test_what_a_server_says_of_type_and_length_counts_for_nothing(
    site: Any, shelf: Any, answers: Any
) -> None:
    picture = answers.noise()
    records = shelf.fetch(
        {
            "html": [site.serve("/1", picture, Content_Type="text/html")],
            "page": [site.serve("/2", b"<html>not found</html>", Content_Type="image/jpeg")],
            "empty": [site.serve("/3", b"")],
            "short": [site.answer("/4", answers.cut(picture, Content_Length="300"))],
            "long": [site.answer("/5", answers.cut(picture, Content_Length="100000"))],
            "gif": [site.serve("/6", answers.encoded(Image.new("RGB", (50, 50)), "GIF"))],
            "dot": [site.serve("/7", answers.encoded(Image.new("RGB", (1, 1))))],
        }
    )
    assert {item: record.status for item, record in records.items()} == {
        "html": "ok",
        "page": "not-a-picture",
        "empty": "not-a-picture",
        "short": "broken",
        "long": "dropped",
        "gif": "not-a-picture",
        "dot": "too-small",
    }
    assert shelf.files == {"html.jpg": picture}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_half_a_picture_is_none(site: Any, shelf: Any, answers: Any, kind: str) -> None:
    whole = answers.noise(60, kind)
    # Without a length the end of the connection is the end of the picture: only the content can tell.
    half = answers.cut(whole[: len(whole) // 2], Connection="close")
    assert shelf.one(site.answer("/a", half)).status == "broken"
    assert site.asked["/a"] == 3
    assert shelf.files == {}
    assert shelf.one(site.answer("/b", half, answers.body(whole))).status == "ok"


def test_a_connection_that_breaks_half_way_is_tried_again(site: Any, shelf: Any, answers: Any) -> None:
    whole = answers.noise()
    half = answers.cut(whole[:500], Content_Length=str(len(whole)))
    assert shelf.one(site.answer("/a", half, half, answers.body(whole))).ok
    assert site.asked["/a"] == 3
    assert list(shelf.files.values()) == [whole]


@pytest.mark.parametrize("headers", [{"Transfer-Encoding": "chunked"}, {"Content-Length": "1" + "0" * 12}])
def test_an_endless_answer_is_given_up_at_its_limit(site: Any, shelf: Any, headers: dict[str, str]) -> None:
    record = shelf.one(site.endless("/a", headers), max_bytes=100_000)
    assert record.status == "too-large"
    assert site.asked["/a"] == 1
    assert shelf.files == {}


def test_a_picture_with_too_many_pixels_is_not_decoded(
    site: Any, shelf: Any, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    big, fits = (answers.encoded(Image.new("RGB", (side, 100)), "PNG") for side in (101, 100))
    load = Image.Image.load
    sizes: list[tuple[int, int]] = []

    def watched(image: Image.Image) -> Any:
        sizes.append(image.size)
        return load(image)

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", watched)
    addresses = {"big": [site.serve("/big", big)], "fits": [site.serve("/fits", fits)]}
    records = shelf.fetch(addresses, max_pixels=10_000)
    assert (records["big"].status, records["fits"].status) == ("too-many-pixels", "ok")
    assert sizes == [(100, 100)]


def test_slow_servers_are_given_up(site: Any, shelf: Any, answers: Any) -> None:
    silent = shelf.one(site.silent("/silent"), read_seconds=0.2, retries=1)
    assert (silent.status, silent.passing) == ("timeout", True)
    assert site.heard("/silent", 2)
    # No single read waits long here: only the deadline of the whole ends it.
    drip = shelf.one(site.drip("/drip", answers.noise()), transfer_seconds=0.4, retries=0)
    assert drip.status == "timeout"
    assert shelf.files == {}


def test_redirects_are_followed_so_far(site: Any, shelf: Any, answers: Any) -> None:
    picture = answers.noise()
    site.serve("/pictures/a.jpg", picture)
    site.redirect("/2", "../pictures/a.jpg", 307)
    site.redirect("/1", f"{site.url}/2", 301)
    circle = site.redirect("/left", "/right")
    site.redirect("/right", "/left")
    records = shelf.fetch(
        {
            "two": [f"{site.url}/1"],
            "circle": [circle],
            "itself": [site.redirect("/self", "/self")],
            "nowhere": [site.answer("/nowhere", answers.status(302))],
            "file": [site.redirect("/file", "file:///etc/passwd")],
            "odd": [site.redirect("/odd", "http://a:99999/")],
        }
    )
    assert {item: record.status for item, record in records.items()} == {
        "two": "ok",
        "circle": "too-many-redirects",
        "itself": "too-many-redirects",
        "nowhere": "http-302",
        "file": "not-http",
        "odd": "bad-address",
    }
    assert site.asked["/left"] == site.asked["/right"] == site.asked["/self"] == 1
    assert shelf.fetch({"B2": [f"{site.url}/1"]}, max_redirects=1)["B2"].status == "too-many-redirects"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a.jpg", "file:///etc/passwd"])
def test_only_http_is_spoken(shelf: Any, url: str) -> None:
    assert shelf.one(url).status == "not-http"


@pytest.mark.parametrize("url", ["http://", "http://a:b/", "http://a:99999/", "http://\x00/a"])
def test_what_is_no_address_is_told(shelf: Any, url: str) -> None:
    assert shelf.one(url).status == "bad-address"


@pytest.mark.parametrize("port", [0, 22, 25, 1023])
def test_ports_of_other_services_are_not_spoken_to(shelf: Any, port: int) -> None:
    assert shelf.one(f"http://127.0.0.1:{port}/a").failures[0][1] == f"bad-address: port {port}"


def test_a_compressed_answer_is_not_unpacked(site: Any, shelf: Any, answers: Any) -> None:
    packed = gzip.compress(answers.noise())
    assert shelf.one(site.serve("/a", packed, Content_Encoding="gzip")).status == "not-a-picture"


def test_a_picture_of_a_phone_with_another_behind_it_is_one(site: Any, shelf: Any, answers: Any) -> None:
    buffer, image = io.BytesIO(), Image.effect_noise((60, 50), 80).convert("RGB")
    image.save(buffer, "MPO", save_all=True, append_images=[image])
    record = shelf.one(site.serve("/a", buffer.getvalue()))
    assert (record.status, record.file, record.width, record.height) == ("ok", "B1.jpg", 60, 50)


def test_a_jpeg_that_says_the_same_over_and_over_is_not_decoded(
    site: Any, shelf: Any, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((60, 60), 80).save(buffer, "JPEG", progressive=True)
    picture = buffer.getvalue()
    scan, end = picture[picture.rindex(b"\xff\xda") : -2], picture[-2:]
    decoded = list[int]()
    monkeypatch.setattr(checks, "_decode", lambda content: decoded.append(len(content)))
    bomb = site.serve("/bomb", picture[:-2] + scan * 500 + end)
    records = shelf.fetch({"picture": [site.serve("/a", picture)], "bomb": [bomb]})
    assert {item: record.status for item, record in records.items()} == {
        "picture": "ok",
        "bomb": "too-many-scans",
    }
    assert decoded == [len(picture)]


def test_a_decoder_that_gives_up_in_an_odd_way_ends_one_picture_only(
    site: Any, shelf: Any, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = JpegImageFile.load

    def odd(image: JpegImageFile) -> Any:
        if image.size == (30, 30):
            raise KeyError("no such table")
        return load(image)

    monkeypatch.setattr(JpegImageFile, "load", odd)
    monkeypatch.setattr(JpegImageFile, "draft", lambda *_: None)
    addresses = {str(side): [site.serve(f"/{side}", answers.noise(side))] for side in (20, 30, 40)}
    statuses = {item: record.status for item, record in shelf.fetch(addresses, retries=0).items()}
    assert statuses == {"20": "ok", "30": "broken", "40": "ok"}


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(site: Any, shelf: Any, answers: Any, code: int) -> None:
    url = site.answer("/a", answers.status(code), answers.status(code), answers.body(answers.noise()))
    assert shelf.one(url).ok
    assert site.asked["/a"] == 3
    record = shelf.fetch({"B2": [site.answer("/b", answers.status(code))]})["B2"]
    assert (record.status, record.passing) == (f"http-{code}", True)
    assert site.asked["/b"] == 3


@pytest.mark.parametrize("code", [204, 400, 401, 403, 404, 410])
def test_what_will_not_pass_is_asked_once(site: Any, shelf: Any, answers: Any, code: int) -> None:
    record = shelf.one(site.answer("/a", answers.status(code)))
    assert (record.status, record.passing) == (f"http-{code}", False)
    assert site.asked["/a"] == 1


def test_retry_after_is_waited_for_up_to_the_longest_pause(
    site: Any, shelf: Any, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def noted(self: hosts.Host, seconds: float) -> None:
        pauses.append(seconds)
        pause(self, seconds)

    pause = hosts.Host.pause
    monkeypatch.setattr(hosts.Host, "pause", noted)
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    wishes = (answers.status(429, Retry_After="0"), answers.status(503, Retry_After=later))
    assert shelf.one(site.answer("/a", *wishes, answers.body(answers.noise()))).ok
    assert pauses == [0.0, 0.5]


def test_a_pause_holds_back_all_that_is_asked_of_a_host() -> None:
    host = hosts.Host(1, 60)
    host.pause(100)
    host.pause(1)  # a shorter one does not cut it
    assert host.resume_in() > 50


def test_a_pause_counts_for_who_waits_for_a_place_already() -> None:
    async def order() -> list[str]:
        told, host, overall = list[str](), hosts.Host(2, 60), asyncio.Semaphore(1)

        async def second() -> None:
            async with host.place(overall):
                told.append(f"asked, {host.resume_in() <= 0}")

        async with host.place(overall):
            task = asyncio.create_task(second())
            await asyncio.sleep(0)  # it waits for the only place of all
            host.pause(0.05)
        await task
        return told

    assert asyncio.run(order()) == ["asked, True"]


@pytest.fixture
def tokyo() -> Iterator[None]:
    """Local time is not that of the servers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("9" * 400, 999_999_999_999.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 37.0),
        ("Sun, 06 Nov 1994 08:48:00 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 37.0),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("1.5", None),
        ("٣", None),
    ],
)
@pytest.mark.usefixtures("tokyo")
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    assert hosts.seconds_of(text, 784_111_740.0) == seconds


def test_a_host_that_answers_nobody_is_left_alone(
    site: Any, shelf: Any, caplog: pytest.LogCaptureFixture
) -> None:
    site.silent("/a")
    addresses = {f"B{number:02}": [f"{site.url}/a"] for number in range(40)}
    quick = {"read_seconds": 0.05, "host_patience_seconds": 0.01, "concurrency": 4, "per_host": 4}
    records = shelf.fetch(addresses, retries=0, **quick)
    statuses = [record.status for record in records.values()]
    assert statuses.count("silent-host") >= 40 - 2 * 10
    assert site.asked["/a"] < 20
    assert all(record.passing for record in records.values())
    assert caplog.text.count("serves nobody") == 1


@pytest.mark.parametrize("code", [429, 503])
def test_a_host_that_puts_off_everybody_is_left_alone(site: Any, shelf: Any, answers: Any, code: int) -> None:
    always = answers.status(code, Retry_After="1000000000")
    addresses = {f"B{number:02}": [site.answer(f"/{number}", always)] for number in range(40)}
    quick = {"max_wait_seconds": 0.001, "host_patience_seconds": 1e-6, "concurrency": 4, "per_host": 4}
    records = shelf.fetch(addresses, retries=1, **quick)
    assert sum(site.asked.values()) <= 10 + 4
    assert {record.status for record in records.values()} <= {"silent-host", f"http-{code}"}
    assert all(record.passing for record in records.values())


def test_a_host_that_puts_off_some_is_asked_on(site: Any, shelf: Any, answers: Any) -> None:
    picture = answers.body(answers.noise())
    urls = [site.answer(f"/{number}", answers.status(503), picture) for number in range(30)]
    urls = [url for busy in urls for url in (busy, site.url + "/gone")]
    quick = {"host_patience_seconds": 1e-6, "concurrency": 1, "retries": 1}
    records = shelf.fetch({f"B{number:02}": [url] for number, url in enumerate(urls)}, **quick)
    assert sum(record.ok for record in records.values()) == 30


def test_only_a_failure_that_may_pass_makes_a_host_pause(
    site: Any, shelf: Any, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pause(*_: Any) -> None:
        raise AssertionError("a 404 is no reason to wait")

    monkeypatch.setattr(hosts.Host, "pause", pause)
    assert shelf.one(site.answer("/a", answers.status(404, Retry_After="3600"))).status == "http-404"


def test_no_more_answers_lie_in_memory_than_there_are_places(
    site: Any, shelf: Any, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, held = [0], list[int]()
    content = answers.noise()

    def count(request: Any) -> None:
        served[0] += 1
        answers.body(content)(request)

    def slow(content: bytes, cfg: Any) -> Any:
        site.closing.wait(0.02)  # time for others to come, if they may
        held.append(served[0] - len(held))  # answered, and not looked at yet
        return look(content, cfg)

    look = checks.check
    monkeypatch.setattr(checks, "check", slow)
    addresses = {f"B{number}": [site.answer(f"/{number}", count)] for number in range(20)}
    shelf.fetch(addresses, concurrency=2)
    assert len(held) == 20
    assert max(held) <= 2


def test_limits_of_all_and_of_a_host_hold(site: Any, shelf: Any, answers: Any) -> None:
    picture = answers.noise()

    def together(places: int, **limits: int) -> None:
        """Answers come for so many at a time, so fewer would wait for ever."""
        meeting = threading.Barrier(places)

        def meet(request: Any) -> None:
            with site.at_work():
                meeting.wait(600)
            answers.body(picture)(request)

        urls = [site.answer(f"/{places}/{number}", meet) for number in range(24)]
        shelf.fetch({f"{places}-{number}": [url] for number, url in enumerate(urls)}, **limits)

    together(3, concurrency=8, per_host=3)
    assert site.most_busy == 3
    site.most_busy = 0
    together(2, concurrency=2, per_host=8)
    assert site.most_busy == 2


def test_mirrors_come_first_in_their_order_and_the_address_itself_last(
    site: Any, shelf: Any, answers: Any
) -> None:
    picture = answers.noise()
    site.serve("/two/I/a.jpg", picture)
    site.serve("/I/b.jpg", picture)
    mirrors = [
        {"prefix": f"{site.url}/I/", "mirror": f"{site.url}/one/I/"},
        {"prefix": "http://elsewhere.example/", "mirror": f"{site.url}/never/"},
        {"prefix": f"{site.url}/", "mirror": f"{site.url}/two/"},
    ]
    addresses = {"A": [f"{site.url}/I/a.jpg"], "B": [f"{site.url}/I/b.jpg"], "C": [f"{site.url}/I/c.jpg"]}
    records = shelf.fetch(addresses, mirrors=mirrors)
    assert (records["A"].url, records["A"].source) == (f"{site.url}/two/I/a.jpg", addresses["A"][0])
    assert records["B"].url == addresses["B"][0]
    assert [url.removeprefix(site.url) for url, _ in records["C"].failures] == [
        "/one/I/c.jpg",
        "/two/I/c.jpg",
        "/I/c.jpg",
    ]
    alone = shelf.fetch({"D": [f"{site.url}/I/b.jpg"]}, mirrors=mirrors, original=False)["D"]
    assert len(alone.failures) == 2
    nowhere = shelf.fetch({"E": ["http://other.example/I/b.jpg"]}, mirrors=mirrors, original=False)["E"]
    assert nowhere.status == "no-address"


@pytest.mark.parametrize("item", ["../../up", "a/b", "..", "x" * 400, "ü?*", "C:\\d"])
def test_an_odd_id_stays_in_the_folder(site: Any, shelf: Any, answers: Any, item: str) -> None:
    picture = answers.noise()
    record = shelf.fetch({item: [site.serve("/a", picture)]})[item]
    assert record.ok
    assert shelf.files == {record.file: picture}
