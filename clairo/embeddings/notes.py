"""What the report says of one modality."""

from dataclasses import dataclass, field
from typing import Any

from clairo import log
from clairo.artifacts import Embedding


@dataclass
class Notes:
    """Facts and warnings about one modality, collected while its vectors are made."""

    modality: str
    entries: dict[str, Any]
    warnings: list[str] = field(default_factory=list)

    def warn(self, message: str) -> None:
        """Warn now, and in the report."""
        self.warnings.append(message)
        log.logger.warning("embeddings.%s: %s", self.modality, message)

    def report(self, embedding: Embedding | None, n_items: int) -> dict[str, Any]:
        """The facts, how many items have a vector, and the warnings."""
        present = 0 if embedding is None else int(embedding.present.sum())
        width = None if embedding is None else embedding.width
        counts = {"width": width, "items": n_items, "present": present, "absent": n_items - present}
        return {**self.entries, **counts, "warnings": self.warnings}
