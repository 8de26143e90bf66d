"""Recommending from a finished run: original ids in and out, nothing read outside the run folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from clairo import log
from clairo.artifacts import Sequences
from clairo.errors import InputError
from clairo.recommendations.ensemble import Ranking, complete
from clairo.recommendations.histories import Histories
from clairo.recommendations.search import SETTINGS, Search, Settings

if TYPE_CHECKING:
    from os import PathLike

_STAGES = ("sequences", "codes", "vocabulary", "model")


@dataclass(frozen=True)
class Answer:
    """What is recommended after one history, and why.

    Attributes:
        items: (original id, score), best first. A score above 0 is the sum of the views' votes, -1, -2, ...
            mark the items that popularity adds where the views found no more.
        source: `model`, or `popularity` where no item of the history is known.
        ignored: ids of the history that are not in the catalogue.
    """

    items: list[tuple[str, float]]
    source: Literal["model", "popularity"]
    ignored: list[str]


class Recommender:
    """Ranks the whole catalogue for histories of original item ids, as the run was evaluated.

    `Recommender.load` makes one. Equal histories get equal lists, whoever they belong to.
    """

    def __init__(self, search: Search, sequences: Sequences, run: Path) -> None:
        self._search, self._sequences, self._run = search, sequences, run
        self._row = sequences.item_index()
        self._names = sequences.items.tolist()

    @classmethod
    def load(cls, run: str | PathLike[str], *, device: Literal["auto", "cpu"] = "auto") -> Self:
        """Read the folder of a run that has trained its model; it can have been moved.

        Beams, views and the rest are those of the run's recommendations stage; where that has not run, those
        of its configuration, or else the defaults.

        Raises:
            InputError: a stage has not run yet, or its artefact is damaged.
        """
        folder = Path(run)
        parts = {stage: folder / stage for stage in _STAGES}
        for stage, part in parts.items():
            if not part.is_dir():
                raise InputError(
                    f"{folder} has no {stage}",
                    hint=f"run its configuration at least until {stage} (--until {stage})",
                )
        sequences = Sequences.load(parts.pop("sequences"))
        settings = _settings(folder)
        return cls(
            Search.load(**parts, sequences=sequences, settings=settings, device=device), sequences, folder
        )

    @property
    def settings(self) -> Settings:
        """How histories are searched."""
        return self._search.settings

    def recommend(
        self, history: Sequence[str], k: int = 10, mask_history: bool = True
    ) -> list[tuple[str, float]]:
        """The best `k` items after a history, as (original id, score), best first; see `Answer`.

        Args:
            history: original item ids, oldest first. Ids that are not in the catalogue are ignored; a history
                without any other gets the most popular items.
            k: items wanted; fewer come out only where the catalogue has no more.
            mask_history: never recommend an item of the history.

        Raises:
            InputError: `history` is no sequence of ids, or `k` is no whole number above 0.
        """
        return self.answer(history, k, mask_history).items

    def recommend_many(
        self, histories: Iterable[Sequence[str]], k: int = 10, mask_history: bool = True
    ) -> list[list[tuple[str, float]]]:
        """The same as `recommend` for each of many histories, searched in batches."""
        return [answer.items for answer in self.answer_many(histories, k, mask_history)]

    def answer(self, history: Sequence[str], k: int = 10, mask_history: bool = True) -> Answer:
        """The same as `recommend`, with where the items come from and what was ignored."""
        return self.answer_many([history], k, mask_history)[0]

    def answer_many(
        self, histories: Iterable[Sequence[str]], k: int = 10, mask_history: bool = True
    ) -> list[Answer]:
        """The same as `recommend_many`, with where the items come from and what was ignored."""
        _check_k(k)
        if isinstance(histories, str):
            raise InputError("histories must be a list of histories, not one text")
        asked = [_ids(history) for history in histories]
        known = Histories.of([[self._row[item] for item in ids if item in self._row] for ids in asked])
        rankings = self._search.rank(known)
        return [
            self._answer(ids, known, row, rankings[row], k, mask_history=mask_history)
            for row, ids in enumerate(asked)
        ]

    def history(self, user: str) -> list[str]:
        """Everything that a user of the data bought, oldest first, as original item ids.

        Raises:
            InputError: the data have no such user.
        """
        row = self._user_rows.get(user)
        if row is None:
            raise InputError(
                f"no user {user!r} in {self._run}",
                hint="filters may have dropped the user; name items instead",
            )
        return [self._names[item] for item in self._sequences.history(row)]

    def title(self, item: str) -> str | None:
        """The item's title, its text where it has none, None where it has neither or polars is not installed.

        Raises:
            InputError: the catalogue has no such item.
        """
        if item not in self._row:
            raise InputError(f"no item {item!r} in {self._run}")
        return self._titles[self._row[item]]

    def _answer(
        self, ids: list[str], known: Histories, row: int, ranking: Ranking, k: int, *, mask_history: bool
    ) -> Answer:
        held = known[row] if mask_history else known[row][:0]
        items, scores, _ = complete(ranking, self._search.popular, min(k, len(self._names)), held)
        return Answer(
            items=[(self._names[item], float(score)) for item, score in zip(items, scores, strict=True)],
            source="model" if len(known[row]) else "popularity",
            ignored=[item for item in dict.fromkeys(ids) if item not in self._row],
        )

    @cached_property
    def _user_rows(self) -> dict[str, int]:
        return {user: row for row, user in enumerate(self._sequences.users.tolist())}

    @cached_property
    def _titles(self) -> list[str | None]:
        """One title an item; read only when asked for, for recommending needs no table of items."""
        path = self._run / "sequences" / "items.parquet"
        none = [None] * len(self._names)
        if not path.is_file():
            return list(none)
        try:
            import polars as pl
        except ModuleNotFoundError:
            log.logger.warning("titles are left out: polars, which reads them, is not installed")
            return list(none)
        try:
            table = pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InputError(f"{path} is damaged: {error}", hint="run the sequences stage again") from None
        columns = [pl.col(name).cast(pl.String) for name in ("title", "text") if name in table.columns]
        return table.select(pl.coalesce(columns)).to_series().to_list() if columns else list(none)


def _settings(folder: Path) -> Settings:
    done, config = folder / "recommendations", folder / "config.toml"
    if (done / SETTINGS).is_file():
        return Settings.load(done)
    from clairo import config as configuration

    run = configuration.load(str(config)) if config.is_file() else configuration.Config()
    usual = run.recommendations
    return Settings(usual.beams, usual.views, usual.normalise, usual.batch_size, run.seed)


def _check_k(k: int) -> None:
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k must be a whole number above 0, not {k!r}")


def _ids(history: Sequence[str]) -> list[str]:
    """The history as a list of ids; one text in place of a list is a mistake that would pass unseen."""
    if isinstance(history, str | bytes) or not isinstance(history, Iterable):
        raise InputError(f"a history must be a list of item ids, not {history!r}")
    ids = list(history)
    wrong = [item for item in ids if not isinstance(item, str)]
    if wrong:
        raise InputError(f"a history must hold item ids as text, not {wrong[0]!r}")
    return [str(item) for item in ids]
