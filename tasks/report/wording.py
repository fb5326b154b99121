"""Numbers as people read them: thousands parted, three digits, shares in per cent, intervals in words."""

import re
from typing import Any

__all__ = ["between", "count", "decimal", "share", "signed", "spaced"]

UNKNOWN = "–"


def count(value: Any) -> str:
    """Whole rows: 12,345."""
    return UNKNOWN if value is None else f"{round(value):,}"


def decimal(value: float | None, digits: int = 3) -> str:
    """A few significant digits, a true minus sign.

    >>> decimal(-0.012345), decimal(1.2e-07)
    ('−0.0123', '1.2e−7')
    """
    if value is None or value != value:
        return UNKNOWN
    text = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"
    return re.sub(r"e([+-])0?(\d)", r"e\1\2", text).replace("-", "−").replace("e+", "e")


def signed(value: float | None, digits: int = 3) -> str:
    """The same with its sign, for effects."""
    return f"+{decimal(value, digits)}" if value is not None and value > 0 else decimal(value, digits)


def share(value: float | None) -> str:
    """A share in per cent.

    >>> share(0.634)
    '63 %'
    >>> share(0.0002)
    '<0.1 %'
    """
    if value is None or value != value:
        return UNKNOWN
    percent = 100 * value
    if 0 < percent < 0.05:
        return "<0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 9.95 else f"{percent:.0f} %"


def between(low: Any, high: Any, say: Any = decimal) -> str:
    """An interval's ends, or nothing where there are none."""
    return "" if low is None or high is None else f"{say(low)} to {say(high)}"


def spaced(name: str) -> str:
    """A name of the store as words: rare_but_useful -> rare but useful."""
    return name.replace("_", " ")
