"""`[recommendations]`."""

from typing import Annotated, Literal

from pydantic import Field

from clairo.config.linear import LinearFit, Penalty
from clairo.config.section import Positive, Section, Share, Weight


class Item2ItemConfig(Section):
    """`[recommendations.item2item]`: the grid that the tuned rival chooses from on validation."""

    windows: tuple[Positive, ...] = (1, 2, 3, 5, 10)
    """Distances within which two events of a history count as co-occurring."""
    decays: tuple[Share, ...] = (0.4, 0.6, 0.8, 1.0)
    """Weights of a history's event relative to the event after it."""
    backward: Weight = 0.5
    """Weight of a pair read backwards in time."""
    popularity: Weight = 0.001
    """Weight of the training popularity share, which breaks ties."""


class LinearConfig(LinearFit):
    """`[recommendations.linear]`: item-to-item fitted by ridge regression, and the grid of its choice."""

    penalties: tuple[Penalty, ...] = (10, 30, 100, 300)
    """Weights of the squares of the weights: the larger, the closer they stay to 0."""
    decays: tuple[Share, ...] = (0.5, 0.7, 0.8, 0.9, 1.0)
    """Weights of a history's event relative to the event after it, where a list is made."""
    popularity: Weight = 0.001
    """Weight of the training popularity share, which breaks ties."""


class RecommendationsConfig(Section):
    """`[recommendations]`: the full pass over users, and the rivals beside it."""

    k: Annotated[int, Field(ge=50)] = 50
    """Items a list (or the catalogue, where that is smaller)."""
    search: Literal["beam", "exact"] = "beam"
    """`beam`: keeps the `beams` best prefixes of a view; `exact`: scores every item, for small catalogues."""
    beams: Positive = 50
    """Beams of the search; of an exact one the items of each view that vote."""
    views: Positive = 5
    """Permutations of the history whose lists are made one."""
    ensemble: Literal["votes", "probabilities"] = "votes"
    """How the views make one list. `votes`: each gives 1 / log2(rank + 2) to what it found, rank from 0, as
    ActionPiece does, and the sum is the score, above 0. `probabilities`: the score is the log of the item's
    probability averaged over views; one that did not find it counts as 0. Items that popularity adds score
    1, 2, ... below 0 or, if that is less, below the least score that the views found."""
    normalise: Literal["trie", "vocabulary"] = "trie"
    """A step's probabilities sum to one over the tokens that can follow in the trie, or over all tokens."""
    users: Positive | None = None
    """A fixed random sample of this many users instead of all; the report says so."""
    batch_size: Positive = 512
    """Users searched at once. Of many, those with histories of like length can be searched together, which
    pads less. An exact search, and lists of what each may be recommended, take fewer in large catalogues."""
    precision: Literal["float32", "bf16"] = "float32"
    """What the model's weights are held in while it searches. `bf16` is faster where the model is large and
    the device multiplies in it; it rounds probabilities to about three digits, which can swap items that are
    as good as equal."""
    device: Literal["auto", "cpu"] = "auto"
    """Where the search runs."""
    item2item: Item2ItemConfig = Item2ItemConfig()
    """The tuned item-to-item rival, which counts pairs."""
    linear: LinearConfig = LinearConfig()
    """The item-to-item rival whose weights are fitted."""
    blend: Literal["off", "tuned"] | Share = "off"
    """Whether item-to-item's list is mixed into the model's. A number is item-to-item's weight: 0 is the
    model alone, 1 item-to-item; `tuned`: the weight from 0, 0.05, ... to 1 whose unmasked lists have the best
    NDCG@10 on validation, of equal ones the smallest."""
    blend_with: Literal["best", "item2item", "linear"] = "best"
    """Which item-to-item that is; `best`: whose tuned NDCG@10 on validation is higher."""
