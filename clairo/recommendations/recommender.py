"""Recommending from a finished run: original ids in and out, nothing read outside the run folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from clairo import log
from clairo.artifacts import Sequences
from clairo.errors import InputError
from clairo.recommendations.assortment import Assortment, IdLists, listed
from clairo.recommendations.blend import FILE as BLEND
from clairo.recommendations.blend import Blend
from clairo.recommendations.ensemble import Ranking, complete
from clairo.recommendations.search import SETTINGS, Search, Settings
from clairo.rivals.histories import Histories

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray

_STAGES = ("sequences", "codes", "vocabulary", "model")


@dataclass(frozen=True)
class Answer:
    """What is recommended after one history, and why.

    Attributes:
        items: (original id, score), best first. Scores of the model's items are sums of the views' votes,
            above 0, or logs of averaged probabilities (see `Settings.ensemble`); blended ones are those of
            `clairo.recommendations.blend.Blend`. Those of the items that popularity adds go down from there
            in steps of 1 (-1, -2, ... behind votes).
        source: `model`, `blend` where the run blends it with item-to-item, or `popularity` where no item of
            the history is known.
        ignored: ids of the history that are not in the catalogue.
        filled: how many items at the end popularity adds, because the views found no more; all of them where
            it is the source.
        unknown: ids of the allow and deny lists that are not in the catalogue.
    """

    items: list[tuple[str, float]]
    source: Literal["model", "blend", "popularity"]
    ignored: list[str]
    filled: int = 0
    unknown: list[str] = field(default_factory=list)


class Recommender:
    """Ranks the whole catalogue for histories of original item ids, as the run was evaluated.

    `Recommender.load` makes one. Equal histories get equal lists, whoever they belong to.
    """

    def __init__(self, search: Search, sequences: Sequences, run: Path, blend: Blend | None = None) -> None:
        self._search, self._sequences, self._run, self._blend = search, sequences, run, blend
        self._row = sequences.item_index()
        self._names = sequences.items.tolist()

    @classmethod
    def load(cls, run: str | PathLike[str], *, device: Literal["auto", "cpu"] = "auto") -> Self:
        """Read the folder of a run that has trained its model; it can have been moved.

        Beams, views and the rest are those of the run's recommendations stage; where that has not run, those
        of its configuration, or else the defaults. Only that stage makes a blend.

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
        search = Search.load(**parts, sequences=sequences, settings=_settings(folder), device=device)
        done = folder / "recommendations"
        blend = Blend.load(done, sequences.n_items) if (done / BLEND).is_file() else None
        return cls(search, sequences, folder, blend)

    @property
    def settings(self) -> Settings:
        """How histories are searched."""
        return self._search.settings

    def recommend(
        self,
        history: Sequence[str],
        k: int = 10,
        mask_history: bool = True,
        *,
        allow: IdLists = None,
        deny: IdLists = None,
    ) -> list[tuple[str, float]]:
        """The best `k` items after a history, as (original id, score), best first; see `Answer`.

        With `allow` or `deny` the search itself looks at nothing else, so that an item that is rarely asked
        for is found even if many likelier ones are out of stock. `mask_history` holds items back from what
        the search found, as the evaluation does; to have the search do without them, name them in `deny`.

        Args:
            history: original item ids, oldest first. Ids that are not in the catalogue are ignored; a history
                without any other gets the most popular items.
            k: items wanted; fewer come out only where the catalogue has no more that may be recommended. If
                it has none, the list is empty.
            mask_history: never recommend an item of the history.
            allow: original ids of the items that alone may be recommended. Ids that are not in the catalogue
                are ignored and named in `Answer.unknown`.
            deny: original ids of items that may not be recommended, whatever `allow` says.

        Raises:
            InputError: `history`, `allow` or `deny` is no sequence of ids, `k` is no whole number above 0, or
                no id of `allow` is in the catalogue.
        """
        return self.answer(history, k, mask_history, allow=allow, deny=deny).items

    def recommend_many(
        self,
        histories: Iterable[Sequence[str]],
        k: int = 10,
        mask_history: bool = True,
        *,
        allow: IdLists = None,
        deny: IdLists = None,
    ) -> list[list[tuple[str, float]]]:
        """The same as `recommend` for each of many histories, searched in batches.

        `allow` and `deny` are ids for all histories, or a list of such lists, one for each history in order
        (None where it has none). Of a history's own allow list no id need be in the catalogue: it then gets
        an empty list.
        """
        answers = self.answer_many(histories, k, mask_history, allow=allow, deny=deny)
        return [answer.items for answer in answers]

    def answer(
        self,
        history: Sequence[str],
        k: int = 10,
        mask_history: bool = True,
        *,
        allow: IdLists = None,
        deny: IdLists = None,
    ) -> Answer:
        """The same as `recommend`, with where the items come from and what was ignored."""
        return self.answer_many([history], k, mask_history, allow=allow, deny=deny)[0]

    def answer_many(
        self,
        histories: Iterable[Sequence[str]],
        k: int = 10,
        mask_history: bool = True,
        *,
        allow: IdLists = None,
        deny: IdLists = None,
    ) -> list[Answer]:
        """The same as `recommend_many`, with where the items come from and what was ignored."""
        _check_k(k)
        if isinstance(histories, str):
            raise InputError("histories must be a list of histories, not one text")
        asked = [listed(history, "a history") for history in histories]
        known = Histories.of([[self._row[item] for item in ids if item in self._row] for ids in asked])
        some = None
        if allow is not None or deny is not None:
            some = Assortment.of(self._row, len(asked), allow=allow, deny=deny)
        rankings = self._search.rank(known, some)
        if self._blend is not None:
            found = Histories.of([ranking.items.tolist() for ranking in rankings])
            read = known.latest(self._sequences.max_history)
            keep = min(k + int(known.lengths.max(initial=0)), len(self._names))
            rankings = self._blend.rank(found, read, keep, some)
        return [
            self._answer(ids, known[row], ranking, k, row, some, mask_history=mask_history)
            for row, (ids, ranking) in enumerate(zip(asked, rankings, strict=True))
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
        self,
        ids: list[str],
        known: NDArray[np.uint32],
        ranking: Ranking,
        k: int,
        row: int,
        assortment: Assortment | None,
        *,
        mask_history: bool,
    ) -> Answer:
        held = known if mask_history else known[:0]
        allowed = None if assortment is None else assortment.allows(row)
        items, scores, filled = complete(
            ranking, self._search.popular, min(k, len(self._names)), held, allowed
        )
        return Answer(
            items=[(self._names[item], float(score)) for item, score in zip(items, scores, strict=True)],
            source=self._source if len(known) else "popularity",
            ignored=[item for item in dict.fromkeys(ids) if item not in self._row],
            filled=filled,
            unknown=assortment.not_known(row) if assortment else [],
        )

    @property
    def _source(self) -> Literal["model", "blend"]:
        return "model" if self._blend is None else "blend"

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
    if run.recommendations.blend != "off":
        log.logger.warning(
            "the recommendations stage, which makes the blend, has not run: the model is alone"
        )
    return Settings.of(run.recommendations, seed=run.seed)


def _check_k(k: int) -> None:
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k must be a whole number above 0, not {k!r}")
