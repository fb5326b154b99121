"""A small table with known errors: three well separated clouds, of whose labels a few are wrong."""

from pathlib import Path

import numpy as np
import pandas as pd

CLASSES = np.array(["ant", "bee", "cow"])


def blobs(rows: int = 180, wrong: int = 12, seed: int = 0) -> tuple[pd.DataFrame, set[str]]:
    """The table (id, x, y, colour, kind), and the ids of the rows whose `kind` is wrong."""
    generator = np.random.default_rng(seed)
    code = np.arange(rows) % len(CLASSES)
    centres = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
    points = centres[code] + generator.normal(size=(rows, 2))
    given = code.copy()
    flipped = generator.choice(rows, size=wrong, replace=False)
    given[flipped] = (given[flipped] + generator.integers(1, len(CLASSES), size=wrong)) % len(CLASSES)
    names = [f"r{number:03d}" for number in range(rows)]
    colours = generator.choice(["red", "green", "blue"], size=rows)
    table = pd.DataFrame({"id": names, "x": points[:, 0], "y": points[:, 1], "colour": colours, "kind": CLASSES[given]})
    return table, {names[index] for index in flipped}


def write_blobs(path: Path, rows: int = 180, wrong: int = 12, seed: int = 0) -> set[str]:
    """The same as a Parquet file; returns the ids of the wrong rows."""
    table, flipped = blobs(rows, wrong, seed)
    table.to_parquet(path, index=False)
    return flipped
