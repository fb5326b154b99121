"""A text as HTML with some of its words marked; everything else is escaped."""

import re
from collections.abc import Sequence

from markupsafe import Markup

__all__ = ["marked"]


def marked(text: str, words: Sequence[str]) -> Markup:
    """`text`, escaped, with each whole word of `words` inside <mark>, whatever its case.

    >>> str(marked("A <b>Bad</b> badger", ["bad"]))
    'A &lt;b&gt;<mark>Bad</mark>&lt;/b&gt; badger'
    """
    wanted = [word for word in dict.fromkeys(words) if word]
    if not wanted:
        return Markup.escape(text)
    longest_first = "|".join(re.escape(word) for word in sorted(wanted, key=len, reverse=True))
    pieces = re.split(rf"(?<!\w)({longest_first})(?!\w)", text, flags=re.IGNORECASE)
    html = [
        Markup("<mark>{}</mark>").format(piece) if odd % 2 else Markup.escape(piece) for odd, piece in enumerate(pieces)
    ]
    return Markup("").join(html)
