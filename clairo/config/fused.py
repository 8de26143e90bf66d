"""`[fused]`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from clairo.config.section import MODES, Positive, Section, Share, Weight


class TuningConfig(Section):
    """`[fused.tuning]`: the head that `fused.tuned` learns on pairs of items of training histories."""

    width: Positive | None = None
    """Width of a hidden layer; left out, the head is linear."""
    window: Positive = 5
    """Most events from the first item of a pair to the second."""
    temperature: Annotated[float, Field(gt=0)] = 0.07
    """Cosines are divided by it before the softmax: the lower, the more the nearest negatives count."""
    popularity: Share = 1.0
    """How far the scores of a batch's items are corrected for how often they are bought; 0: not at all, and
    popular items are pushed away from everything."""
    batch_size: Annotated[int, Field(ge=2)] = 512
    """Pairs a step; each has the items of all others as negatives."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    """Learning rate of AdamW."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Weight decay of AdamW, which draws the head towards the identity."""
    epochs: Positive = 40
    """Most epochs."""
    patience: Positive = 4
    """Epochs without a lower loss on held-out pairs before tuning stops."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of users whose training pairs say when to stop and are not learned from."""


class FusedConfig(Section):
    """`[fused]`: PCA brings each modality to its share."""

    mode: str = "fused"
    """`fused`: shares concatenated for one quantizer; `separate`: each modality keeps its own codebooks, all
    of them features of the item; `both`: these and those of the concatenation; or one modality alone, by its
    name."""
    modalities: tuple[str, ...] | None = None
    """Modalities that `fused`, `separate` and `both` read, in the order of their codes; left out, all whose
    encoder is not `none`: text, image, and the others by the alphabet."""
    widths: dict[str, Positive] = Field(default_factory=dict)
    """Share of each modality; 384 for those that are not named."""
    whiten: bool = False
    """Give every principal component the same variance."""
    balance: bool = True
    """Without `whiten`: give each modality the same total variance, so that neither drowns the other."""
    weights: dict[str, Weight] = Field(default_factory=dict)
    """Factor of each modality in the concatenation, after scaling; 1 for those that are not named."""
    learned_weights: Literal["none", "modality", "category", "item"] = "none"
    """Factors in the concatenation, on top of `weights`, that make a bought item find the next one of
    training histories (see `clairo.fused.confidence`): one a `modality`, or one that also depends on the
    item's `category`, or on how each `item` stands among its neighbours."""
    final_width: Positive | None = None
    """Width of a final PCA over the concatenation (128 in the report, which found it harmful)."""
    final_whiten: bool = True
    """Whether the final PCA gives its components the same variance."""
    shuffled: tuple[str, ...] = ()
    """Control: modalities whose vectors are dealt out to items at random."""
    zeroed: tuple[str, ...] = ()
    """Control: modalities of which every item has the mean."""
    tuned: tuple[str, ...] = ()
    """Modalities whose vectors pass a small head before PCA, which training histories teach that items bought
    near one another lie near (see `clairo.fused.tuning`). Its control is `shuffled` beside it: the head then
    learns from the same histories on vectors that say nothing of the item."""
    tuning: TuningConfig = TuningConfig()
    """The head's options."""

    def named(self) -> dict[str, tuple[str, ...]]:
        """The modalities that each option names."""
        alone = () if self.mode in MODES else (self.mode,)
        options = {"mode": alone, "modalities": self.modalities or (), "widths": (*self.widths,)}
        weights = {"weights": (*self.weights,)}
        controls = {"shuffled": self.shuffled, "zeroed": self.zeroed}
        return options | weights | controls | {"tuned": self.tuned}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.modalities is not None and not self.modalities:
            raise ValueError("modalities is empty: leave it out, or name at least one")
        for option, names in self.named().items():
            if len(set(names)) < len(names):
                raise ValueError(f"{option} = {list(names)} names a modality twice")
        for option, names in (("shuffled", self.shuffled), ("tuned", self.tuned)):
            for name in names:
                if name in self.zeroed:
                    raise ValueError(f"{option} and zeroed name {name!r}: all its items have one vector then")
        return self
