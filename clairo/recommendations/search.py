"""The trained model over one catalogue: histories in, rankings out; for the stage and for `Recommender`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from clairo import rng
from clairo.artifacts import Codes, Sequences, store
from clairo.errors import InputError
from clairo.recommendations.ensemble import NOTHING, Ranking, average, vote
from clairo.rivals.counted import Popularity
from clairo.tokens import PERMUTED, Reading, Trie, encode_inputs
from clairo.vocabulary import FILE, Encoder, Vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from clairo.config import RecommendationsConfig
    from clairo.model.exact import ExactSearch
    from clairo.model.search import BeamSearch
    from clairo.recommendations.assortment import Assortment
    from clairo.rivals.histories import Histories

SETTINGS = "settings.json"
_SEARCHES = ("beam", "exact")
_TABLES = 1 << 28  # bytes that tables of histories and items may take
_LISTED = 6  # bytes an item and history that lists take: what is allowed, and how much of it up to each item
_EXACT = 40  # bytes an item and view that an exact search takes: scores, sorted, and as a ranking reads them
_ENSEMBLES = {"votes": vote, "probabilities": average}
_PRECISIONS = ("float32", "bf16")


@dataclass(frozen=True)
class Settings:
    """How histories are searched; kept with the artefact, so that later calls do as the evaluation did.

    Attributes:
        beams: of the search.
        views: permutations of each history.
        normalise: what the probabilities of a step sum to one over (see `clairo.model.search`).
        batch_size: histories searched at once.
        seed: of the run; the permutations derive from it.
        search: `beam`, or `exact`, which scores the whole catalogue.
        ensemble: how views make one list, see `clairo.recommendations.ensemble`.
        precision: what the weights are held in.
    """

    beams: int
    views: int
    normalise: Literal["trie", "vocabulary"]
    batch_size: int
    seed: int
    search: Literal["beam", "exact"] = "beam"  # files written before there was a choice lack it
    ensemble: Literal["votes", "probabilities"] = "votes"
    precision: Literal["float32", "bf16"] = "float32"

    @classmethod
    def of(cls, cfg: RecommendationsConfig, seed: int) -> Self:
        """Those that a configuration asks for."""
        names = (field.name for field in fields(cls) if field.name != "seed")
        return cls(**{name: getattr(cfg, name) for name in names}, seed=seed)

    def save(self, folder: Path) -> None:
        """Write `settings.json` into `folder`."""
        store.write_json(folder / SETTINGS, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `settings.json` of `folder`; a missing or damaged file is an InputError."""
        found = store.read_json(folder / SETTINGS)
        hint = "run the recommendations stage again"
        try:
            settings = cls(**found)
        except TypeError:
            raise InputError(
                f"{folder / SETTINGS} is damaged: it has other keys than expected", hint=hint
            ) from None
        known = {"search": _SEARCHES, "ensemble": _ENSEMBLES, "precision": _PRECISIONS}
        for name, values in known.items():
            if (value := getattr(settings, name)) not in values:
                raise InputError(f"{folder / SETTINGS} is damaged: no {name} {value!r} is known", hint=hint)
        return settings


@dataclass(frozen=True)
class Search:
    """A model, its vocabulary and a catalogue, ready to rank items after any history.

    Attributes:
        find: the search over `trie`, on the device of the model.
        vocabulary: what the codes are encoded by.
        encoder: encodes histories.
        trie: sequences of the catalogue.
        features: (n_items, n_categories) uint32 codes, row = item index.
        max_history: latest events that the model reads.
        popular: (n_items,) all items, the most popular in training first.
        settings: beams, views, ...
        reading: how the model reads histories.
    """

    find: BeamSearch | ExactSearch
    vocabulary: Vocabulary
    encoder: Encoder
    trie: Trie
    features: NDArray[np.uint32]
    max_history: int
    popular: NDArray[np.int64]
    settings: Settings
    reading: Reading = PERMUTED

    @classmethod
    def load(
        cls,
        *,
        model: Path,
        vocabulary: Path,
        codes: Path,
        sequences: Sequences,
        settings: Settings,
        device: Literal["auto", "cpu"],
    ) -> Self:
        """Read the artefacts of a run.

        Raises:
            InputError: one is missing or damaged, or they are not of one run.
        """
        from clairo.model import saved
        from clairo.model.exact import ExactSearch
        from clairo.model.search import BeamSearch

        table = Codes.load(codes)
        if not np.array_equal(table.ids, sequences.items):
            raise InputError(
                f"{codes} is not of the same items as the sequences", hint="run the codes stage again"
            )
        words = Vocabulary.load(vocabulary / FILE)
        encoder = words.encoder(table.features)
        trie = Trie.build(*encoder.canonical())
        network, meta = saved.load(model, device)
        meta.check(words)
        if settings.precision == "bf16":
            network.bfloat16()
        kind = ExactSearch if settings.search == "exact" else BeamSearch
        if not meta.reading.views_differ:
            settings = replace(settings, views=1)  # all views are the same
        # The average over exact views is exact itself if nothing is cut off.
        whole = settings.search == "exact" and settings.ensemble == "probabilities"
        beams = trie.n_items if whole else settings.beams
        return cls(
            find=kind(network, trie, beams=beams, normalise=settings.normalise),
            vocabulary=words,
            encoder=encoder,
            trie=trie,
            features=table.features,
            max_history=min(meta.max_history, sequences.max_history),
            popular=Popularity.count(sequences).order,
            settings=settings,
            reading=meta.reading,
        )

    def rank(self, histories: Histories, assortment: Assortment | None = None) -> list[Ranking]:
        """Everything that the views of each history find, as one list; nothing after an empty history.

        Only items of the assortment are looked for, if there is one.

        A ranking depends on the history alone, not on whose it is or what it is searched together with (but
        for the last bits of the log-probabilities, in which a batch's padding can show).
        """
        rankings = [NOTHING] * len(histories)
        rows = np.flatnonzero(histories.lengths > 0)
        size = self._at_once(listed=assortment is not None)
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            allowed = None if assortment is None else assortment.mask(batch)
            items, scores = self.views(histories.take(batch), allowed)
            for row, found, score in zip(batch, items, scores, strict=True):
                rankings[row] = _ENSEMBLES[self.settings.ensemble](found, score)
        return rankings

    def _at_once(self, *, listed: bool) -> int:
        """Histories searched at once: fewer where memory is needed for every history and item."""
        exact = self.settings.search == "exact"
        an_item = _LISTED * listed + _EXACT * self.settings.views * exact
        return min(self.settings.batch_size, max(1, _TABLES // max(1, an_item * self.trie.n_items)))

    def views(
        self, histories: Histories, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Items and log-probabilities that each view finds, both (n_histories, views, beams).

        View v of any history is permuted by row v of one seed. `allowed`, (n_histories or 1, n_items), holds
        for all views of a history; left out, every item is allowed.
        """
        import torch

        views, n = self.settings.views, len(histories)
        every = histories.latest(self.max_history).take(np.repeat(np.arange(n), views))
        ids, mask = encode_inputs(
            self.encoder,
            every.offsets,
            every.events,
            seed=rng.derive(self.settings.seed, "recommendations", "views"),
            rows=np.tile(np.arange(views, dtype=np.uint64), n),
            reading=self.reading,
        )
        may = None if allowed is None else torch.from_numpy(allowed)
        items, scores = self.find(torch.from_numpy(ids), torch.from_numpy(mask), may)
        shape = (n, views, -1)
        return items.cpu().numpy().reshape(shape), scores.cpu().double().numpy().reshape(shape)
