"""What all tables of the configuration share: kinds of values, and how a table behaves."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
ModalityName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]

MODES = ("fused", "separate", "both")
"""Ways to put modalities together; any other value of `fused.mode` is the name of one."""


class Section(BaseModel):
    """One table of the configuration: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )


def refuse_set(section: Section, names: Iterable[str], encoders: str) -> None:
    """Refuse options that the encoder of a section would leave unread."""
    for name in names:
        if getattr(section, name) != type(section).model_fields[name].default:
            raise ValueError(f"{name} needs encoder = {encoders}")
