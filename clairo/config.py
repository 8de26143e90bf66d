"""The configuration: one TOML file, one table per stage, every field documented below its name.

An unknown key, a wrong type or a value out of range is an error that names the option and, for a key, the
nearest name. Presets lie in `clairo/presets`.
"""

import difflib
import importlib.resources
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError, model_validator

from clairo.errors import ConfigError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0)]
TextField = Literal["title", "brand", "price", "features", "categories", "description", "text"]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
ModalityName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]

_MODES = ("fused", "separate", "both")
RESERVED = frozenset(
    {"text", "image", *_MODES, "final", "pca", "weights", "tfidf", "tuned", "disambiguation"}
    | {"mode", "order", "groups", "warnings", "learned_weights", "without_vectors", "without_vectors_first"}
)
"""Names that no further modality can have: they name modes, files or entries of reports already."""


class Section(BaseModel):
    """One table of the configuration: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True
    )


def _refuse_set(section: Section, names: Iterable[str], encoders: str) -> None:
    """Refuse options that the encoder of a section would leave unread."""
    for name in names:
        if getattr(section, name) != type(section).model_fields[name].default:
            raise ValueError(f"{name} needs encoder = {encoders}")


class ShopConfig(Section):
    """`[reviews.shop]`: the built-in shop, written in the published raw format (see `clairo shop`)."""

    users: Positive = 3000
    """Shoppers that the shop has."""
    items: Positive = 1200
    """Items in its catalogue."""
    seed: Natural | None = None
    """Seed of the shop alone; left out, the run's seed is used."""
    dirty: Share = 0.03
    """Share of rows written as dirty as real ones are (duplicates, html, missing fields, odd types)."""


class ReviewsConfig(Section):
    """`[reviews]`: the published files, read as a stream."""

    source: Literal["files", "shop"] = "files"
    """`files`: what `reviews` and `metadata` name; `shop`: write the built-in shop first and read that."""
    reviews: Path | None = None
    """`<Category>_5.json.gz`, `<Category>.json.gz` or the ratings `.csv`, gzipped or plain."""
    metadata: Path | None = None
    """`meta_<Category>.json.gz` of either release; without it items have no text."""
    on_broken_line: Literal["error", "skip"] = "error"
    """What a line that is no JSON object does: stop and name file and line, or be skipped and counted."""
    shop: ShopConfig = ShopConfig()
    """Size and seed of the built-in shop."""


class SequencesConfig(Section):
    """`[sequences]`: users' histories in time order, filtered and split."""

    source: Literal["reviews", "files"] = "reviews"
    """`reviews`: what the reviews stage made; `files`: ready histories that `histories` names."""
    histories: Path | None = None
    """`*.inter.json` (user to list of items) or `*.test.inter` (MQL4GRec) with dense ids."""
    user_ids: Path | None = None
    """Tab-separated original and dense user id, for `histories`; left out, dense ids are the ids."""
    item_ids: Path | None = None
    """Tab-separated original and dense item id, for `histories`."""
    items: Path | None = None
    """JSON of dense item id to its fields (`text`, `title`, ...), for `histories`."""
    min_user_events: Natural = 5
    """k of the k-core for users; the filter repeats until nothing more falls."""
    min_item_events: Natural = 5
    """k of the k-core for items."""
    need_image: bool = False
    """Keep only items that have an image."""
    repeats: Literal["keep", "first"] = "first"
    """Events of one user with one item: keep all, or the first only."""
    split: Literal["leave-one-out", "time"] = "leave-one-out"
    """Last event tests and the one before validates, or a split at two points of time."""
    validation_from: date | None = None
    """First day (UTC) of validation, for `split = "time"`."""
    test_from: date | None = None
    """First day (UTC) of test, for `split = "time"`."""
    max_history: Positive = 50
    """Longest history that any recommender reads: the latest events."""

    @model_validator(mode="after")
    def _days(self) -> Self:
        if self.split == "time":
            if self.validation_from is None or self.test_from is None:
                raise ValueError('split = "time" needs validation_from and test_from')
            if self.validation_from >= self.test_from:
                raise ValueError("validation_from must lie before test_from")
        return self


class TextConfig(Section):
    """`[embeddings.text]`: what turns an item's text into a vector."""

    encoder: Literal["tfidf", "sentence-transformers", "offline", "file", "none"] = "tfidf"
    """`tfidf`: TF-IDF and SVD, needs no weights; `sentence-transformers`: `model` by name or path; `offline`:
    the MiniLM of `clairo[offline]`; `file`: `vectors` and `ids`; `none`: items have no text."""
    model: str = "sentence-transformers/sentence-t5-base"
    """Name or local path, for `sentence-transformers`."""
    revision: str | None = None
    """Branch, tag or commit of a name on the hub; a commit makes the run repeatable. A folder has none."""
    prefix: str = ""
    """Put before every text, for models that want an instruction ("Represent this product: ")."""
    prompt_name: str | None = None
    """One of the prompts that the model brings ("document"), instead of `prefix`."""
    max_length: Positive | None = None
    """Tokens of a text that are read, `prefix` among them; left out, as many as the model is set to."""
    fields: tuple[TextField, ...] = (
        "title",
        "price",
        "brand",
        "features",
        "categories",
        "description",
        "text",
    )
    """Item fields that make the text, in this order; the empty ones are left out."""
    width: Positive = 256
    """Width of the vectors of `tfidf`."""
    batch_size: Positive = 64
    """Items encoded at once."""
    vectors: Path | None = None
    """`.npy` of items by width, for `file`."""
    ids: Path | None = None
    """Which row is which item, for `file`: one id a line, or `original<TAB>row`."""

    @model_validator(mode="after")
    def _of_its_encoder(self) -> Self:
        if self.prefix and self.prompt_name is not None:
            raise ValueError("prefix and prompt_name exclude each other")
        if self.encoder not in ("sentence-transformers", "offline"):
            _refuse_set(self, ("prefix", "prompt_name", "max_length"), '"sentence-transformers" or "offline"')
        if self.encoder != "sentence-transformers":
            _refuse_set(self, ("revision",), '"sentence-transformers"')
        return self


class Mirror(Section):
    """`[[embeddings.image.download.mirrors]]`: another place of the same pictures."""

    prefix: Annotated[str, Field(pattern=r"^https?://.")]
    """How addresses begin that the mirror answers for: `https://images.example/I/`."""
    mirror: Annotated[str, Field(pattern=r"^https?://.")]
    """What takes the place of `prefix`."""


class DownloadConfig(Section):
    """`[embeddings.image.download]`: pictures from the addresses that the metadata names.

    Of all this only the pictures that come count for the embeddings: other limits, other mirrors or another
    speed make nothing stale.
    """

    enabled: bool = False
    """Download the pictures of the items. Nothing is downloaded for the encoders `file` and `none`."""
    folder: Path | None = None
    """Where pictures and their manifest `pictures.jsonl` are kept, to be shared by runs; left out, in the
    folder `pictures` of the run."""
    max_missing_share: Share = 0.2
    """Of the items that have an address, the share whose picture may be missing; past it the run stops."""
    concurrency: Positive = 16
    """Pictures fetched at once."""
    per_host: Positive = 8
    """Of these, from one host."""
    connect_seconds: Seconds = 10.0
    """Time to find a host's address and connect."""
    read_seconds: Seconds = 20.0
    """Longest silence of a server that has not sent everything."""
    transfer_seconds: Seconds = 120.0
    """Time for a whole answer, however steadily it drips."""
    retries: Natural = 4
    """Further tries at an address whose failure may pass: time-outs, broken connections, 429, 5xx."""
    backoff_seconds: Seconds = 1.0
    """Pause before the first further try; each later one is twice as long, and shortened by chance to as
    little as half."""
    max_wait_seconds: Seconds = 120.0
    """Longest pause between two tries, also where a server asks for more (`Retry-After`)."""
    host_patience_seconds: Seconds = 180.0
    """A host that has given no answer for so long, at ten tries or more, is not tried again."""
    max_redirects: Natural = 5
    """Redirects followed from one address."""
    max_bytes: Positive = 20_000_000
    """Bytes above which a picture is not taken."""
    max_pixels: Annotated[int, Field(ge=1, le=64_000_000)] = 64_000_000
    """Pixels above which a picture is not decoded."""
    min_side: Positive = 8
    """Width and height in pixels that a picture has at least: servers send a dot for what they lack."""
    mirrors: tuple[Mirror, ...] = ()
    """For every address, the mirrors whose `prefix` it has are tried first, in this order."""
    original: bool = True
    """Try an address itself too, after its mirrors."""
    private_networks: tuple[IPvAnyNetwork, ...] = ()
    """Networks (`10.1.0.0/16`, `127.0.0.1/32`) that pictures may come from although they are not public."""


class ImageConfig(Section):
    """`[embeddings.image]`: what turns an item's picture into a vector."""

    encoder: Literal["descriptor", "open-clip", "transformers", "timm", "offline", "file", "none"] = (
        "descriptor"
    )
    """`descriptor`: colour and gradients, needs no weights; `open-clip`: `model` with `pretrained`;
    `transformers`, `timm`: `model` of these libraries; `offline`: the EfficientNet of `clairo[offline]`;
    `file`: `vectors` and `ids`; `none`: no images. Vectors of all networks have length 1."""
    model: str = "ViT-L-14"
    """open_clip architecture (`ViT-L-14`), hub name (`hf-hub:...`) or local folder (`local-dir:...`). For
    `transformers`: name on the hub or local folder. For `timm`: timm's name, `owner/name` or local folder."""
    revision: str | None = None
    """Branch, tag or commit of a name on the hub, for `transformers` and `timm`; a commit makes the run
    repeatable. A folder has none."""
    pooling: Literal["auto", "cls", "mean", "pooler"] = "auto"
    """What makes one vector of the last layer, for `transformers` and `timm`: the class token, the mean of
    the patches, or the model's pooler. `auto`: what the model itself offers as the vector of a picture."""
    weights_file: str | None = None
    """For `timm`: a file of weights of the architecture `model`, instead of those that timm fetches."""
    pretrained: str | None = "openai"
    """open_clip weights: a tag or a local file."""
    folder: Path | None = None
    """Pictures named by item id (`B000123.jpg`); left out, those of the built-in shop if it is used."""
    download: DownloadConfig = DownloadConfig()
    """Pictures from the web, in place of a folder."""
    batch_size: Positive = 64
    """Pictures encoded at once."""
    vectors: Path | None = None
    """`.npy` of items by width, for `file`."""
    ids: Path | None = None
    """Which row is which item, for `file`: one id a line, or `original<TAB>row`."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.download.enabled and self.folder is not None:
            raise ValueError("folder and download.enabled are two sources of pictures: choose one")
        return self

    @model_validator(mode="after")
    def _of_its_encoder(self) -> Self:
        if self.encoder not in ("transformers", "timm"):
            _refuse_set(self, ("revision", "pooling"), '"transformers" or "timm"')
        elif self.model == type(self).model_fields["model"].default:
            raise ValueError(f'encoder = "{self.encoder}" needs model: a name or a folder')
        if self.encoder != "timm":
            _refuse_set(self, ("weights_file",), '"timm"')
        return self


class MoreConfig(Section):
    """`[embeddings.more.NAME]`: a further modality (audio, video, ...), as vectors made elsewhere."""

    encoder: Literal["file", "none"] = "file"
    """`file`: `vectors` and `ids`; `none`: items do not have this modality."""
    vectors: Path | None = None
    """`.npy` of items by width."""
    ids: Path | None = None
    """Which row is which item: one id a line, or `original<TAB>row`."""


class EmbeddingsConfig(Section):
    """`[embeddings]`: one vector an item and modality, or the mark that it has none."""

    text: TextConfig = TextConfig()
    """The text encoder."""
    image: ImageConfig = ImageConfig()
    """The image encoder."""
    more: dict[ModalityName, MoreConfig] = {}
    """Further modalities by name: any number, each with its vectors and ids."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `mps`: where encoders run."""
    shard_items: Positive = 2000
    """Items a shard: an interrupted run goes on at the first shard that is missing."""

    @model_validator(mode="after")
    def _names(self) -> Self:
        for name in self.more:
            if name in RESERVED:
                raise ValueError(f"more.{name}: this name is taken, call the modality something else")
        return self

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of all modalities in their order: text, image, and the others by the alphabet."""
        return ("text", "image", *sorted(self.more))

    def modality(self, name: str) -> TextConfig | ImageConfig | MoreConfig:
        """The section of one modality."""
        own: dict[str, TextConfig | ImageConfig] = {"text": self.text, "image": self.image}
        return own[name] if name in own else self.more[name]


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
    widths: dict[str, Positive] = {}
    """Share of each modality; 384 for those that are not named."""
    whiten: bool = False
    """Give every principal component the same variance."""
    balance: bool = True
    """Without `whiten`: give each modality the same total variance, so that neither drowns the other."""
    weights: dict[str, Weight] = {}
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
        alone = () if self.mode in _MODES else (self.mode,)
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
        return self


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
    groups: dict[str, GroupConfig] = {}
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


class VocabularyConfig(Section):
    """`[vocabulary]`: merges of tokens that co-occur inside an action and across neighbours."""

    size: Positive = 40_000
    """Tokens, counting the initial ones and the padding token."""
    start_from: Path | None = None
    """A `vocabulary.json` with exact counts to expand to `size` instead of training afresh: its tokens keep
    their ids. The codes must mean what they meant there (see `codes.start_from`)."""
    across: bool = True
    """Merge tokens of neighbouring actions, too; otherwise those of one action alone, in the vocabulary and
    in the histories that the model reads."""
    threads: Positive | None = None
    """Threads; left out, all cores. The result never depends on it."""


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
    permute: bool = True
    """Put the tokens of every action in a random order before they are merged, anew in each epoch and view;
    otherwise a history has one encoding, and the recommendations one view of it."""
    batch_size: Positive | None = None
    """Examples a step, of all processes together."""
    accumulate: Positive | Literal["auto"] = 1
    """Parts that a batch is taken in, one after the other, to need less memory; `auto`: as it asks for."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.003
    """Peak learning rate of AdamW."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """Weight decay of AdamW."""
    softmax: Literal["trie", "vocabulary"] = "trie"
    """Training's probabilities at a step sum to one over the tokens that can follow, or over all tokens."""
    label_smoothing: Share = 0.0
    """Label smoothing of the cross-entropy."""
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


class Item2ItemConfig(Section):
    """`[recommendations.item2item]`: the grid that the tuned rival chooses from on validation."""

    windows: tuple[Positive, ...] = (1, 2, 3, 5, 10)
    """Distances within which two events of a history count as co-occurring."""
    decays: tuple[Share, ...] = (0.4, 0.6, 0.8, 1.0)
    """Weights of a history's event relative to the event after it."""
    backward: Annotated[float, Field(ge=0)] = 0.5
    """Weight of a pair read backwards in time."""
    popularity: Annotated[float, Field(ge=0)] = 0.001
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
    device: Literal["auto", "cpu"] = "auto"
    """Where the search runs."""
    item2item: Item2ItemConfig = Item2ItemConfig()
    """The tuned item-to-item rival."""
    blend: Literal["off", "tuned"] | Share = "off"
    """Whether item-to-item's list is mixed into the model's. A number is item-to-item's weight: 0 is the
    model alone, 1 item-to-item; `tuned`: the weight from 0, 0.05, ... to 1 whose unmasked lists have the best
    NDCG@10 on validation, of equal ones the smallest."""


class ReportConfig(Section):
    """`[report]`: metrics, slices, intervals and plots."""

    title: str = "CLAIRO"
    """Heading of the report."""
    tail_share: Share = 0.2
    """Events of training that the head items hold together are 1 minus this; all other items are the tail."""
    resamples: Positive = 1000
    """Bootstrap resamples of users behind the 95 % intervals."""


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
            for name in names:
                if name not in known:
                    raise ValueError(_unknown_modality(option, name, known))
        return self


def _unknown_modality(option: str, name: str, known: tuple[str, ...]) -> str:
    modes = _MODES if option == "mode" else ()
    near = difflib.get_close_matches(name, [*modes, *known], n=1)
    guess = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join((*modes, *known))}"
    return f"fused.{option}: there is no modality {name!r} in [embeddings]{guess}"


def presets() -> list[str]:
    """Names of the presets in the package."""
    folder = importlib.resources.files("clairo") / "presets"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load(source: str, overrides: Iterable[str] = (), *, data: Path | None = None) -> Config:
    """The configuration that `source` (a preset's name or a TOML file) and `section.key=value` make.

    Relative paths of a file start from that file's folder, those of a preset from `data` or the current
    folder, those of overrides from the current folder.

    Raises:
        ConfigError: no such file or preset, no TOML, an unknown key, a wrong value.
    """
    return layered(source, [(typed(overrides), Path.cwd())], data=data)


def layered(
    source: str, layers: Iterable[tuple[Mapping[str, Any], Path]], *, data: Path | None = None
) -> Config:
    """As `load`, of tables: each lies over those before it, its relative paths start from its folder."""
    table, base = _read(source)
    table = _anchor(table, (data or base).resolve())
    for over, folder in layers:
        table = merged(table, _anchor(dict(over), folder))
    return parse(table, source)


def typed(overrides: Iterable[str]) -> dict[str, Any]:
    """The table that `section.key=value` make.

    Raises:
        ConfigError: one of them is something else.
    """
    table: dict[str, Any] = {}
    for override in overrides:
        _override(table, override)
    return table


def parse(table: Mapping[str, Any], origin: str) -> Config:
    """Check `table` and make it a configuration; `origin` is named in errors."""
    try:
        return Config.model_validate(dict(table))
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(dict(problem), origin) for problem in error.errors())) from None


def dump(config: Config) -> str:
    """The resolved configuration as TOML (fields that are None are left out)."""
    import tomli_w

    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def content(section: Section) -> dict[str, Any]:
    """What a section says of its result: without paths (their contents count) and without mere speed."""
    values: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if name in _SPEED:
            continue
        if isinstance(value, Section):
            values[name] = content(value)
        elif isinstance(value, dict) and any(isinstance(entry, Section) for entry in value.values()):
            values[name] = {key: content(entry) for key, entry in value.items()}
        elif not _holds_path(value):
            values[name] = section.model_dump(mode="json", include={name})[name]
    return values


def _holds_path(value: Any) -> bool:
    return isinstance(value, Path) or (isinstance(value, tuple) and any(isinstance(v, Path) for v in value))


def _read(source: str) -> tuple[dict[str, Any], Path]:
    path = Path(source)
    if source in presets() and path.suffix != ".toml":
        text = (importlib.resources.files("clairo") / "presets" / f"{source}.toml").read_text("utf-8")
        return tomllib.loads(text), Path.cwd()
    if not path.is_file():
        near = difflib.get_close_matches(source, presets(), n=1)
        names = f"did you mean the preset {near[0]!r}?" if near else f"presets: {', '.join(presets())}"
        raise ConfigError(f"no configuration file or preset named {source!r}", hint=names)
    try:
        return tomllib.loads(path.read_text("utf-8")), path.resolve().parent
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: not a TOML file: {error}") from None


_PATHS = frozenset(
    {
        "reviews",
        "metadata",
        "histories",
        "user_ids",
        "item_ids",
        "items",
        "vectors",
        "ids",
        "folder",
        "weights_file",
        "files",
        "start_from",
    }
)
# Of `accumulate` a result depends no more than of the number of processes: rounding, and what dropout draws.
# Of `download` it depends on what came, which the pipeline looks at (see `clairo.embeddings.web`).
_SPEED = frozenset({"threads", "checkpoint_minutes", "accumulate", "tracker", "download"})


def _anchor(table: dict[str, Any], base: Path) -> dict[str, Any]:
    """Make the paths of a file relative to that file, not to where the command was typed."""

    def fix(value: Any) -> Any:
        if isinstance(value, str):
            return str(base / Path(value).expanduser())
        return [fix(entry) for entry in value] if isinstance(value, list) else value

    return {
        key: _anchor(value, base) if isinstance(value, dict) else fix(value) if key in _PATHS else value
        for key, value in table.items()
    }


def merged(table: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`table` with the values of `over` in place of its own, table by table."""
    both = dict(table)
    for key, value in over.items():
        under = both.get(key)
        both[key] = merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return both


def _override(table: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"--set {override!r} is not section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, key = name.strip().split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {override!r}: {section} is a value, not a table")
    table[key] = value


def _explain(problem: Mapping[str, Any], origin: str) -> str:
    """One problem that pydantic found, as a sentence with the option's name."""
    parts = [part for part in problem["loc"] if isinstance(part, str)]
    name = ".".join(str(part) for part in problem["loc"]) or "the configuration"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(parts[-1], _keys(parts[:-1]), n=1, cutoff=0.5)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        return f"{origin}: unknown key {name!r}{guess}"
    if problem["type"] == "value_error":
        return f"{origin}: {name}: {problem['ctx']['error']}"
    return f"{origin}: {name} = {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _keys(sections: Iterable[str]) -> list[str]:
    model: type[BaseModel] = Config
    entry: type[BaseModel] | None = None  # of a table whose keys are names
    for section in sections:
        if entry is not None:
            model, entry = entry, None
            continue
        annotation = model.model_fields[section].annotation
        if get_origin(annotation) is dict and issubclass(get_args(annotation)[1], BaseModel):
            entry = get_args(annotation)[1]
            continue
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
