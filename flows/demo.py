"""`make demo`: digits with a tenth of the labels flipped, cleaned by the real flow, and checked against the truth.

Only the demonstration knows which labels were flipped; the command sees a Parquet file with wrong labels in it.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from culpa.flows.command import answer
from culpa.flows.quiet import be_quiet

FOLDER = Path("demo")
SEED = 0
FLIPPED = 0.10  # share of the training labels that are flipped to another class
LOOK = "select row_id, given_label, suggested_label, probability_wrong, memorization, tag from flagged limit 10"


@dataclass(frozen=True)
class Digits:
    """The 8 x 8 images that ship with scikit-learn, split in two; `truth` is for the final check alone."""

    train: Any  # DataFrame: image (the key), pixel_0 ... pixel_63, digit (a tenth of them wrong)
    test: Any  # the same columns, nothing wrong
    truth: Any  # Series: the true digit by image


def flipped_digits(seed: int, share: float) -> Digits:
    """Digits with `share` of the training labels moved to another class, uniformly, by `seed`."""
    import numpy as np
    from sklearn.datasets import load_digits

    pixels, digit = load_digits(return_X_y=True, as_frame=True)
    table = pixels.assign(digit=digit)
    table.insert(0, "image", [f"image_{number:04d}" for number in range(len(table))])
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(table))
    train, test = table.iloc[order[600:]].copy(), table.iloc[order[:600]]
    truth = train.set_index("image")["digit"].copy()
    wrong = generator.choice(len(train), size=round(share * len(train)), replace=False)
    column = train.columns.get_loc("digit")
    train.iloc[wrong, column] = (train.iloc[wrong, column] + generator.integers(1, 10, size=len(wrong))) % 10
    return Digits(train, test, truth)


def accuracy(train: Any, test: Any) -> float:
    """Share of right answers on `test` of a plain model trained on `train`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = [column for column in train.columns if column.startswith("pixel")]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(train[features], train["digit"])
    return float(model.score(test[features], test["digit"]))


def accuracy_at_random(train: Any, dropped: int, test: Any, seeds: int = 5) -> float:
    """The same after dropping as many rows at random: the mean over a few draws."""
    draws = [accuracy(train.sample(len(train) - dropped, random_state=seed), test) for seed in range(seeds)]
    return sum(draws) / len(draws)


def main() -> None:
    """Make the data, clean it by the command, and compare with the truth."""
    be_quiet()
    os.environ.setdefault("PREFECT_HOME", str((FOLDER / "prefect").absolute()))
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    digits = flipped_digits(SEED, FLIPPED)
    digits.train.to_parquet(FOLDER / "train.parquet", index=False)
    print(f"{FOLDER}/train.parquet: {len(digits.train):,} handwritten digits; of their labels {FLIPPED:.0%} are wrong")
    train, store, cleaned = (str(FOLDER / name) for name in ("train.parquet", "culpa.duckdb", "cleaned.parquet"))
    culpa("clean", train, "--label", "digit", "--key", "image", "--store", store, "--out", cleaned)
    compare(digits, FOLDER / "cleaned.parquet")
    culpa("sql", LOOK, "--store", store)
    culpa("sql", "select issue, label, rows, dropped from issue_summary order by rows desc limit 5", "--store", store)
    print(f"\neverything lies in {FOLDER}/: cleaned file, quarantine (a reason for every row), manifest, store")
    print(f"the command is {Path(sys.executable).with_name('culpa')}; look further with what stands behind the $ above")


def culpa(*words: str) -> None:
    """Show one command and run it."""
    print("\n$ culpa", *(f'"{word}"' if " " in word else word for word in words), flush=True)
    if code := answer(words):
        sys.exit(code)


def compare(digits: Digits, cleaned: Path) -> None:
    """Print how many of the dropped rows were wrong, and what the cleaning did to a model."""
    import pandas as pd

    clean = pd.read_parquet(cleaned)
    given = digits.train.set_index("image")["digit"]
    wrong = set(given.index[given != digits.truth])
    dropped = set(given.index) - set(clean["image"])
    caught = len(wrong & dropped)
    print(
        f"\nof {len(dropped)} dropped rows {caught} were wrong (precision {caught / max(1, len(dropped)):.3f}); ",
        end="",
    )
    print(f"of {len(wrong)} wrong ones {caught} were dropped (recall {caught / len(wrong):.3f})")
    random = accuracy_at_random(digits.train, len(dropped), digits.test)
    print(f"accuracy of a logistic regression on {len(digits.test)} test digits that nobody touched:")
    print(f"  trained on everything                {accuracy(digits.train, digits.test):.3f}")
    print(f"  trained on what culpa kept           {accuracy(clean, digits.test):.3f}")
    print(f"  after dropping {len(dropped):>4} rows at random   {random:.3f}")


if __name__ == "__main__":
    main()
