"""All tables together."""

import difflib
from collections.abc import Iterable
from typing import Self

from pydantic import model_validator

from clairo.config.codes import CodesConfig
from clairo.config.embeddings import EmbeddingsConfig
from clairo.config.fused import FusedConfig
from clairo.config.model import ModelConfig
from clairo.config.recommendations import RecommendationsConfig
from clairo.config.report import ReportConfig
from clairo.config.reviews import ReviewsConfig
from clairo.config.section import MODES, Natural, Section
from clairo.config.sequences import SequencesConfig
from clairo.config.vocabulary import VocabularyConfig


class Config(Section):
    """A whole configuration."""

    seed: Natural = 0
    """The one seed of the run."""
    reviews: ReviewsConfig = ReviewsConfig()
    sequences: SequencesConfig = SequencesConfig()
    embeddings: EmbeddingsConfig = EmbeddingsConfig()
    fused: FusedConfig = FusedConfig()
    codes: CodesConfig = CodesConfig()
    vocabulary: VocabularyConfig = VocabularyConfig()
    model: ModelConfig = ModelConfig()
    recommendations: RecommendationsConfig = RecommendationsConfig()
    report: ReportConfig = ReportConfig()

    @model_validator(mode="after")
    def _modalities(self) -> Self:
        known = self.embeddings.modalities
        for option, names in self.fused.named().items():
            others = MODES if option == "mode" else ()
            _check(f"fused.{option}", "modality", names, (*others, *known))
        _check("codes.groups", "group", self.codes.groups, ("fused", *known))
        return self


def _check(option: str, what: str, names: Iterable[str], known: tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            guess = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
            raise ValueError(f"{option}: there is no {what} {name!r} in [embeddings]{guess}")
