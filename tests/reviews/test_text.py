"""Cleaning of item texts."""

import re
import time

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clairo.reviews import text

PIECES = st.sampled_from(
    [
        "<b>",
        "</b>",
        "<br/>",
        "<",
        ">",
        "&amp;",
        "&lt;",
        "lt;",
        "&",
        "<3",
        "a",
        " ",
        "\n",
        '<a href="',
        '"',
        "=",
        "span",
    ]
)


@pytest.mark.parametrize(
    ("published", "cleaned"),
    [
        ("I <3 you", "I <3 you"),
        ("a < b", "a < b"),
        ("a<b and c>d", "a<b and c>d"),
        ("a <b", "a <b"),
        ("by <brand>", "by <brand>"),
        ("from <$5 to >3", "from <$5 to >3"),
        ("AT&T", "AT&T"),
        ("?a=1&copy=2", "?a=1&copy=2"),
        ("Tom &amp; Jerry&#39;s caf&#xE9;&nbsp;", "Tom & Jerry's café"),
        ("&amp;amp;", "&"),
        ("&lt;p&gt;Twice&lt;/p&gt; escaped", "Twice escaped"),
        ('<span class="a-size-medium a-color-secondary"', ""),
        ("</span></span></span>", ""),
        ("one<br>two<BR/>three", "one two three"),
        ("<b>bold</b>ly", "boldly"),
        ('<a href="x">here</a>', "here"),
        ('<img alt="a > b" src=x>z', "z"),
        ("<img alt='it's'>it's <i>so</i>", "it's so"),
        ('<font size=2 color="red>t</font>', "t"),
        ('<div\nclass="x">z</div>', "z"),
        ("<td nowrap>z", "z"),
        ("cut off <br", "cut off"),
        ('<script>var a = "<b>";</script>Title', "Title"),
        ("<style>.a{b:c}</style>Title<script>never closed", "Title"),
        ("<!-- note -->Title<!-- never closed", "Title"),
        ("<<b>b>bold", "bold"),
        (" \n two\t\r\n words \x00", "two words"),
        ("", ""),
    ],
)
def test_only_markup_entities_and_white_space_go(published: str, cleaned: str) -> None:
    assert text.clean(published) == cleaned


@given(st.lists(PIECES, max_size=7).map("".join) | st.text(max_size=7))
@example("&amp;lt;b&amp;gt;x")
@example("<<b>b>x")
def test_clean_text_stays_as_it_is(published: str) -> None:
    cleaned = text.clean(published)
    assert text.clean(cleaned) == cleaned
    assert cleaned == " ".join(cleaned.split())


@given(st.text(st.characters(exclude_characters="<&", exclude_categories=["Cc", "Cs"])))
def test_text_without_markup_keeps_every_word(published: str) -> None:
    assert text.clean(published) == " ".join(published.split())


@given(st.lists(PIECES).map("".join))
def test_polars_and_python_agree_on_what_is_markup(published: str) -> None:
    if published.endswith("\n"):
        return  # `$` also matches before a last line feed in Python alone, which cleaning does not mind
    for pattern in (text.MARKUP, text.ENTITY, text.PRICE):
        in_polars = pl.Series([published]).str.contains(pattern)[0]
        assert in_polars == (re.search(pattern, published) is not None)


@pytest.mark.parametrize("unit", ["<div ", '="', "<!--", "<script", "&amp;", '<a b="', "<b", "&lt;"])
def test_cleaning_takes_no_more_than_linear_time(unit: str) -> None:
    start = time.perf_counter()
    text.clean(unit * 20_000)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("published", "kept"),
    [
        ("$9.99", "$9.99"),
        ("\n $1,299.00 \n", "$1,299.00"),
        ("$5.99 - $12.99", "$5.99 - $12.99"),
        ("12.5", "12.5"),
        ("599", "599"),
        ("£3", "£3"),
        ("CDN$ 5.00", "CDN$ 5.00"),
        ("EUR 5.00", "EUR 5.00"),
        ("", None),
        ("$", None),
        ("1,2345", None),
        (".a-box-inner{background-color:#fff}#alohaBuyBoxWidget .selected{$9.99}", None),
        ("\n\n\n<script>P.when('A').execute(function(A){ $9.99 })", None),
    ],
)
def test_a_price_is_an_amount_or_nothing(published: str, kept: str | None) -> None:
    assert text.price([published]) == kept


def test_titles_that_are_scripts_are_none() -> None:
    assert text.title(["var aPageStart = (new Date()).getTime();\nvar ue_t0=ue_t0||+new Date();"]) is None
    assert text.title(["<script>var t = (new Date()).getTime();</script>Real title"]) == "Real title"
    assert text.title(["", " \n"]) is None
    assert text.title([]) is None


def test_brands_lose_the_by_before_them() -> None:
    assert text.brand(["by\n    \n    Microsoft"]) == "Microsoft"
    assert text.brand(["Bytes & Co"]) == "Bytes & Co"
    assert text.brand(["by Malene Birger"]) == "by Malene Birger"
