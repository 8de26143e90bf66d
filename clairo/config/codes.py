"""`[codes]`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from clairo.config.section import Positive, Section


class RqVaeConfig(Section):
    """`[codes.rq_vae]`: RQ-VAE (`source = "rq-vae"`) and its training, on one thread of the CPU."""

    hidden: tuple[Positive, ...] = (512,)
    """Widths of the encoder's hidden layers; the decoder has them in reverse."""
    latent: Positive = 128
    """Width of the space that is quantized."""
    steps: Positive = 2000
    """Optimizer steps."""
    start_share: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of the steps before the codebooks, which k-means of what the encoder makes then fills."""
    batch_size: Positive = 256
    """Vectors a step."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    """Learning rate of AdamW at the start; it falls to 0 as half a cosine."""
    commitment: Annotated[float, Field(ge=0)] = 0.25
    """Weight of the loss that draws the encoder to the entries of the codebooks."""
    gradient: Literal["rotation", "straight-through"] = "rotation"
    """How the encoder learns through the choice of entries: the rotation trick, or as if there were none."""
    restart_every: Positive = 50
    """Steps after which entries that none has used since are moved to where vectors are."""


class GroupConfig(Section):
    """`[codes.groups.NAME]`: what is different for one group of vectors (`fused`, `text`, `image`, ...)."""

    source: Literal["opq", "residual-kmeans", "rq-vae", "random"] | None = None
    """As of `[codes]`."""
    books: Positive | None = None
    """As of `[codes]`."""
    values: Annotated[int, Field(ge=2, le=65536)] | None = None
    """As of `[codes]`."""


class CodesConfig(Section):
    """`[codes]`: a few codes an item, and one more that makes it unique."""

    source: Literal["opq", "residual-kmeans", "rq-vae", "random", "files"] = "opq"
    """What makes codes of the vectors of `fused`. `opq`: codebooks for slices of a rotated vector;
    `residual-kmeans`: k-means, then k-means of what it left over, and so on; `rq-vae`: the same in a space
    that is learned; `random`: a control that looks at no vector, with codes for the same groups. `files`:
    `files` hold the codes."""
    files: tuple[Path, ...] = ()
    """MQL4GRec `*.index*.json` (dense item id to codes); several files are categories of one item."""
    start_from: Path | None = None
    """For `files`: folder of a run whose items keep their codes, the disambiguation among them, so that its
    vocabulary and model still mean the same; other items get what is free."""
    books: Positive = 4
    """Codebooks of each quantizer."""
    values: Annotated[int, Field(ge=2, le=65536)] = 256
    """Entries of a codebook: a power of two."""
    groups: dict[str, GroupConfig] = Field(default_factory=dict)
    """Other books, values or sources for single groups."""
    iterations: Positive = 25
    """Iterations of the OPQ rotation, or of every k-means of `residual-kmeans`."""
    rq_vae: RqVaeConfig = RqVaeConfig()
    """Network and training of `rq-vae`."""
    balanced: bool = False
    """Spread items that agree in all codes of a group but the last evenly over the values of the last, by the
    assignment that loses least (see `clairo.codes.balance`), so that fewer of them collide."""
    disambiguation: Literal["sequential", "random", "nearest"] = "random"
    """How items with equal codes are told apart. `sequential`: numbered from 0; `random`: at random, as
    ActionPiece does; `nearest`: the first keeps its codes, the others take those of the nearest free row (see
    `clairo.codes.nearest`), and only items without any vector are numbered."""
    disambiguation_values: Positive = 128
    """Values that the disambiguation code can take: no more items may collide on one row of codes. Where
    `nearest` finds a vector for every item, 1 will do."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, values in [
            ("", self.values),
            *((f"groups.{n}.", g.values) for n, g in self.groups.items()),
        ]:
            if values is not None and values & (values - 1):
                raise ValueError(f"{name}values must be a power of two, not {values}")
        if self.start_from is not None and self.source != "files":
            raise ValueError('start_from needs source = "files": new quantizers give known items other codes')
        for option in self._of_vectors():
            sources = {self.source, *(group.source for group in self.groups.values())}
            if sources <= {"files", "random", None}:
                raise ValueError(f'{option} needs vectors, and source = "{self.source}" has none')
        if self.groups and self.source == "files":
            raise ValueError('groups are of vectors, and source = "files" has none')
        return self

    def _of_vectors(self) -> list[str]:
        """Options that mean nothing without vectors, as they are set."""
        nearest = ['disambiguation = "nearest"'] if self.disambiguation == "nearest" else []
        return nearest + (["balanced = true"] if self.balanced else [])

    def of(self, group: str) -> Self:
        """The section as it is for one group: with the books, values and source of `groups`."""
        own = self.groups.get(group, GroupConfig())
        return self.model_copy(update=own.model_dump(exclude_none=True))
