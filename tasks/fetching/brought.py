"""What a fetch leaves: files of the work folder, and what they are called where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Brought:
    """Fetched files, good for as long as the work folder they lie in."""

    name: str  # as messages and the store call all of it
    files: list[Path]
    names: Mapping[str, str] = field(default_factory=dict)  # file -> what it is called there

    def spoken(self, message: str) -> str:
        """A message with the files' own names in it instead of where they lie for now."""
        for file, name in self.names.items():
            message = message.replace(file, name)
        return message
