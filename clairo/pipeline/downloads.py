"""Pictures that the embeddings stage reads from the web, before it is made."""

from pathlib import Path

from clairo.artifacts.store import Store
from clairo.config import Config
from clairo.pipeline.stages import room_of, section_of


def fetch(config: Config, store: Store, *, known: int = 0, again: str = "no") -> None:
    """Download the pictures that the embeddings stage will read, if any (see `clairo.embeddings.fetch`)."""
    section = section_of("embeddings", config, store)
    room_of("embeddings").fetch(section, sequences=store.folder("sequences"), known=known, again=again)


def fetched(config: Config, store: Store, *, known: int = 0) -> dict[str, str]:
    """Digest of the downloaded pictures that the embeddings stage reads, if it reads any, under its name."""
    section = section_of("embeddings", config, store)
    found = room_of("embeddings").content(section, sequences=store.folder("sequences"), known=known)
    return {} if found is None else {"pictures": found}


def kept(name: str, config: Config, store: Store) -> list[tuple[str, Path]]:
    """Where a stage keeps pictures that outlive it."""
    found = room_of(name).kept(section_of(name, config, store)) if name == "embeddings" else None
    return [] if found is None else [("pictures", found)]
