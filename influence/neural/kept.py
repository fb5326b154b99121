"""What training and fitting cost, kept in a folder: trainings, curvatures and gradients, each under the hash of
everything it depends on.

A run with other reference rows finds all that does not depend on them. What comes back is what was put in, bit for bit,
so a run's answer does not depend on what the folder holds. Files are safetensors, never pickle: reading one runs no
code. They appear whole; one that cannot be read counts as absent; the ones used longest ago make room for new ones.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from culpa.influence.network.recipe import Recipe

__all__ = ["Content", "Kept", "name_of"]

MOST_BYTES = 2**31  # of all files together

Content = tuple[dict[str, Tensor], dict[str, str]]  # tensors, and words about them


@dataclass(frozen=True)
class Kept:
    """A folder of results; None keeps nothing."""

    folder: Path | None
    code: str = ""  # hash of the user's code that makes the network

    def of(self, name: str, make: Callable[[], Content]) -> Content:
        """The content under this name, made and kept if it is not there."""
        if self.folder is None:
            return make()
        file = self.folder / f"{name}.safetensors"
        found = _read(file)
        if found is not None:
            os.utime(file)
            return found
        made = make()
        self._write(file, made)
        return made

    def _write(self, file: Path, content: Content) -> None:
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # for its owner alone
        draft = file.with_name(f".{file.name}.{os.getpid()}.draft")
        tensors, words = content
        try:
            save_file({key: value.contiguous().cpu() for key, value in tensors.items()}, draft, metadata=words)
            os.replace(draft, file)
        finally:
            draft.unlink(missing_ok=True)
        _make_room(self.folder)


def name_of(what: str, *parts: object) -> str:
    """A name that tells apart whatever differs in any part: numbers, texts, tensors, recipes."""
    digest = sha256(torch.__version__.encode())
    for part in parts:
        for one in _bytes(part):
            digest.update(len(one).to_bytes(8, "little"))
            digest.update(one)
    return f"{what}-{digest.hexdigest()[:32]}"


def _bytes(part: object) -> list[bytes]:
    if isinstance(part, Tensor):
        plain = part.detach().cpu().contiguous()
        return [str((plain.dtype, tuple(plain.shape))).encode(), plain.flatten().view(torch.uint8).numpy().tobytes()]
    if isinstance(part, Recipe):
        told = {one.name: getattr(part, one.name) for one in fields(part) if one.name not in ("make", "objective")}
        return [f"{type(part.objective).__name__} {sorted(told.items())}".encode()]
    if isinstance(part, list | tuple):
        return [one for some in part for one in _bytes(some)]
    return [repr(part).encode()]


def _read(file: Path) -> Content | None:
    try:
        with safe_open(file, framework="pt") as opened:
            tensors: Mapping[str, Tensor] = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
            return dict(tensors), dict(opened.metadata() or {})
    except (OSError, SafetensorError):
        return None


def _make_room(folder: Path) -> None:
    """Remove the files used longest ago until the others fit; others may be removing them too."""
    files = sorted(folder.glob("*.safetensors"), key=_used, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size if file.exists() else 0
        if total > MOST_BYTES:
            file.unlink(missing_ok=True)


def _used(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
