"""Where a user says that something lies: a `Path` is a place on this machine, a `str` is a URL, never the other way.

A URL carries no secret: it is shown in messages and kept in the store and the manifest, so one with a password or a
signature in it is refused. Credentials come from the environment.
"""

import re
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard
from urllib.parse import parse_qsl, unquote, urlsplit
from urllib.request import url2pathname

from pydantic_core import PydanticCustomError

from culpa.tasks.errors import BadInput

__all__ = [
    "POSTGRES",
    "Location",
    "as_location",
    "is_postgres",
    "is_url",
    "last_name",
    "redacted",
    "usable",
]

Location = Path | str
POSTGRES = ("postgresql", "postgres")

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_COLLAPSED = re.compile(r"^(s3|gs|az|abfs|https?|postgres|postgresql):/[^/]")  # what Path makes of a URL
_WORDS = re.compile(
    r"sig|sas|pass|pwd|passphrase|creds?|credentials?|o?auth|authorization|session|jwt"
    r"|\w*(password|passwd|secret|token|signature|apikey|accesskey|secretkey)"
)
_KEYS = re.compile(r"access|api|secret|private|account|shared|subscription|signing|encryption|function")  # what opens
_USER = re.compile(r"(?<=://)[^\s'\"]*@")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")  # `X-Amz-Signature`: X, Amz, Signature; `accessKey`: access, Key
_VALUE = re.compile(r"([?&]([^=&\s]*)=)[^&\s'\"]*")


def is_url(given: object) -> TypeGuard[str]:
    """Whether this is a URL; a path, whatever it is called, is none."""
    return isinstance(given, str) and _URL.match(given) is not None


def is_postgres(given: object) -> bool:
    """Whether this is the URL of a PostgreSQL database."""
    return is_url(given) and given.partition(":")[0].lower() in POSTGRES


def as_location(given: str | Path) -> Location:
    """A path as a `Path`, a URL as it is; BadInput for a URL with a secret in it. `file://` is a path.

    >>> as_location("file:///data/train.csv").name, as_location("s3://zoo/train.csv")
    ('train.csv', 's3://zoo/train.csv')
    """
    if not is_url(given):
        if _COLLAPSED.match(str(given)):
            raise BadInput(f"{given} was a URL until it was made a path, which drops a slash: give it as text")
        return Path(given)
    if given.lower().startswith("file://"):
        return Path(url2pathname(urlsplit(given).path))
    _check_secrets(given)
    return given


def check_writable(url: str) -> None:
    """BadInput where nothing can be written to."""
    if urlsplit(url).scheme.lower() in ("http", "https"):
        raise BadInput(f"cannot write to {url}: a web server only gives; name s3://BUCKET/... or a file with --out")


def last_name(location: Location) -> str:
    """The last part of a path or of a URL's path, without its slash: what a file or folder there is called."""
    return location.name if isinstance(location, Path) else urlsplit(location).path.rstrip("/").rsplit("/", 1)[-1]


def redacted(text: str) -> str:
    """The text without what may be a password or a signature in it.

    >>> redacted("https://ann:secret@zoo.org/a.csv?Signature=abc&page=2")
    'https://***@zoo.org/a.csv?Signature=***&page=2'
    """
    return _VALUE.sub(lambda found: f"{found[1]}***" if _is_secret(found[2]) else found[0], _USER.sub("***@", text))


def _is_secret(name: str) -> bool:
    """Whether a parameter of this name may hold a secret: by its words, so that `author` or `design` holds none.

    `code` and `key` say it only where they stand alone, and a key where it is, say, an access key.
    """
    words = [word.lower() for word in _WORD.findall(unquote(name))]
    return (
        words in (["key"], ["code"])
        or any(map(_WORDS.fullmatch, words))
        or any(last == "key" and _KEYS.fullmatch(first) for first, last in pairwise(words))
    )


def _check_secrets(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise BadInput(f"this {url.split(':')[0]} URL cannot be read: its host or port is malformed") from None
    if parts.password is not None or (parts.username is not None and parts.scheme not in POSTGRES):
        raise BadInput(
            f"a URL must not hold a user's name and password ({redacted(url)}), for it is kept with the run: "
            f"leave them out of it; {_instead(parts.scheme)}"
        )
    secret = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if _is_secret(name)]
    if secret:
        raise BadInput(
            f"a URL must not hold a signature or password ({', '.join(secret)} in {redacted(url)}), for it is kept "
            f"with the run: leave it out; {_instead(parts.scheme)}"
        )


def _instead(scheme: str) -> str:
    if scheme in POSTGRES:
        return "set PGPASSWORD, PGUSER or PGPASSFILE, or write ~/.pgpass"
    if scheme == "s3":
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    return "write them into ~/.netrc, or name s3://BUCKET/... with AWS_ACCESS_KEY_ID set"


def usable(given: object) -> object:
    """The same for a setting's validation, which shows no value of it in its complaint."""
    try:
        return as_location(given) if isinstance(given, str | Path) else given
    except BadInput as error:
        raise PydanticCustomError("location", "{said}", {"said": str(error)}) from None
