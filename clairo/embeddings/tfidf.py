"""TF-IDF and a truncated SVD of it (latent semantic analysis): text vectors that need no weights."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import npz
from clairo.errors import InputError

FILE = "tfidf.npz"
MAX_WORDS = 50_000
"""Words of the vocabulary: the most frequent ones."""

_NOTHING = 1e-9  # length below which a vector is rounding error: no word of the text is known


@dataclass(frozen=True)
class TfIdf:
    """What was fitted; applied to a text, it gives the same vector whatever it is given beside it.

    Attributes:
        words: (n_words,) str, the vocabulary.
        idf: (n_words,) float64, inverse document frequency of each word.
        components: (width, n_words) float64, of the SVD.
        texts: how many texts were fitted on.
        explained: share of the variance that the SVD keeps.
    """

    words: NDArray[np.str_]
    idf: NDArray[np.float64]
    components: NDArray[np.float64]
    texts: int
    explained: float

    def __post_init__(self) -> None:
        n = len(self.words)
        if self.idf.shape != (n,) or self.components.ndim != 2 or self.components.shape[1] != n:
            raise InputError(
                f"a TF-IDF of {n} words has weights of shape {self.idf.shape} "
                f"and components of shape {self.components.shape}"
            )

    @property
    def width(self) -> int:
        """Width of a vector."""
        return len(self.components)

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        """Vectors of the texts, (n, width), of length 1, or zero where no word of the text is known."""
        if not texts:
            return np.zeros((0, self.width), dtype=np.float32)
        vectors = self._vectorizer.transform(texts) @ self.components.T
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = np.where(lengths > _NOTHING, vectors / np.maximum(lengths, _NOTHING), 0)
        return unit.astype(np.float32)

    @cached_property
    def _vectorizer(self) -> Any:
        vectorizer = _vectorizer(vocabulary=self.words.tolist())
        vectorizer.idf_ = self.idf
        return vectorizer

    def save(self, folder: Path) -> None:
        """Write `tfidf.npz` into `folder`."""
        arrays = {"words": self.words, "idf": self.idf, "components": self.components}
        npz.write(
            folder / FILE, arrays | {"texts": np.array(self.texts), "explained": np.array(self.explained)}
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `tfidf.npz` of `folder`; a missing or damaged one is an InputError that names it."""
        arrays = npz.read(folder / FILE, ("words", "idf", "components", "texts", "explained"))
        texts, explained = int(arrays.pop("texts")), float(arrays.pop("explained"))
        return cls(**arrays, texts=texts, explained=explained)


def fit(texts: list[str], *, width: int, seed: int) -> TfIdf:
    """Fit on `texts`; the width is at most their number and the number of words in them.

    Raises:
        InputError: the texts hold fewer than two words.
    """
    from sklearn.decomposition import TruncatedSVD

    vectorizer = _vectorizer(max_features=MAX_WORDS)
    try:
        n_words = vectorizer.fit_transform(texts).shape[1]
    except ValueError:  # no word of two letters in any of them
        n_words = 0
    if n_words < 2:
        raise InputError(
            f"the texts of the {len(texts)} training items hold {n_words} different words",
            hint='name more of embeddings.text.fields, or set embeddings.text.encoder = "none"',
        )
    svd = TruncatedSVD(min(width, len(texts), n_words), random_state=seed)
    svd.fit(vectorizer.transform(texts))
    return TfIdf(
        words=np.array(vectorizer.get_feature_names_out().tolist(), dtype=np.str_),
        idf=vectorizer.idf_,
        components=svd.components_,
        texts=len(texts),
        explained=float(svd.explained_variance_ratio_.sum()),
    )


def _vectorizer(**options: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(strip_accents="unicode", sublinear_tf=True, **options)
