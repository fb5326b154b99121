"""Does suspicion find planted wrong labels? Average precision and AUROC beside other tools, all measured in one run.

Nobody is given a clean row. The other tools get their features scaled as they like them; culpa gets the raw columns,
as a user would give them, and in a second row the others' scaling. The last lines hold the best of the others in this
run, the best published row of any tool without clean rows, and the differences. Seeds: three, one for mnist5k.

    python -m tests.benchmarks.detection [--seeds 3] [--datasets digits mnist5k] [--proxy auto]
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from cleanlab.rank import get_label_quality_scores
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from culpa.influence.assess import train_proxies
from culpa.influence.features import fit_features
from culpa.influence.rows import Rows
from tests.benchmarks.cases import DATASETS, NOISES, Array, Case, make_case
from tests.benchmarks.tables import print_table

SEEDS = {"digits": 3, "breast_cancer": 3, "mnist5k": 1}

# Average precision by column (data set, noise), on the same protocol, before culpa was written: the best of cleanlab,
# forest, AUM and self-influence; and the plain average of three proxies with one round that culpa started from.
BEST = (0.993, 0.989, 0.946, 0.946, 0.902, 0.963, 0.977, 0.969, 0.903)
SKETCH = (0.997, 0.995, 0.976, 0.972, 0.971, 0.957, 0.978, 0.974, 0.944)

Judge = Callable[[Case], Array]  # (rows,) high = suspicious
Column = tuple[str, str]  # data set, noise
Figures = dict[str, dict[Column, list[float]]]  # judge -> column -> one figure a seed


def main(words: Sequence[str] | None = None) -> None:
    """Measure every judge on every case and print the two tables."""
    options = read(words)
    judges = {**OTHERS, **culpa_judges(options.proxy)}
    precision, area, seconds = measure(judges, options)
    columns = [(dataset, noise) for dataset in options.datasets for noise in NOISES]
    header = ["", *(f"{dataset} {noise}" for dataset, noise in columns), "seconds"]
    lines = [line(name, precision[name], columns, seconds[name]) for name in judges]
    print_table("average precision of the planted wrong labels", header, lines + differences(precision, columns))
    print_table("AUROC", header, [line(name, area[name], columns, seconds[name]) for name in judges])


def measure(judges: dict[str, Judge], options: argparse.Namespace) -> tuple[Figures, Figures, dict[str, float]]:
    """Average precision, AUROC and seconds in all of every judge."""
    precision: Figures = {name: {} for name in judges}
    area: Figures = {name: {} for name in judges}
    seconds = dict.fromkeys(judges, 0.0)
    for dataset, noise, seed in cases(options):
        case = make_case(dataset, noise, seed, most=options.most)
        for name, judge in judges.items():
            start = time.perf_counter()
            suspicion = judge(case)
            seconds[name] += time.perf_counter() - start
            precision[name].setdefault((dataset, noise), []).append(average_precision_score(case.wrong, suspicion))
            area[name].setdefault((dataset, noise), []).append(roc_auc_score(case.wrong, suspicion))
        found = ", ".join(f"{figures[dataset, noise][-1]:.3f}" for figures in precision.values())
        print(f"{dataset} {noise} seed {seed}: {found}", file=sys.stderr, flush=True)
    return precision, area, seconds


def cases(options: argparse.Namespace) -> list[tuple[str, str, int]]:
    """Every data set, noise and seed that was asked for."""
    return [
        (dataset, noise, seed)
        for dataset in options.datasets
        for noise in NOISES
        for seed in range(options.seeds or SEEDS[dataset])
    ]


def cleanlab_margin(model: Callable[[], object]) -> Judge:
    """cleanlab's margin score of a model's probabilities over five folds."""

    def judge(case: Case) -> Array:
        found = cross_val_predict(model(), case.scaled, case.given, cv=5, method="predict_proba")
        return -get_label_quality_scores(case.given, found, method="normalized_margin")

    return judge


def forest_confidence(case: Case) -> Array:
    """One minus the probability of the given label out of bag."""
    forest = RandomForestClassifier(500, oob_score=True, n_jobs=-1, random_state=0).fit(case.scaled, case.given)
    return 1 - np.nan_to_num(forest.oob_decision_function_)[np.arange(len(case.given)), case.given]


OTHERS: dict[str, Judge] = {
    "cleanlab margin, 5-fold linear": cleanlab_margin(lambda: LogisticRegression(C=1.0, max_iter=2000)),
    "cleanlab margin, 5-fold neighbours": cleanlab_margin(lambda: KNeighborsClassifier(15)),
    "random forest, out-of-bag confidence": forest_confidence,
}


def culpa_judges(proxy: str) -> dict[str, Judge]:
    """culpa on raw columns, as a user runs it, and on the scaling that the others get."""
    return {
        f"culpa {proxy}": lambda case: suspicion(from_columns(case.raw), case.given, proxy),
        f"culpa {proxy}, the others' scaling": lambda case: suspicion(case.scaled.astype("f4"), case.given, proxy),
    }


def from_columns(raw: Array) -> Array:
    """Every column a number of its own, through culpa's own features."""
    columns = {f"column_{k}": values for k, values in enumerate(raw.T.astype(float))}
    return fit_features(columns, dict.fromkeys(columns, "numeric"), seed=0).transform(columns)


def suspicion(features: Array, labels: Array, proxy: str) -> Array:
    """culpa's suspicion of every row, no row being trusted."""
    _, groups = np.unique(features, axis=0, return_inverse=True)
    rows = Rows(features, labels.astype(np.int64), int(labels.max()) + 1, groups.ravel())
    return train_proxies(rows, proxy=proxy, seed=0).view.suspicion


def line(name: str, figures: dict[Column, list[float]], columns: list[Column], seconds: float) -> list[str]:
    """One judge's mean over the seeds, column by column."""
    return [name, *(f"{np.mean(figures[column]):.3f}" for column in columns), f"{seconds:.0f}"]


def differences(precision: Figures, columns: list[Column]) -> list[list[str]]:
    """How far culpa on raw columns lies above the best of the others here, and above each published row."""
    every = [(dataset, noise) for dataset in DATASETS for noise in NOISES]
    means = {name: np.array([np.mean(figures[column]) for column in columns]) for name, figures in precision.items()}
    ours = means[next(name for name in means if name.startswith("culpa"))]
    rows = {
        "best of the others, here": np.max([means[name] for name in OTHERS], axis=0),
        "best published without clean rows": np.array([BEST[every.index(column)] for column in columns]),
        "plain average, one round": np.array([SKETCH[every.index(column)] for column in columns]),
    }
    return [line for name, figures in rows.items() for line in compared(name, figures, ours - figures)]


def compared(name: str, figures: Array, gains: Array) -> list[list[str]]:
    """One row of figures and one of culpa's gains over them."""
    return [
        [name, *(f"{figure:.3f}" for figure in figures), ""],
        ["  culpa's difference", *(f"{gain:+.3f}" for gain in gains), f"{sum(gains > 0)} above"],
    ]


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=DATASETS)
    parser.add_argument("--seeds", type=int, help="of every data set; default: three, one for mnist5k")
    parser.add_argument("--proxy", default="auto")
    parser.add_argument("--most", type=int, help="training rows, for a quick try")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
