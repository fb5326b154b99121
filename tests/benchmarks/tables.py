"""One way to print: a title, aligned columns, the first to the left and the rest to the right."""

from collections.abc import Sequence


def print_table(title: str, header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a title, a header and lines of text, aligned."""
    table = [header, *lines]
    widths = [max(len(line[k]) for line in table) for k in range(len(header))]
    print(f"\n{title}")
    for line in table:
        first, *rest = (
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join([first, *rest]).rstrip())
