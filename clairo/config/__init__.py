"""The configuration: one TOML file, one table per stage, every field documented below its name.

Each table lies in the file named as its stage. Presets lie in `clairo/presets`.
"""

from clairo.config.codes import CodesConfig, GroupConfig, RqVaeConfig
from clairo.config.embeddings import (
    RESERVED,
    DownloadConfig,
    EmbeddingsConfig,
    ImageConfig,
    Mirror,
    MoreConfig,
    TextConfig,
)
from clairo.config.fused import FusedConfig, TuningConfig
from clairo.config.loading import content, dump, layered, load, merged, parse, presets, typed
from clairo.config.model import ModelConfig, SoftTargetsConfig
from clairo.config.recommendations import Item2ItemConfig, LinearConfig, RecommendationsConfig
from clairo.config.report import ReportConfig
from clairo.config.reviews import ReviewsConfig, ShopConfig
from clairo.config.section import MODES, Natural, Positive, Section
from clairo.config.sequences import SequencesConfig
from clairo.config.vocabulary import VocabularyConfig
from clairo.config.whole import Config

__all__ = [
    "MODES",
    "RESERVED",
    "CodesConfig",
    "Config",
    "DownloadConfig",
    "EmbeddingsConfig",
    "FusedConfig",
    "GroupConfig",
    "ImageConfig",
    "Item2ItemConfig",
    "LinearConfig",
    "Mirror",
    "ModelConfig",
    "MoreConfig",
    "Natural",
    "Positive",
    "RecommendationsConfig",
    "ReportConfig",
    "ReviewsConfig",
    "RqVaeConfig",
    "Section",
    "SequencesConfig",
    "ShopConfig",
    "SoftTargetsConfig",
    "TextConfig",
    "TuningConfig",
    "VocabularyConfig",
    "content",
    "dump",
    "layered",
    "load",
    "merged",
    "parse",
    "presets",
    "typed",
]
