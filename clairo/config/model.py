"""`[model]`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from clairo.config.linear import LinearFit, Penalty
from clairo.config.section import Natural, Positive, Section, Share, Weight


class SoftTargetsConfig(LinearFit):
    """`[model.soft_targets]`: examples that learn what a linear item-to-item recommends instead."""

    share: Share = 0.0
    """Of the examples, drawn anew in each epoch: their target is one of the list's items in place of the item
    that came. 0: none."""
    items: Positive = 20
    """Best items of the list, one of which is drawn."""
    power: Weight = 1.5
    """They are drawn in proportion to their scores raised to it; items that score 0 or less never."""
    penalty: Penalty = 100
    """Weight of the squares of the weights: the larger, the closer they stay to 0."""
    decay: Share = 0.8
    """Weight of a history's event relative to the event after it, where a list is made."""


class ModelConfig(Section):
    """`[model]`: T5 encoder-decoder, and how it is trained.

    What has no value here follows from the number of training examples (see `clairo.model.size`): little data
    get a small model. `model/options.json` says what it came to.
    """

    start_from: Path | None = None
    """Folder of a run with a trained model to start from, whose vocabulary is the beginning of this run's:
    all its weights are taken over, and new tokens start as the mean of the two that they are merged from."""
    layers: Positive | None = None
    """Layers of the encoder, and of the decoder."""
    d_model: Positive | None = None
    """Width of the residual stream."""
    d_ff: Positive | None = None
    """Width of the feed-forward layers."""
    heads: Positive | None = None
    """Attention heads."""
    d_kv: Positive | None = None
    """Width of a head."""
    dropout: Share | None = None
    """Dropout rate."""
    max_history: Positive = 20
    """Latest events that the model reads."""
    reads: Literal["tokens", "actions"] = "tokens"
    """What stands at a position of the encoder: `tokens`, a merged token of the history; or `actions`, a
    whole action, as the sum of its codes' embeddings. Whole actions are several times faster to read; merges
    then show in what is generated alone, and a history has one view."""
    permute: bool = True
    """Put the tokens of every action in a random order before they are merged, anew in each epoch and view;
    otherwise a history has one encoding, and the recommendations one view of it."""
    batch_size: Positive | None = None
    """Examples a step, of all processes together."""
    accumulate: Positive | Literal["auto"] = 1
    """Parts that a batch is taken in, one after the other, to need less memory; `auto`: as it asks for."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.003
    """Peak learning rate of AdamW."""
    embedding_rate: Annotated[float, Field(gt=0)] = 1.0
    """Learning rate of the embeddings, which are the output layer too, as a multiple of that of the rest."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """Weight decay of AdamW."""
    softmax: Literal["trie", "vocabulary"] = "trie"
    """Training's probabilities at a step sum to one over the tokens that can follow, or over all tokens."""
    label_smoothing: Share = 0.0
    """Label smoothing of the cross-entropy."""
    soft_targets: SoftTargetsConfig = SoftTargetsConfig()
    """What is learned beside the items that came."""
    warmup_steps: Natural = 10_000
    """Steps of linear warm-up; at most a tenth of all steps is used."""
    gradient_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradients are clipped to this norm."""
    epochs: Positive | None = None
    """Most epochs; the cosine schedule ends there. Left out: as many as make 20,000 steps, from 20 to 200."""
    patience: Positive = 20
    """Evaluations without a better validation NDCG@10 before training stops."""
    evaluate_every: Positive = 1
    """Epochs between evaluations."""
    validation_users: Positive = 2000
    """Users of the fixed validation sample."""
    validation_beams: Positive = 10
    """Beams of the validation search (one view)."""
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    """Stop training after this many minutes. The result then depends on the speed of the machine."""
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 5.0
    """Minutes between checkpoints inside an epoch; every epoch ends with one."""
    precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    """Mixed precision, as accelerate names it; `auto`: bf16 where the device computes in it, else none."""
    tracker: str = "none"
    """Where losses, rates and metrics are logged: `none`, `tensorboard` (into the run's folder `logs`), or
    another name that accelerate knows (`wandb`, `mlflow`, ...)."""
    device: Literal["auto", "cpu"] = "auto"
    """`auto`: the accelerator that accelerate finds; `cpu`: never one."""
