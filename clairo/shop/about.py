"""The shop in words, and how what was planted came out."""

import textwrap

import numpy as np

from clairo.shop.catalogue import NEW_SHARE
from clairo.shop.looks import LOOKS
from clairo.shop.purchases import CHAIN, MAIN, SECOND
from clairo.shop.shoppers import LONGEST, SHORTEST
from clairo.shop.truth import Truth
from clairo.shop.words import KINDS, THEMES


def describe() -> str:
    """What is planted in the shop, in words: paragraphs of plain text."""
    names = [kind.name for kind in KINDS]
    paragraphs = (
        "A made-up shop in the format of Amazon Review Data (2018).",
        f"""Every item has one of {len(THEMES)} themes, told only by its words, one of {len(LOOKS)} looks,
        told only by its picture, and one of {len(KINDS)} kinds, told by a word or two; the three are
        independent. Every user has a main and a second theme, and a main and a second look.""",
        f"""A purchase is drawn in two steps. First the kind: with probability {CHAIN:g} the one that follows
        the kind bought last in the chain {" > ".join([*names, names[0]])}, else one of the others; the
        direction of the chain shows only in the order of purchases. Then the item of that kind, in
        proportion to demand x taste for its theme x taste for its look, where a taste weighs {MAIN:g} for
        the main one, {SECOND:g} for the second, and {1 - MAIN - SECOND:.1g} is spread over all. Nobody buys
        an item twice.""",
        f"""Demand is long-tailed, and {NEW_SHARE:.0%} of the items come late, when most of each history is
        written. So many targets have few training events or none: counting who bought what with what falls
        short, and reading words and pictures pays.""",
        f"""Histories have {SHORTEST} to {LONGEST} purchases, on distinct days unless dirt puts two on one
        day. The reviews lie sorted by item, so order comes from their time alone. The file is no exact
        5-core: a few items have fewer reviews. Dirty rows are as in the published files, and none of them
        changes what is planted.""",
    )
    return "\n\n".join(textwrap.fill(" ".join(text.split()), 100) for text in paragraphs)


def measure(truth: Truth) -> dict[str, float]:
    """How what was planted came out: shares of all purchases, except where named otherwise."""
    catalogue, shoppers, events = truth.catalogue, truth.shoppers, truth.events
    user = np.repeat(np.arange(len(shoppers)), np.diff(shoppers.offsets))
    kind = catalogue.kind[events].astype(np.int64)
    later = user[1:] == user[:-1]
    training = np.ones(len(events), dtype=bool)
    training[shoppers.offsets[1:] - 1] = training[shoppers.offsets[1:] - 2] = False
    seen = np.bincount(events[training], minlength=len(catalogue))
    targets = events[shoppers.offsets[1:] - 1]
    sold = np.sort(np.bincount(events, minlength=len(catalogue)))[::-1]
    shares = {
        "kind_follows_chain": (kind[1:] == (kind[:-1] + 1) % len(KINDS))[later].mean(),
        "main_theme": (catalogue.theme[events] == shoppers.theme[user, 0]).mean(),
        "main_look": (catalogue.look[events] == shoppers.look[user, 0]).mean(),
        "of_the_most_sold_fifth_of_items": sold[: len(catalogue) // 5].sum() / len(events),
        "items_with_fewer_than_5_purchases": (sold < 5).mean(),
        "targets_without_training_purchase": (seen[targets] == 0).mean(),
        "targets_with_fewer_than_5_training_purchases": (seen[targets] < 5).mean(),
    }
    return {name: round(float(share), 4) for name, share in shares.items()}
