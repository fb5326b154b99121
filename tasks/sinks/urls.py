"""Files in a store of files, s3 above all: uploaded from whole local drafts, quarantine first, manifest last.

A store of files cannot rename, so the manifest is the seal: it is taken away before the first upload and comes back
after the last one was checked. Files without a manifest, or with one that does not fit, are half a publish.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

from culpa.tasks.errors import CulpaError
from culpa.tasks.fetching.urls import file_system, plainly
from culpa.tasks.locations import Location, last_name
from culpa.tasks.outputs import Drafts
from culpa.tasks.places import Places, named_after
from culpa.tasks.publishing import manifest
from culpa.tasks.publishing.sides import Drafted
from culpa.tasks.runs import Run

BLOCK = 1 << 20
PART = 16 * BLOCK  # bytes of a part of a large upload; s3's ETag is the hash of the parts' hashes
AT_ONCE = 4  # parts in memory


def check_store(url: str) -> None:
    """BadInput or CulpaError where the store of files cannot be reached; who may write and not look passes."""
    with plainly(url):
        system, path = file_system(url)
        with suppress(PermissionError):
            if "s3" in system.protocol:
                system.info(path.split("/")[0])


@dataclass(frozen=True)
class FilesAtUrl:
    """The files at a URL and beside it."""

    url: str
    run: Run
    weights: bool

    @property
    def shown(self) -> Mapping[str, Location]:
        """Their URLs."""
        names = self.places(Path())
        found: dict[str, Location] = {role: self._beside(path.name) for role, path in names.sealed.items()}
        return {**found, "manifest": self._beside(names.manifest.name)}

    @property
    def layout(self) -> Mapping[str, Any]:
        """Nothing to say."""
        return {}

    @cached_property
    def _there(self) -> tuple[Any, str]:
        """The store of files and the path in it."""
        return file_system(self.url)

    def places(self, work: Path) -> Places:
        """Whole files in the work folder first."""
        return named_after(work / last_name(self.url), self.run, weights=self.weights)

    def holds(self, said: dict[str, Any]) -> bool:
        """By size and the store's own checksum (ETag), without reading the files where it has one."""
        with plainly(self.url):
            system, path = self._there
            try:
                text = system.cat_file(_sibling(path, self.places(Path()).manifest.name)).decode()
                sealed = manifest.seals(text, said)
                roles = self.places(Path()).sealed
                return sealed is not None and all(
                    _is_sealed(system, _sibling(path, file.name), sealed[role]) for role, file in roles.items()
                )
            except (FileNotFoundError, ValueError, LookupError):
                return False

    def deliver(self, drafts: Drafts, drafted: Mapping[str, Drafted], said: dict[str, Any]) -> None:
        """Take the manifest away, upload and check each file, then upload the manifest."""
        sealed = manifest.seal(said, {role: (one.path, one.side) for role, one in drafted.items()})
        with plainly(self.url):
            system, path = self._there
            seal = _sibling(path, self.places(Path()).manifest.name)
            with suppress(FileNotFoundError):
                system.rm_file(seal)
            for role, one in drafted.items():
                place = _sibling(path, last_name(self.shown[role]))
                sealed["files"][role] |= _upload(system, one.path, place, sealed["files"][role]["sha256"])
            system.pipe_file(seal, manifest.as_text(sealed).encode())

    def _beside(self, name: str) -> str:
        return _sibling(self.url, name)


def _sibling(path: str, name: str) -> str:
    return f"{path.rpartition('/')[0]}/{name}"


def _upload(system: Any, file: Path, path: str, digest: str) -> dict[str, str]:
    """Upload one file and check what arrived: by the store's checksum if it is one of ours, else by reading it back."""
    options = {"chunksize": PART, "max_concurrency": AT_ONCE} if "s3" in system.protocol else {}
    system.put_file(str(file), path, **options)
    info = system.info(path)
    tag = str(info.get("ETag", "")).strip('"')
    if info["size"] != file.stat().st_size or (tag not in _expected_tags(file) and _read_back(system, path) != digest):
        raise CulpaError(f"what arrived at {system.unstrip_protocol(path)} is not what was sent: publish again")
    return {"etag": tag} if tag else {}


def _is_sealed(system: Any, path: str, seal: dict[str, Any]) -> bool:
    info = system.info(path)
    if info["size"] != seal["bytes"]:
        return False
    tag = str(info.get("ETag", "")).strip('"')
    return bool(tag == seal["etag"] if tag and "etag" in seal else _read_back(system, path) == seal["sha256"])


def _expected_tags(file: Path) -> tuple[str, str]:
    """What s3 calls the file: its md5, or for an upload in parts the md5 of their md5s and their number."""
    whole, parts = md5(usedforsecurity=False), []
    with file.open("rb") as opened:
        while part := opened.read(PART):
            whole.update(part)
            parts.append(md5(part, usedforsecurity=False).digest())
    return whole.hexdigest(), f"{md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"


def _read_back(system: Any, path: str) -> str:
    digest = sha256()
    for block in _blocks(system, path):
        digest.update(block)
    return digest.hexdigest()


def _blocks(system: Any, path: str) -> Iterator[bytes]:
    with system.open(path, "rb") as opened:
        while block := opened.read(BLOCK):
            yield block
