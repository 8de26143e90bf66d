r"""Cleaning the words of items: markup, scripts, entities and runs of white space go, all else stays.

Only what is surely markup goes: `<`, a known element's name, and attributes that look like attributes. So
`<3`, `a < b` and `<brand>` stay, and so does `a <b and c> d`, where a parser of html would see a bold `d`.
The patterns are also given to polars, which counts with them: they use only what both engines understand.
"""

import html
import re
from collections.abc import Iterable

_SHORT = "a b i p q s u"
_INLINE = (
    "abbr acronym bdi bdo big cite code del dfn em font ins kbd label mark nobr samp small span "
    "strike strong sub sup tt var wbr"
)
_BLOCK = (
    "address article aside audio base blockquote body br button caption center col colgroup dd "
    "details dir div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 "
    "h5 h6 head header hr html iframe img input legend li link main map area menu meta nav noscript "
    "object ol optgroup option o:p param picture pre section select source summary svg path table "
    "tbody td textarea tfoot th thead title tr track ul video"
)


def _names(names: str) -> str:
    return "(?:" + "|".join(names.split()) + ")"


def _tag(names: str) -> str:
    """An opening or closing tag of long-named elements; at the end of the text it may be cut off."""
    quoted = r"""(?:[^<>"'=]|=\s*"[^"<]*"|=\s*'[^'<]*'|=)*"""
    whole = rf"</?{_names(names)}(?:\s{quoted}|\s[^<>]*)?/?>"
    cut = rf"</?{_names(names)}(?:\s+{_ASSIGNED})?\s*/?$"
    return f"{whole}|{cut}"


# An attribute with its value, and whatever follows it in the tag.
_ASSIGNED = r"[\w:.-]+\s*=[^<>]*"
_SHORT_TAG = rf"<{_names(_SHORT)}\s*/?>|</{_names(_SHORT)}\s*(?:>|$)|<{_names(_SHORT)}\s+{_ASSIGNED}(?:>|$)"
_HIDDEN = r"<script\b.*?(?:</script\s*>|$)|<style\b.*?(?:</style\s*>|$)|<!--.*?(?:-->|$)|<!doctype[^>]*>"

MARKUP = rf"(?is)(?P<inline>{_SHORT_TAG}|{_tag(_INLINE)})|{_HIDDEN}|{_tag(_BLOCK)}"
"""A tag, a comment, or a script or style with what it holds."""
ENTITY = r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);"
"""An entity; without its semicolon it is not one (`?a=1&copy=2`)."""
SCRIPT = "getTime"
"""What every page script has that was published in the place of a title."""
_AMOUNT = r"(?:[A-Z]{0,3}[$€£¥₹] ?|[A-Z]{3} )?[0-9]{1,3}(?:,?[0-9]{3})*(?:\.[0-9]{1,2})?"
PRICE = rf"^\s*{_AMOUNT}(?:\s*-\s*{_AMOUNT})?\s*$"
"""An amount or a range, in dollars or any other money."""

_markup, _entity, _price = re.compile(MARKUP), re.compile(ENTITY), re.compile(PRICE)
# Control characters, and halves of surrogate pairs, which json can hold but no file of text.
_UNPRINTABLE = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)), " ")
_ROUNDS = 8  # more than any feed escapes; a text made to need one round a letter must not take forever
_BY = re.compile(r"by\s*\n")


def clean(text: str) -> str:
    """`text` without markup and entities, its white space single blanks; empty if nothing is left.

    Cleaning is repeated while it changes something, for feeds escape html twice and more.
    """
    text = text.translate(_UNPRINTABLE)
    for _ in range(_ROUNDS):
        if "<" not in text and "&" not in text:
            break
        text = _entity.sub(_unescape, _markup.sub(_gap, text)).translate(_UNPRINTABLE)
    return " ".join(text.split())


def title(texts: Iterable[str]) -> str | None:
    """A title, None where the page's script or nothing was published in its place."""
    words = joined(texts)
    return None if words is None or SCRIPT in words else words


def brand(texts: Iterable[str]) -> str | None:
    r"""A brand, without the `by\n` that some pages set before it."""
    return title(_BY.sub("", text, count=1) if _BY.match(text.lstrip()) else text for text in texts)


def price(texts: Iterable[str]) -> str | None:
    """A price such as `$1,299.00` or `$5.99 - $12.99`; None for the scripts and styles found in its place."""
    words = joined(texts)
    return words if words is not None and _price.match(words) else None


def joined(texts: Iterable[str]) -> str | None:
    """Texts cleaned and joined, None if nothing is left."""
    return " ".join(listed(texts)) or None


def listed(texts: Iterable[str]) -> list[str]:
    """Texts cleaned, without those of which nothing is left."""
    return [words for text in texts if (words := clean(text))]


def _gap(found: re.Match[str]) -> str:
    """What stands for a tag: nothing for one inside a line (`<b>`), a blank for one that ends it (`<br>`)."""
    return "" if found["inline"] else " "


def _unescape(found: re.Match[str]) -> str:
    return html.unescape(found[0])
