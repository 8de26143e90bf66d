"""The planted probabilities: against a slow twin, and against what was drawn from them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clairo.shop.catalogue import PERIOD, Catalogue, stock
from clairo.shop.looks import LOOKS
from clairo.shop.purchases import CHAIN, MAIN, SECOND, appeal, chain, probabilities, simulate
from clairo.shop.shoppers import LONGEST, SHORTEST, Shoppers, invite, same_day
from clairo.shop.truth import Truth, best_ranks
from clairo.shop.words import KINDS, THEMES


@pytest.fixture(scope="module")
def truth() -> Truth:
    catalogue = stock(300, seed=5)
    shoppers = invite(400, catalogue, seed=5, ties=0.02)
    return Truth(catalogue, shoppers, simulate(catalogue, shoppers, seed=5))


def slow_probabilities(truth: Truth, user: int, position: int) -> list[float]:
    """The words of `describe`, one item after the other."""
    items, shopper = truth.catalogue, truth.shoppers
    before = truth.history(user)[:position].tolist()
    day = shopper.days[shopper.offsets[user] + position]

    def taste(value: int, favourites: list[int], n: int) -> float:
        return MAIN * (value == favourites[0]) + SECOND * (value == favourites[1]) + (1 - MAIN - SECOND) / n

    def weight(item: int) -> float:
        if item in before or items.birth[item] > day:
            return 0.0
        theme = taste(items.theme[item], shopper.theme[user].tolist(), len(THEMES))
        look = taste(items.look[item], shopper.look[user].tolist(), len(LOOKS))
        return float(items.demand[item]) * theme * look

    def kind_chance(kind: int) -> float:
        if not before:
            return 1 / len(KINDS)
        follows = kind == (items.kind[before[-1]] + 1) % len(KINDS)
        return CHAIN if follows else (1 - CHAIN) / (len(KINDS) - 1)

    weights = [weight(item) for item in range(len(items))]
    total = [
        sum(w for w, k in zip(weights, items.kind, strict=True) if k == kind) for kind in range(len(KINDS))
    ]
    chance = [kind_chance(kind) if total[kind] else 0.0 for kind in range(len(KINDS))]
    return [
        w and w / total[k] * chance[k] / sum(chance)
        for w, k in zip(weights, items.kind.tolist(), strict=True)
    ]


def test_probabilities_are_those_of_the_slow_twin(truth: Truth) -> None:
    for user in range(0, 40, 4):
        for position in range(len(truth.history(user))):
            fast, slow = truth.next_item(user, position), slow_probabilities(truth, user, position)
            np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=0)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_probabilities_sum_to_one_whatever_is_sold_out(seed: int) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 30))
    catalogue = Catalogue(
        ids=np.array([f"B{row}" for row in range(n)]),
        theme=random.integers(len(THEMES), size=n).astype(np.uint8),
        look=random.integers(len(LOOKS), size=n).astype(np.uint8),
        kind=random.integers(len(KINDS), size=n).astype(np.uint8),
        demand=random.random(n) + 0.01,
        birth=np.zeros(n, dtype=np.int32),
    )
    wanted = np.where(random.random(n) < 0.5, catalogue.demand, 0.0)
    wanted[0] = 1.0
    previous = int(random.integers(-1, len(KINDS)))
    chances = probabilities(catalogue, wanted, day=0, previous=previous)
    assert chances.sum() == pytest.approx(1)
    assert (chances >= 0).all()
    assert ((chances == 0) == (wanted == 0)).all()


def test_purchases_are_drawn_from_the_probabilities(truth: Truth) -> None:
    """Over all purchases, the share in a group of items is the mean of its probability, within 4 errors."""
    events = [(user, at) for user in range(len(truth.shoppers)) for at in range(len(truth.history(user)))]
    chances = np.stack([truth.next_item(user, at) for user, at in events])
    bought = truth.events.astype(np.int64)
    items = truth.catalogue
    groups = {
        "demand": items.demand > np.quantile(items.demand, 0.9),
        "new": items.birth > 0,
        "kind": items.kind == 2,
        "theme": items.theme == 3,
        "look": items.look == 7,
    }
    for name, group in groups.items():
        p = chances @ group
        error = np.sqrt((p * (1 - p)).sum())
        assert abs(group[bought].sum() - p.sum()) < 4 * error, name
    likely = chances[np.arange(len(bought)), bought]
    entropy = -(chances * np.log(np.where(chances > 0, chances, 1))).sum(axis=1)
    assert -np.log(likely).mean() == pytest.approx(entropy.mean(), rel=0.03)


def test_kinds_follow_the_chain_in_the_ratio_stated(truth: Truth) -> None:
    kinds = [truth.catalogue.kind[truth.history(user)].astype(int) for user in range(len(truth.shoppers))]
    steps = np.concatenate([(row[1:] - row[:-1]) % len(KINDS) for row in kinds])
    error = np.sqrt(CHAIN * (1 - CHAIN) / len(steps))
    assert (steps == 1).mean() == pytest.approx(CHAIN, abs=4 * error)
    backward = (1 - CHAIN) / (len(KINDS) - 1)
    assert (steps == len(KINDS) - 1).mean() == pytest.approx(backward, abs=4 * error)


def test_the_chain_is_a_table_of_probabilities() -> None:
    np.testing.assert_allclose(chain().sum(axis=1), 1)


def test_nobody_buys_twice_or_before_birth(truth: Truth) -> None:
    for user in range(len(truth.shoppers)):
        history = truth.history(user)
        assert len(set(history.tolist())) == len(history)
    assert (truth.catalogue.birth[truth.events] <= truth.shoppers.days).all()


def test_days_rise_and_tie_as_often_as_asked(truth: Truth) -> None:
    shoppers = truth.shoppers
    assert shoppers.days.min() >= 0
    assert shoppers.days.max() < PERIOD
    for user in range(len(shoppers)):
        assert (np.diff(shoppers.days[shoppers.offsets[user] : shoppers.offsets[user + 1]]) >= 0).all()
    assert same_day(shoppers).sum() == round(0.02 * len(shoppers.days))


def test_histories_are_as_long_as_stated(truth: Truth) -> None:
    lengths = np.diff(truth.shoppers.offsets)
    assert lengths.min() == SHORTEST
    assert lengths.max() == LONGEST
    assert np.median(lengths) < lengths.mean()


def test_a_taste_is_felt_in_appeal() -> None:
    catalogue = stock(300, seed=1)
    shoppers = Shoppers(
        ids=np.array(["A"]),
        theme=np.array([[4, 4]], dtype=np.uint8),
        look=np.array([[2, 3]], dtype=np.uint8),
        offsets=np.array([0, 0]),
        days=np.empty(0, dtype=np.int32),
    )
    wanted = appeal(catalogue, shoppers, 0) / catalogue.demand
    rest = 1 - MAIN - SECOND
    of_theme = wanted[(catalogue.theme == 4) & (catalogue.look == 0)]
    np.testing.assert_allclose(of_theme, (MAIN + SECOND + rest / len(THEMES)) * rest / len(LOOKS))


def test_ranks_of_the_ceiling_are_those_of_a_sort(truth: Truth) -> None:
    ranks = best_ranks(truth)
    for user in range(0, len(truth.shoppers), 20):
        history = truth.history(user)
        order = np.argsort(-truth.next_item(user, len(history) - 1), kind="stable")
        assert order[ranks[user]] == history[-1]
