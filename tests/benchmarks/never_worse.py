"""Is a published cleaning ever worse than no cleaning? Test accuracy before and after, on clean and on noisy labels.

Every case goes through `clean` as a user would run it, gate and all; then models that culpa does not know (logistic
regression, and a random forest; on texts a support vector machine) are trained on the published rows and judged on test
rows with right labels. Beside it: all rows, cleanlab's own choice of rows (`find_label_issues`, five folds of the
logistic regression), as many rows as culpa dropped but drawn at random, and the wrong rows exactly.

Rows: digits, breast_cancer, wine, mnist5k with no noise, u20, pair20 and inst20 (`cases`); Banking77 and Yoruba as they
are, where FOLDER is given. Yoruba once with its trusted file and once without. The error beside a mean is its standard
error over seeds and test rows. "calibrated" counts the runs whose interval for the number of wrong labels, and for the
precision of the dropped rows, holds the truth.

    python -m tests.benchmarks.never_worse [--datasets digits wine] [--seeds 3] [--data FOLDER] [--jobs 2]
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.svm import LinearSVC

from culpa.flows.plain import clean
from tests.benchmarks.cases import NOISES, TRAIN, Array, load, plant, scale
from tests.benchmarks.real import features
from tests.benchmarks.tables import print_table

TABLES = ("digits", "breast_cancer", "wine", "mnist5k")
TEXTS = ("banking77", "yoruba", "yoruba trusted")
CLEAN = "none"
WAYS = ("culpa", "cleanlab", "random", "exactly")


@dataclass(frozen=True)
class Split:
    """One case: training rows as a user has them, and what they are worth is judged by the others."""

    name: str
    table: pd.DataFrame  # key, features or text, label
    here: Array  # (rows, features) for the judging models
    given: Array  # (rows,) class codes
    wrong: Array | None  # (rows,) None: nobody knows
    there: Array  # (test rows, features)
    truth: Array  # (test rows,)
    models: tuple[Any, ...]
    reference: Path | None = None


def main(words: Sequence[str] | None = None) -> None:
    """Run every case and print one line for each data set and noise."""
    options = read(words)
    work = joblib.Parallel(n_jobs=options.jobs)(joblib.delayed(one)(split) for split in splits(options))
    found: dict[str, list[dict[str, Any]]] = {}
    for name, line in work:
        found.setdefault(name, []).append(line)
    header = [
        "",
        "rows",
        "wrong",
        "dropped",
        "precision",
        "before",
        *(f"{way} gain" for way in WAYS),
        "error",
        "calibrated",
        "gate",
    ]
    print_table(
        "test accuracy, mean over models and seeds", header, [_line(name, runs) for name, runs in found.items()]
    )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


def one(split: Split) -> tuple[str, dict[str, Any]]:
    """Clean one case, and train on what is left."""
    dropped, run = culpa_drops(split)
    ways = {"before": np.zeros(len(split.given), bool), "culpa": dropped, "cleanlab": cleanlab_drops(split)}
    ways["random"] = np.random.default_rng(0).permutation(dropped)
    if split.wrong is not None:
        ways["exactly"] = split.wrong
    right = {way: right_answers(split, gone) for way, gone in ways.items()}
    line = {
        "rows": len(dropped),
        "dropped": int(dropped.sum()),
        "wrong": None if split.wrong is None else int(split.wrong.sum()),
        "hits": None if split.wrong is None else int((split.wrong & dropped).sum()),
        "before": float(right["before"].mean()),
        "gains": {way: float(found.mean() - right["before"].mean()) for way, found in right.items() if way != "before"},
        "variance": float((right["culpa"] - right["before"]).mean(axis=0).var(ddof=1) / len(split.truth)),
        "verdict": run["verdict"],
        "report": run["report"],
    }
    print(split.name, json.dumps(line), file=sys.stderr, flush=True)
    return split.name, line


def culpa_drops(split: Split) -> tuple[Array, dict[str, Any]]:
    """What `clean` takes out of the rows, and what it said."""
    with tempfile.TemporaryDirectory(prefix="culpa-never-worse-") as name:
        folder = Path(name)
        result = clean(
            split.table, label="label", key="key", store=folder / "culpa.duckdb", out=folder / "cleaned.parquet",
            dataset="rows", max_drop=1.0, max_drop_per_class=1.0, reference=split.reference, report=False,
        )  # fmt: skip
        kept = pd.read_parquet(folder / "cleaned.parquet")["key"]
        report = _report(folder / "culpa.duckdb")
    dropped: Array = ~split.table["key"].isin(kept).to_numpy()
    return dropped, {"verdict": result.verdict, "report": report}


def _report(store: Path) -> dict[str, Any]:
    from culpa.tasks.runs import query

    report = json.loads(query(store, "SELECT report FROM runs").to_pylist()[0]["report"])
    return {name: report.get(name) for name in ("calibration", "faithfulness", "self_test")}


def cleanlab_drops(split: Split) -> Array:
    """The rows that cleanlab itself would have one look at."""
    found = cross_val_predict(LogisticRegression(max_iter=2000), split.here, split.given, cv=5, method="predict_proba")
    issues: Array = find_label_issues(split.given, found)
    return issues


def right_answers(split: Split, gone: Array) -> Array:
    """Which test rows each model gets right, (models, test rows)."""
    fits = [model.fit(split.here[~gone], split.given[~gone]) for model in split.models]
    return np.stack([fit.predict(split.there) == split.truth for fit in fits]).astype(float)


def splits(options: argparse.Namespace) -> Iterator[Split]:
    """Every case asked for."""
    for dataset in options.datasets:
        for seed in range(options.seeds):
            if dataset in TABLES:
                yield from (tabular(dataset, noise, seed) for noise in options.noises)
            elif options.data is not None:
                yield text(dataset, options.data, seed)


def tabular(dataset: str, noise: str, seed: int) -> Split:
    """60 % of the rows to train on, 40 % to judge by."""
    raw, truth = load(dataset)
    order = np.random.default_rng(1000 + seed).permutation(len(truth))
    train, test = np.split(order, [int(TRAIN * len(truth))])
    scaled = scale(dataset, raw)
    given = truth[train] if noise == CLEAN else plant(scaled[train], truth[train], noise, seed)
    table = pd.DataFrame(raw[train], columns=[f"x{place}" for place in range(raw.shape[1])])
    table = table.assign(key=[f"row{place}" for place in train], label=[f"class {code}" for code in given])
    models = (LogisticRegression(max_iter=2000), RandomForestClassifier(200, random_state=seed))
    return Split(
        f"{dataset} {noise}", table, scaled[train], given, given != truth[train], scaled[test], truth[test], models
    )


def text(dataset: str, data: Path, seed: int) -> Split:
    """The texts as they are; `seed` draws the directions of the judging models, and the order of the rows."""
    name = dataset.split()[0]
    train, test = (pd.read_parquet(data / f"{name}_{part}.parquet") for part in ("train", "test"))
    train = train.sample(frac=1.0, random_state=seed).reset_index(drop=True)
    here, there = features(train["text"], test["text"], seed)
    codes = {label: code for code, label in enumerate(sorted(set(train["label"])))}
    given, truth = (part["label"].map(codes).to_numpy() for part in (train, test))
    wrong = (train["label"] != train["truth"]).to_numpy() if "truth" in train else None
    table = pd.DataFrame(
        {"key": [f"row{place}" for place in range(len(train))], "text": train["text"], "label": train["label"]}
    )
    models = (LogisticRegression(C=10.0, max_iter=2000), LinearSVC())
    trusted = data / f"{name}_reference.parquet" if dataset.endswith("trusted") else None
    return Split(dataset, table, here, given, wrong, there, truth, models, trusted)


def _line(name: str, runs: list[dict[str, Any]]) -> list[str]:
    def mean(key: str) -> float:
        return float(np.mean([run[key] for run in runs]))

    known = runs[0]["wrong"] is not None
    dropped = sum(run["dropped"] for run in runs)
    gains = {way: [run["gains"][way] for run in runs if way in run["gains"]] for way in WAYS}
    error = float(np.sqrt(np.mean([run["variance"] for run in runs]) / len(runs)))
    verdicts = [str(run["verdict"]) for run in runs]
    return [
        name,
        f"{mean('rows'):.0f}",
        f"{mean('wrong'):.0f}" if known else "",
        f"{mean('dropped'):.0f}",
        f"{sum(run['hits'] for run in runs) / dropped:.3f}" if known and dropped else "",
        f"{mean('before'):.3f}",
        *(f"{np.mean(found):+.4f}" if found else "" for found in gains.values()),
        f"{error:.4f}",
        _held(runs),
        ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts)),
    ]


def _held(runs: list[dict[str, Any]]) -> str:
    """In how many runs the interval holds the number of wrong labels, and the precision of what was dropped."""
    found = [(run, run["report"]["calibration"]) for run in runs if run["wrong"] is not None]
    asked = [(run, said) for run, said in found if "wrong" in (said or {})]
    wrong = [said["wrong_low"] <= run["wrong"] <= said["wrong_high"] for run, said in asked]
    whole = [(run, said) for run, said in asked if run["dropped"] and run["dropped"] == said["flagged"]]
    precise = [said["precision_low"] <= run["hits"] / run["dropped"] <= said["precision_high"] for run, said in whole]
    return f"{sum(wrong)} of {len(wrong)}, {sum(precise)} of {len(precise)}"


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="+", default=[*TABLES, *TEXTS], choices=[*TABLES, *TEXTS])
    parser.add_argument("--noises", nargs="+", default=[CLEAN, *NOISES])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="the folder with banking77 and yoruba")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write every run's figures there")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
