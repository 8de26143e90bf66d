"""Comparing runs: by hand, against resampling users one by one, and what cannot be compared."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import clairo
from clairo.errors import InputError
from clairo.report.comparison import Comparison, compare, told
from clairo.report.users import SCHEMA

Ranks = list[int | None]
Keep = Callable[..., Path]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """A function that writes what a report keeps of users u0, u1, ... with these ranks (from 1) on test."""

    def write(name: str, **systems: Ranks) -> Path:
        rows = [
            {
                "user": f"u{user}",
                "split": "test",
                "masked": False,
                "system": system,
                "target": f"i{user % 7}",
                "rank": rank,
                "listed": 50,
                "history_length": 3 + user % 4,
            }
            for system, ranks in systems.items()
            for user, rank in enumerate(ranks)
        ]
        folder = tmp_path / name
        (folder / "report").mkdir(parents=True)
        save(folder, pl.DataFrame(rows, schema=SCHEMA, strict=False))
        return folder

    return write


def table(run: Path) -> pl.DataFrame:
    return pl.read_parquet(run / "report" / "users.parquet")


def save(run: Path, rows: pl.DataFrame) -> None:
    rows.write_parquet(run / "report" / "users.parquet")


def skewed(n: int, skill: float, seed: int) -> Ranks:
    """Ranks of `n` users: a share `skill` has its target in the list, mostly near the top."""
    rng = np.random.default_rng(seed)
    return [int(min(rng.geometric(0.15), 50)) if rng.random() < skill else None for _ in range(n)]


def test_a_case_worked_out_by_hand(keep: Keep) -> None:
    first, second = keep("a", model=[1, 3, None, 6]), keep("b", model=[1, 7, 12, None])
    found = compare(first, second, metrics=["recall@5", "recall@10", "ndcg@10"], resamples=200)
    assert (found.users, found.users_of_first, found.users_of_second, found.other_histories) == (4, 4, 4, 0)
    recall = found.metrics["recall@5"]
    assert (recall.first, recall.second, recall.difference, recall.users_differ) == (0.5, 0.25, 0.25, 0.25)
    recall = found.metrics["recall@10"]
    assert (recall.first, recall.second, recall.difference, recall.users_differ) == (0.75, 0.5, 0.25, 0.25)
    ndcg = found.metrics["ndcg@10"]  # ranks 3, 6 and 7: 1 / log2 of 4, 7 and 8
    assert ndcg.first == pytest.approx((1 + 1 / 2 + 1 / math.log2(7)) / 4)
    assert ndcg.second == pytest.approx((1 + 1 / 3) / 4)
    assert ndcg.difference == pytest.approx((1 / 6 + 1 / math.log2(7)) / 4)
    assert ndcg.users_differ == 0.5


def gains(ranks: Ranks) -> list[float]:
    return [0.0 if rank is None or rank > 10 else 1 / math.log2(rank + 1) for rank in ranks]


def test_intervals_are_those_of_resampling_users_one_by_one(keep: Keep) -> None:
    one, two = skewed(60, 0.5, 1), skewed(60, 0.45, 2)
    found = compare(keep("a", model=one), keep("b", model=two), resamples=4000).metrics["ndcg@10"]
    rng, differences = np.random.default_rng(3), []
    pairs = list(zip(gains(one), gains(two), strict=True))
    for _ in range(4000):
        drawn = [pairs[user] for user in rng.integers(0, 60, 60)]
        differences.append(sum(left - right for left, right in drawn) / 60)
    low, high = np.quantile(differences, [0.025, 0.975])
    assert found.interval == pytest.approx((low, high), abs=0.008)
    other = np.mean([gap * found.difference <= 0 for gap in differences])
    assert 0.05 < other < 0.95  # a case in which the two can disagree
    assert found.other_sign == pytest.approx(other, abs=0.04)


def test_a_run_is_level_with_itself_to_the_last_bit(keep: Keep) -> None:
    ranks = skewed(300, 0.5, 1)
    first, second = keep("a", model=ranks), keep("b", model=ranks)
    save(second, table(second).sample(fraction=1.0, shuffle=True, seed=1))
    for found in compare(first, second, resamples=500).metrics.values():
        assert found.first == found.second > 0
        assert (found.difference, found.interval) == (0.0, (0.0, 0.0))
        assert (found.users_differ, found.other_sign) == (0.0, 1.0)


def test_the_interval_is_paired(keep: Keep) -> None:
    """One system that is a little better for a few users: apart only because both face the same users."""
    ranks = skewed(1000, 0.5, 1)
    worse = [None if user % 40 == 0 else rank for user, rank in enumerate(ranks)]
    paired = compare(keep("a", model=ranks), keep("b", model=worse)).metrics["recall@10"]
    assert paired.interval[0] > 0
    assert paired.other_sign == 0
    unpaired = 1.96 * math.sqrt(2 * 0.4 * 0.6 / 1000)
    assert paired.difference < unpaired


def test_the_seed_alone_decides(keep: Keep) -> None:
    first, second = keep("a", model=skewed(80, 0.5, 1)), keep("b", model=skewed(80, 0.4, 2))
    found = compare(first, second, resamples=300, seed=1)
    save(first, table(first).sample(fraction=1.0, shuffle=True, seed=2))
    assert compare(first, second, resamples=300, seed=1) == found
    assert compare(first, second, resamples=300, seed=2).metrics != found.metrics


def test_a_rival_is_named_behind_its_run(keep: Keep) -> None:
    run = keep("a:b", model=[1, None], item2item=[2, 2])
    found = compare(run, f"{run}:item2item", metrics=["recall@1"], resamples=10)
    assert (found.first, found.second) == ((str(run), "model"), (str(run), "item2item"))
    assert (found.metrics["recall@1"].first, found.metrics["recall@1"].second) == (0.5, 0.0)
    assert compare(f"{run}:item2item", f"{run}:item2item", resamples=10).metrics["ndcg@10"].difference == 0


def test_users_of_one_side_alone_are_left_out_and_counted(keep: Keep) -> None:
    first, second = keep("a", model=[1, None, 3, 4]), keep("b", model=[2, 2, None, None])
    save(first, table(first)[:3])
    save(second, table(second)[1:])
    found = compare(first, second, metrics=["recall@5"], resamples=10)
    assert (found.users, found.users_of_first, found.users_of_second) == (2, 3, 3)
    assert (found.metrics["recall@5"].first, found.metrics["recall@5"].second) == (0.5, 0.5)


def test_other_targets_are_refused_and_counted(keep: Keep) -> None:
    first, second = keep("a", model=[1] * 10), keep("b", model=[1] * 10)
    wrong = pl.when(pl.col("user").is_in(["u3", "u8"])).then(pl.lit("else")).otherwise("target")
    save(second, table(second).with_columns(wrong.alias("target")))
    with pytest.raises(InputError, match=r"2 of the 10 users .* another target .* 'u3'"):
        compare(first, second)


def test_no_common_user_is_refused(keep: Keep) -> None:
    first, second = keep("a", model=[1]), keep("b", model=[1])
    save(second, table(second).with_columns(user=pl.lit("somebody else")))
    with pytest.raises(InputError, match="no user is in both"):
        compare(first, second)


def test_histories_of_another_length_are_counted(keep: Keep) -> None:
    first, second = keep("a", model=[1] * 8), keep("b", model=[1] * 8)
    save(second, table(second).with_columns(pl.col("history_length").clip(upper_bound=4)))
    assert compare(first, second, resamples=10).other_histories == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"metrics": ["recall@51"]}, "lists hold 50 items, too few for recall@51"),
        ({"metrics": ["recall@0"]}, "no metric 'recall@0'"),
        ({"metrics": ["mrr@10"]}, "no metric 'mrr@10'"),
        ({"condition": "train"}, "no condition 'train'"),
        ({"condition": "masked"}, "has no model under masked"),
        ({"resamples": 0}, "resamples must be above 0"),
        ({"second": "nowhere"}, "no run folder 'nowhere'"),
        ({"second": "RUN:bogus"}, "names no system"),
        ({"second": "RUN:markov"}, "has no markov under test"),
    ],
)
def test_what_cannot_be_compared_is_said(keep: Keep, change: dict[str, Any], told: str) -> None:
    run = keep("a", model=[1, 2])
    asked = {"second": run} | change
    asked["second"] = str(asked["second"]).replace("RUN", str(run))
    with pytest.raises(InputError, match=told):
        compare(run, **asked)


def test_the_table_says_what_was_found(keep: Keep) -> None:
    found = compare(keep("a", model=[1, 3, None, 6]), keep("b", model=[1, 7, 12, None]), resamples=1000)
    text = told(found)
    assert isinstance(found, Comparison)
    assert "test: 4 users that both have" in text
    line = next(line for line in text.splitlines() if line.startswith("recall@10"))
    assert line.split()[1:4] == ["0.7500", "0.5000", "+0.2500"]
    assert "25.0%" in line
    assert "other sign: share of resamples" in text
    certain = told(compare(keep("c", model=[1] * 9), keep("d", model=[None] * 9), resamples=1000))
    assert "[+1.0000, +1.0000]   100.0%     < 0.001" in certain


def test_it_is_a_function_of_the_package() -> None:
    assert clairo.compare is compare
