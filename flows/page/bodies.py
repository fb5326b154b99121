"""What the page's script sends, checked before anything is done with it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from culpa.tasks.queue import Filter

__all__ = ["Asking", "Deciding", "Undoing", "Wanted"]

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
Text = Annotated[str, Field(max_length=20_000)]


class Wanted(BaseModel):
    """The filter, as a query string has it; an empty text narrows nothing."""

    model_config = ConfigDict(extra="ignore")

    state: Literal["undecided", "decided", "disputed", "all"] = "undecided"
    label: str = ""
    tag: str = ""
    source: str = ""
    must_see: bool = False
    suspicion_from: str = ""
    suspicion_to: str = ""
    probability_from: str = ""
    probability_to: str = ""

    def as_filter(self) -> Filter:
        """The same for the queue; what is no number narrows nothing."""
        return Filter(
            state=self.state,
            label=self.label or None,
            tag=self.tag or None,
            source=self.source or None,
            must_see=self.must_see,
            suspicion_from=_number(self.suspicion_from),
            suspicion_to=_number(self.suspicion_to),
            probability_from=_number(self.probability_from),
            probability_to=_number(self.probability_to),
        )


class _OnRow(BaseModel):
    model_config = ConfigDict(extra="forbid")

    row_id: Text
    row_hash: Text  # of the content that the person saw
    last_id: Annotated[int, Field(ge=0)]  # the last decision that the person saw
    by: Name


class Deciding(_OnRow):
    """One decision."""

    decision: Literal["keep", "drop", "relabel", "defer"]
    new_label: Text | None = None
    note: Annotated[str, Field(max_length=2_000)] | None = None


class Undoing(_OnRow):
    """A decision to take back."""

    decision_id: int


class Asking(BaseModel):
    """A query."""

    model_config = ConfigDict(extra="forbid")

    sql: Text


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
