"""Small images of a row as data URIs, whether a column holds their bytes or the path of a file."""

import base64
from pathlib import Path
from typing import Any

__all__ = ["LARGEST", "Pictures"]

LARGEST = 50_000  # bytes of one image
MOST = 20  # images of one report
MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
ENDINGS = (".png", ".jpg", ".jpeg")


class Pictures:
    """Turns values into images until the report has enough of them; paths are looked up beside the source."""

    def __init__(self, folder: Path) -> None:
        """Relative paths start in `folder`, or where the process runs."""
        self._folder = folder
        self._left = MOST

    def data_uri(self, value: Any) -> str | None:
        """The image that `value` is or names, or None for anything else and for an image that is too large."""
        content = self._bytes(value) if self._left else None
        kind = next((kind for magic, kind in MAGIC.items() if content and content.startswith(magic)), None)
        if content is None or kind is None or len(content) > LARGEST:
            return None
        self._left -= 1
        return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"

    def _bytes(self, value: Any) -> bytes | None:
        if isinstance(value, dict):  # how Hugging Face's Parquet files keep an image
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes | bytearray):
            return bytes(value)
        return self._file(value) if isinstance(value, str) and value.lower().endswith(ENDINGS) else None

    def _file(self, path: str) -> bytes | None:
        try:
            found = next(file for file in (self._folder / path, Path(path)) if file.is_file())
            return found.read_bytes() if found.stat().st_size <= LARGEST else None
        except (OSError, ValueError, StopIteration):
            return None
