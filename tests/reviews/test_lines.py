"""Files as a stream of whole lines."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clairo.errors import InputError
from clairo.reviews import lines
from clairo.reviews.lines import Lines

TEXT = b"".join(b'{"line": %d, "words": "%s"}\n' % (n, b"word " * (n % 7)) for n in range(1, 3001))


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "CHUNK", 4096)
    monkeypatch.setattr(lines, "_READ", 512)


def _write(folder: Path, content: bytes) -> Path:
    path = folder / "lines.json.gz"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        gzip.compress(TEXT),
        gzip.compress(TEXT[:1000]) + gzip.compress(b"") + gzip.compress(TEXT[1000:]),
        gzip.compress(TEXT) + bytes(1000),
    ],
    ids=["plain", "gzip", "gzip members", "gzip padded"],
)
def test_chunks_are_the_file_with_line_numbers(tmp_path: Path, content: bytes) -> None:
    chunks = list(Lines(_write(tmp_path, content), skip=False).chunks())
    assert b"".join(chunk.text for chunk in chunks) == TEXT
    assert len(chunks) > 10
    for chunk in chunks:
        assert chunk.text.startswith(b'{"line": %d,' % chunk.line)
        assert chunk.text.endswith(b"\n")


@given(st.lists(st.sampled_from([b"a", b"bb", b"\n", b"\r\n"])).map(b"".join), st.integers(1, 8))
def test_any_content_comes_through(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, size: int
) -> None:
    path = _write(tmp_path_factory.mktemp("lines"), gzip.compress(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "CHUNK", size)
        chunks = list(Lines(path, skip=False).chunks())
    assert b"".join(chunk.text for chunk in chunks) == content
    for chunk in chunks:
        before = content[: content.index(chunk.text)] if chunk is chunks[0] else None
        assert before is None or chunk.line == 1 + before.count(b"\n")
    numbers = [1]
    for chunk in chunks:
        numbers.append(numbers[-1] + chunk.text.count(b"\n"))
    assert [chunk.line for chunk in chunks] == numbers[:-1]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_gzip_stream_names_the_line_it_reaches(tmp_path: Path, share: float) -> None:
    packed = gzip.compress(TEXT)
    path = _write(tmp_path, packed[: int(len(packed) * share)])
    skipping = Lines(path, skip=True)
    readable = b"".join(chunk.text for chunk in skipping.chunks())
    assert TEXT.startswith(readable)
    assert len(readable) > 0.8 * share * len(TEXT) - 40_000
    assert skipping.damage is not None
    with pytest.raises(InputError, match=rf"lines\.json\.gz, line {readable.count(10) + 1}: .*truncated"):
        list(Lines(path, skip=False).chunks())


def test_a_missing_checksum_is_a_truncated_stream(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 3001: .*truncated"):
        list(Lines(_write(tmp_path, gzip.compress(TEXT)[:-4]), skip=False).chunks())


def test_a_gzip_stream_with_a_wrong_checksum_is_an_error_unless_skipped(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[-5] ^= 1
    path = _write(tmp_path, bytes(packed))
    with pytest.raises(InputError, match=r"line \d+: the gzip stream is damaged from here on .*check"):
        list(Lines(path, skip=False).chunks())
    skipping = Lines(path, skip=True)
    readable = b"".join(chunk.text for chunk in skipping.chunks())
    assert TEXT.startswith(readable)
    assert len(readable) > len(TEXT) // 2
    assert skipping.damage is not None


def test_words_after_the_gzip_stream_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 3001: the gzip stream is damaged from here on .*header"):
        list(Lines(_write(tmp_path, gzip.compress(TEXT) + b"and more"), skip=False).chunks())


def test_an_endless_line_is_an_error_not_a_full_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 10_000)
    with pytest.raises(InputError, match="line 2: longer than"):
        list(Lines(_write(tmp_path, b"{}\n" + b"x" * 50_000), skip=True).chunks())


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json\.gz cannot be read"):
        list(Lines(tmp_path / "none.json.gz", skip=False).chunks())


def test_a_reader_that_is_left_early_stops_reading(tmp_path: Path) -> None:
    chunks = Lines(_write(tmp_path, TEXT), skip=False).chunks()
    assert next(chunks).line == 1
    chunks.close()  # type: ignore[attr-defined]
    assert next(chunks, None) is None
