"""Two recipes with several seeds each, beside averages made by hand."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from clairo import metrics
from clairo.errors import InputError
from clairo.report import compare
from clairo.report.seeds import compare_seeds
from clairo.report.users import FILE, SCHEMA

N = 400


def write(
    folder: Path,
    ranks: NDArray[np.int64],
    targets: list[str] | None = None,
    some: NDArray[np.int64] | None = None,
) -> tuple[Path, str]:
    """A run whose model ranked the targets of test so, from 0, -1 for absent, for all users or `some`."""
    (folder / "report").mkdir(parents=True)
    frame = pl.DataFrame(
        {
            "user": [f"user {i:03}" for i in range(len(ranks))],
            "split": "test",
            "masked": False,
            "system": "model",
            "target": targets or [f"item {i % 7}" for i in range(len(ranks))],
            "rank": pl.Series(ranks + 1).replace(0, None),
            "listed": 50,
            "history_length": 3,
            "user_training_events": 3,
            "target_training_events": 2,
            "target_tail": "tail",
            "repeat": False,
            "tie": None,
        },
        strict=False,
    )
    frame = frame if some is None else frame[some]
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=len(folder.name))
    shuffled.cast(SCHEMA).write_parquet(folder / "report" / FILE)
    return folder, "model"


def drawn(seed: int, hits: float) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(N) < hits, rng.integers(0, 12, N), -1)


def test_users_count_with_their_average_over_seeds(tmp_path: Path) -> None:
    ranks = {
        name: [drawn(seed, hits) for seed in seeds]
        for name, hits, seeds in (
            ("first", 0.5, (1, 2, 3)),
            ("second", 0.35, (4, 5, 6)),
        )
    }
    sides = {
        name: [write(tmp_path / f"{name} {i}", one) for i, one in enumerate(found)]
        for name, found in ranks.items()
    }
    found = compare_seeds(sides["first"], sides["second"], condition="test", resamples=4000)
    assert found["users"] == N
    for name, metric, k in (("recall@5", metrics.recall, 5), ("ndcg@10", metrics.ndcg, 10)):
        values = {side: np.stack([metric(one, k) for one in several]) for side, several in ranks.items()}
        gap = found["metrics"][name]
        assert gap["first"] == pytest.approx(values["first"].mean())
        assert gap["second"] == pytest.approx(values["second"].mean())
        assert gap["by_seed"] == pytest.approx((values["first"] - values["second"]).mean(axis=1))
        of_user = values["first"].mean(axis=0) - values["second"].mean(axis=0)
        assert gap["difference"] == pytest.approx(of_user.mean())
        # A percentile interval of a mean over many users is nearly the normal one.
        half = 1.96 * of_user.std() / np.sqrt(N)
        low, high = gap["interval"]
        assert low == pytest.approx(of_user.mean() - half, abs=0.15 * half)
        assert high == pytest.approx(of_user.mean() + half, abs=0.15 * half)
        assert gap["verdict"] == "above"
    turned = compare_seeds(sides["second"], sides["first"], condition="test", resamples=500)
    assert {gap["verdict"] for gap in turned["metrics"].values()} == {"below"}


def test_each_seed_may_have_its_own_sample_of_users(tmp_path: Path) -> None:
    """No user is lost that a seed has, and a user with both seeds is drawn with both."""
    samples = [np.arange(0, 300), np.arange(250, N)]
    ranks = [(drawn(1, 0.5), drawn(2, 0.35)), (drawn(3, 0.5), drawn(4, 0.35))]
    sides = [
        [write(tmp_path / f"{side} {seed}", ranks[seed][side], some=samples[seed]) for seed in (0, 1)]
        for side in (0, 1)
    ]
    found = compare_seeds(sides[0], sides[1], condition="test", resamples=4000)
    assert found["users"] == N
    gaps = [metrics.recall(one, 10) - metrics.recall(other, 10) for one, other in ranks]
    by_seed = [gap[some].mean() for gap, some in zip(gaps, samples, strict=True)]
    gap = found["metrics"]["recall@10"]
    assert gap["by_seed"] == pytest.approx(by_seed)
    assert gap["difference"] == pytest.approx(np.mean(by_seed))
    assert gap["first"] - gap["second"] == pytest.approx(gap["difference"])
    rng, means = np.random.default_rng(0), []
    for _ in range(4000):
        users = rng.integers(0, N, N)
        taken = [gaps[0][users[users < 300]], gaps[1][users[users >= 250]]]
        means.append(np.mean([one.mean() for one in taken]))
    ends = np.quantile(means, [0.025, 0.975])
    assert gap["interval"] == pytest.approx(ends.tolist(), abs=0.1 * (ends[1] - ends[0]))


def test_more_seeds_make_the_interval_narrower(tmp_path: Path) -> None:
    first = [write(tmp_path / f"first {i}", drawn(i, 0.4)) for i in range(6)]
    second = [write(tmp_path / f"second {i}", drawn(i + 6, 0.4)) for i in range(6)]

    def width(n: int) -> float:
        found = compare_seeds(first[:n], second[:n], condition="test", resamples=1000)
        low, high = found["metrics"]["ndcg@10"]["interval"]
        return float(high - low)

    assert width(6) < 0.6 * width(1)


def test_with_one_seed_it_says_what_compare_says(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", drawn(1, 0.5)), write(tmp_path / "b", drawn(2, 0.4))
    found = compare_seeds([first], [second], condition="test", resamples=3000)
    other = compare(first[0], second[0], condition="test", resamples=3000)
    for name, gap in other.metrics.items():
        assert found["metrics"][name]["difference"] == pytest.approx(gap.difference)
        assert found["metrics"][name]["interval"] == pytest.approx(
            list(gap.interval), abs=0.006
        )  # 2 users of 400


def test_equal_runs_are_level_and_so_is_one_whose_seeds_do_not_agree(tmp_path: Path) -> None:
    same = [write(tmp_path / f"same {i}", drawn(i, 0.4)) for i in range(2)]
    gap = compare_seeds(same, same, condition="test", resamples=200)["metrics"]["ndcg@10"]
    assert (gap["difference"], gap["interval"], gap["verdict"]) == (0, [0, 0], "level")
    all_hit, none, few = np.zeros(N, np.int64), np.full(N, -1), np.where(np.arange(N) < 20, 0, -1)
    first = [write(tmp_path / "all", all_hit), write(tmp_path / "none", none)]
    second = [write(tmp_path / "none again", none), write(tmp_path / "few", few)]
    gap = compare_seeds(first, second, condition="test", resamples=200)["metrics"]["ndcg@10"]
    assert gap["interval"][0] > 0
    assert gap["verdict"] == "level"


def test_other_data_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a", drawn(1, 0.5))
    other = write(tmp_path / "b", drawn(1, 0.5), targets=["another"] * N)
    with pytest.raises(InputError, match="another target"):
        compare_seeds([first], [other], condition="test", resamples=10)
    with pytest.raises(InputError, match="400 users have another target with another seed"):
        compare_seeds([first, other], [first, other], condition="test", resamples=10)
    with pytest.raises(InputError, match="masked"):
        compare_seeds([first], [first], condition="masked", resamples=10)
