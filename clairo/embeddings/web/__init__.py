"""Pictures from the web: downloading those of a catalogue into a folder that outlives the stage.

How pictures are fetched is no part of the stage's fingerprint, nor is this package's code: what counts is
which pictures came, and that is looked at picture by picture (`content`).
"""

from clairo.embeddings.web.fetch import Again, content, fetch, paths, summary

__all__ = ["Again", "content", "fetch", "paths", "summary"]
