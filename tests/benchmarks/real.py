"""Real label noise: does cleaning with a small trusted file help the next model, and what does a run on text flag?

Yoruba news titles (Hedderich et al. 2020), seven topics, a third of the training labels wrong, a small trusted file:
the command's own drops against cleanlab dropping as many, nothing, as many at random, and exactly the wrong rows. One
way of training judges them all: TF-IDF of character 2-4-grams, 200 singular directions, logistic regression and a
linear support vector machine, several seeds. People's labels are used for judging alone. The error given beside a
difference is its standard error over the test rows.

Banking77 (Casanueva et al. 2020): the ten most suspicious rows of the training set, for a person to judge.

    python -m tests.benchmarks.real --data FOLDER

FOLDER holds yoruba_train.parquet (text, label, truth, bbc_url_id), yoruba_reference.parquet and yoruba_test.parquet
(text, label, bbc_url_id), banking77_train.parquet (id, text, label).
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cleanlab.rank import get_label_quality_scores
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.svm import LinearSVC

from culpa.flows.plain import clean, flag
from culpa.tasks.runs import query
from tests.benchmarks.cases import Array
from tests.benchmarks.tables import print_table

DIRECTIONS, STRENGTH = 200, 10.0
MODELS = (LogisticRegression(C=STRENGTH, max_iter=2000), LinearSVC(C=1.0))
TOP = "SELECT text, given_label, suggested_label, suspicion, tag FROM flagged ORDER BY suspicion DESC LIMIT 10"


def main(words: Sequence[str] | None = None) -> None:
    """Both data sets, or a sentence where there are none."""
    options = read(words)
    if options.data is None or not options.data.is_dir():
        print(f"real.py measured nothing: no folder {options.data}; name the one with the data by --data FOLDER")
        return
    with tempfile.TemporaryDirectory(prefix="culpa-real-") as name:
        compare_on_yoruba(options.data, Path(name), options.seeds)
        show_banking(options.data, Path(name))


def compare_on_yoruba(data: Path, folder: Path, seeds: int) -> None:
    """Precision of the dropped rows and test accuracy without them, for every way of dropping."""
    train, test = (pd.read_parquet(data / f"yoruba_{part}.parquet") for part in ("train", "test"))
    wrong = (train["label"] != train["truth"]).to_numpy()
    ours = culpa_drops(train.drop(columns="truth"), data / "yoruba_reference.parquet", folder)
    precision: dict[str, list[float]] = {}
    right: dict[str, list[Array]] = {}
    for seed in range(seeds):
        here, there = features(train["text"], test["text"], seed)
        for name, dropped in ways(ours, wrong, here, train["label"].to_numpy(), seed).items():
            precision.setdefault(name, []).append(float(wrong[dropped].mean()) if dropped.any() else np.nan)
            found = right_answers(here[~dropped], train["label"][~dropped], there, test["label"].to_numpy())
            right.setdefault(name, []).append(found)
    means = {name: np.mean(found, axis=0) for name, found in right.items()}
    lines = [line(name, np.mean(precision[name]), found, means["culpa"]) for name, found in means.items()]
    title = f"yoruba, {len(train)} rows, {wrong.mean():.0%} wrong, {ours.sum()} dropped, {seeds} seeds x 2 models"
    header = ["dropped by", "precision", "logistic", "vector machine", "accuracy", "culpa's gain", "error"]
    print_table(title, header, lines)


def ways(ours: Array, wrong: Array, here: Array, labels: Array, seed: int) -> dict[str, Array]:
    """Every way of dropping: a mark on the training rows."""
    random = np.random.default_rng(seed).permutation(ours)
    return {
        "culpa": ours,
        "cleanlab, as many": cleanlab_drops(here, labels, int(ours.sum())),
        "random, as many": random,
        "nobody": np.zeros_like(ours),
        "the truth, exactly": wrong,
    }


def culpa_drops(train: pd.DataFrame, reference: Path, folder: Path) -> Array:
    """Clean by the command's own function; the rows that are missing from what it wrote."""
    train.to_parquet(folder / "yoruba.parquet", index=False)
    result = clean(
        folder / "yoruba.parquet",
        label="label",
        key="bbc_url_id",  # `id` counts from 0 in the trusted file too, and would name other rows there
        ignore=("id", "date"),
        reference=reference,
        store=folder / "yoruba.duckdb",
        out=folder / "yoruba.cleaned.parquet",
        max_drop=0.5,
        max_drop_per_class=0.8,
    )
    kept = pd.read_parquet(result.clean)["bbc_url_id"]
    dropped: Array = ~train["bbc_url_id"].isin(kept).to_numpy()
    return dropped


def cleanlab_drops(here: Array, labels: Array, count: int) -> Array:
    """The rows of least margin over five folds."""
    codes = np.unique(labels, return_inverse=True)[1]
    found = cross_val_predict(MODELS[0], here, codes, cv=5, method="predict_proba")
    dropped = np.zeros(len(labels), bool)
    dropped[np.argsort(get_label_quality_scores(codes, found, method="normalized_margin"))[:count]] = True
    return dropped


def features(train: Any, test: Any, seed: int) -> tuple[Array, Array]:
    """Directions of both sides' texts, learned from the training texts, each row of length one."""
    terms = TfidfVectorizer(analyzer="char", ngram_range=(2, 4), sublinear_tf=True)
    plan = make_pipeline(terms, TruncatedSVD(DIRECTIONS, random_state=seed), Normalizer())
    return plan.fit_transform(train), plan.transform(test)


def right_answers(here: Array, labels: Any, there: Array, truth: Array) -> Array:
    """Which test rows each model gets right, (models, test rows)."""
    return np.stack([model.fit(here, labels).predict(there) == truth for model in MODELS]).astype(float)


def line(name: str, precision: float, found: Array, ours: Array) -> list[str]:
    """Accuracies of one way, and how far culpa's lies above."""
    gains = (ours - found).mean(axis=0)
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    figures = [precision, *found.mean(axis=1), found.mean()]
    return [
        name,
        *("" if np.isnan(figure) else f"{figure:.3f}" for figure in figures),
        f"{gains.mean():+.3f}",
        f"{error:.3f}",
    ]


def show_banking(data: Path, folder: Path) -> None:
    """Flag the training set and print the ten most suspicious rows of the view `flagged`."""
    store = folder / "banking.duckdb"
    result = flag(data / "banking77_train.parquet", label="label", key="id", store=store)
    took = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in result.seconds.items())
    top = query(store, TOP).to_pylist()
    lines = [
        [row["text"], row["given_label"], row["suggested_label"], f"{row['suspicion']:.2f}", row["tag"]] for row in top
    ]
    title = f"banking77, {result.rows:,} rows ({took}); tagged {dict(result.tags)}; the ten most suspicious"
    print_table(title, ["text", "given", "suggested", "suspicion", "tag"], lines)


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder with the data; without it nothing is measured")
    parser.add_argument("--seeds", type=int, default=5)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
