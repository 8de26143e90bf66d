"""TF-IDF and a truncated SVD of it (latent semantic analysis): text vectors that need no weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clairo.errors import InputError

MAX_WORDS = 50_000
"""Words of the vocabulary: the most frequent ones."""

_NOTHING = 1e-9  # length below which a vector is rounding error: no word of the text is known


@dataclass(frozen=True)
class Fitted:
    """What `fit_transform` made.

    Attributes:
        vectors: (n, width) float32, of length 1, or zero where no word of the text is known.
        texts: how many were fitted on.
        words: size of the vocabulary.
        explained: share of the variance that the SVD keeps.
    """

    vectors: NDArray[np.float32]
    texts: int
    words: int
    explained: float


def fit_transform(texts: list[str], fit: NDArray[np.bool_], *, width: int, seed: int) -> Fitted:
    """Fit on the texts that `fit` marks, and turn all `texts` into vectors.

    The width is at most the number of texts fitted on and the number of words in them.

    Raises:
        InputError: the texts to fit on hold fewer than two words.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    known = [text for text, used in zip(texts, fit, strict=True) if used and text]
    vectorizer = TfidfVectorizer(strip_accents="unicode", sublinear_tf=True, max_features=MAX_WORDS)
    try:
        n_words = vectorizer.fit_transform(known).shape[1]
    except ValueError:  # no word of two letters in any of them
        n_words = 0
    if n_words < 2:
        raise InputError(
            f"the texts of the {len(known)} training items hold {n_words} different words",
            hint='name more of embeddings.text.fields, or set embeddings.text.encoder = "none"',
        )
    svd = TruncatedSVD(min(width, len(known), n_words), random_state=seed)
    svd.fit(vectorizer.transform(known))
    vectors = svd.transform(vectorizer.transform(texts))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.where(lengths > _NOTHING, vectors / np.maximum(lengths, _NOTHING), 0)
    return Fitted(unit.astype(np.float32), len(known), n_words, float(svd.explained_variance_ratio_.sum()))
