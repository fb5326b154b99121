"""Files at URLs (s3, https, whatever fsspec has a library for), copied into the work folder block by block.

They are read from there, so that one snapshot is seen however often the rows are scanned. Credentials come from the
environment, as each library documents: AWS_ACCESS_KEY_ID and its kin, AWS_ENDPOINT_URL, AWS_PROFILE, ~/.netrc.
Patterns and folders are looked up where the store can list its files; https cannot.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.extras import needed
from culpa.tasks.fetching.brought import Brought
from culpa.tasks.files import format_of, tables_among
from culpa.tasks.locations import redacted

__all__ = ["fetch_files", "file_system", "plainly"]

LISTLESS = ("http", "https")
PART, AT_ONCE = 16 << 20, 4  # bytes asked for at a time, and how many such parts are under way
FULL = (errno.ENOSPC, errno.EDQUOT)


def fetch_files(url: str, folder: Path) -> Brought:
    """Copy the file, the files of the pattern, or the tables of the folder at `url` into `folder`."""
    with plainly(url):
        system, path = file_system(url)
        found = _found(system, path, url)
        files = [_fetch(system, one, folder / _local(one, place)) for place, one in enumerate(found)]
        names = {str(file): _url(system, one, url) for file, one in zip(files, found, strict=True)}
    return Brought(url, files, names)


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system for the URL, made anew with what the environment says now, and the path in it."""
    scheme = urlsplit(url).scheme.lower()
    fsspec = needed("fsspec", "remote", f"{scheme}://")
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme in LISTLESS:
        needed("aiohttp", "remote", f"{scheme}://")
        options["client_kwargs"] = {"trust_env": True}  # ~/.netrc and the proxies of the environment
    if scheme == "s3":
        needed("s3fs", "remote", "s3://")
    try:
        system, path = fsspec.core.url_to_fs(url, **options)
    except (ImportError, ValueError) as error:
        raise BadInput(f"cannot read {scheme}:// here: {error}") from error
    return system, path


@contextmanager
def plainly(url: str) -> Iterator[None]:
    """Say in the user's terms what went wrong with a URL, whichever library it came from, and no secret with it."""
    try:
        yield
    except CulpaError:
        raise
    except FileNotFoundError as error:
        raise BadInput(f"no such file: {url}") from error
    except PermissionError as error:
        raise BadInput(f"no permission for {url}: {_said(error)}; {_credentials(url)}") from error
    except Exception as error:  # each library has classes of its own, and importing them all is not wanted
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        if "Credentials" in type(error).__name__:
            raise BadInput(f"no credentials for {url}: {_said(error)}; {_credentials(url)}") from error
        raise CulpaError(f"cannot reach {url}: {_said(error)}") from error


def _found(system: Any, path: str, url: str) -> list[str]:
    """The files in the order of their names, all of one format."""
    if urlsplit(url).scheme.lower() in LISTLESS:
        if any(mark in urlsplit(url).path for mark in "*["):
            raise BadInput(f"{url}: a web server cannot list its files; name one file")
        format_of(_pure(path))
        return [path]
    try:
        info = system.info(path)
    except FileNotFoundError:
        found = sorted(name for name, about in system.glob(path, detail=True).items() if about["type"] == "file")
        if not found:
            raise
    else:
        if info["type"] == "directory":
            return sorted(map(str, tables_among([PurePosixPath(name) for name in sorted(system.find(path))], url)))
        found = [path]
    formats = sorted({format_of(_pure(one)) for one in found})
    if len(formats) > 1:
        raise BadInput(f"{url} finds files of several formats ({', '.join(formats)}): name one")
    return found


def _fetch(system: Any, path: str, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    options = {"chunksize": PART, "max_concurrency": AT_ONCE} if "s3" in system.protocol else {}
    system.get_file(path, str(file), **options)
    return file


def _local(path: str, place: int) -> Path:
    """Where a file goes: the partitions that its folders name are kept; numbered, so that no two are the same."""
    parts = _pure(path).parts
    partitions = [part for part in parts[:-1] if "=" in part]
    return Path(*partitions, f"{place:06d}-{parts[-1]}")


def _pure(path: str) -> PurePosixPath:
    """A path in a file system, or a URL's path where the file system keeps whole URLs."""
    return PurePosixPath(unquote(urlsplit(path).path) if "://" in path else path)


def _url(system: Any, path: str, url: str) -> str:
    return url if urlsplit(url).scheme.lower() in LISTLESS else str(system.unstrip_protocol(path))


def _said(error: Exception) -> str:
    return redacted((str(error).strip() or type(error).__name__).split("\n")[0])


def _credentials(url: str) -> str:
    if url.startswith("s3://"):
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_ENDPOINT_URL where it is not Amazon's)"
    return "see the library's documentation for the environment variables it reads"
