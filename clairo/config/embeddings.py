"""`[embeddings]`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, IPvAnyNetwork, model_validator

from clairo.config.section import MODES, ModalityName, Natural, Positive, Seconds, Section, Share, refuse_set

TextField = Literal["title", "brand", "price", "features", "categories", "description", "text"]

RESERVED = frozenset(
    {"text", "image", *MODES, "final", "pca", "weights", "tfidf", "tuned", "disambiguation"}
    | {"mode", "order", "groups", "warnings", "learned_weights", "without_vectors", "without_vectors_first"}
)
"""Names that no further modality can have: they name modes, files or entries of reports already."""


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
            refuse_set(self, ("prefix", "prompt_name", "max_length"), '"sentence-transformers" or "offline"')
        if self.encoder != "sentence-transformers":
            refuse_set(self, ("revision",), '"sentence-transformers"')
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
    """A host that has given no answer for so long, or none but 429 and 5xx, at ten tries or more, is not
    tried again."""
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
    """Networks (`10.1.0.0/16`, `127.0.0.1/32`) that pictures may come from although they are not public.
    Below 1024 only ports 80 and 443 are asked, here too."""


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
            refuse_set(self, ("revision", "pooling"), '"transformers" or "timm"')
        elif self.model == type(self).model_fields["model"].default:
            raise ValueError(f'encoder = "{self.encoder}" needs model: a name or a folder')
        if self.encoder != "timm":
            refuse_set(self, ("weights_file",), '"timm"')
        if self.weights_file is not None and self.revision is not None:
            raise ValueError("weights_file and revision exclude each other")
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
    more: dict[ModalityName, MoreConfig] = Field(default_factory=dict)
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
