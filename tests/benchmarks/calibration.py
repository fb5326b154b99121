"""Are culpa's own figures about a run true? Planted errors whose truth is kept aside, against the intervals reported.

First table: the number of wrong labels, and the share of the flagged rows that is wrong, as a run without trusted rows
reports them, beside the truth; and how many of the intervals hold it (the aim: 85 in 100). `none` is the data as it
ships, whose labels are all counted as right. Second table: how far each proxy's influence foretells retraining, with
trusted rows and without, and the self-test.

    python -m tests.benchmarks.calibration [--seeds 3] [--datasets digits breast_cancer] [--noises none u20]
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from culpa.influence.assess import score_rows, train_proxies
from culpa.influence.faithfulness import measure_faithfulness
from culpa.influence.network import Recipe
from culpa.influence.rows import Rows
from culpa.influence.self_test import run_self_test
from culpa.tasks.ingest import Ingested, ingest
from culpa.tasks.proving.check import check
from culpa.tasks.ruling import rows_of, ruling
from culpa.tasks.runs import find_run
from culpa.tasks.score import score
from culpa.tasks.settings import Settings, read_settings
from culpa.tasks.store import connect
from culpa.tasks.train import train
from tests.benchmarks.cases import DATASETS, NOISES, TRAIN, Array, Case, load, make_case
from tests.benchmarks.detection import from_columns
from tests.benchmarks.tables import print_table

CLEAN = "none"
PROXIES = ("linear", "neighbors", "forest", "tests.benchmarks.calibration:network")
JUDGES = 300  # rows with right labels, kept out of the training


def network(task: Any) -> Recipe:
    """What a user brings: two layers of a torch network."""

    def make() -> nn.Module:
        return nn.Sequential(nn.Linear(task.features, 32), nn.Tanh(), nn.Linear(32, task.classes))

    return Recipe(make, rate=0.3, epochs=30, batch_size=64, l2=1e-4)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print both tables."""
    options = read(words)
    coverage(options)
    if options.proxies:
        faithfulness(options)


def coverage(options: argparse.Namespace) -> None:
    """The reported intervals against the truth."""
    lines, held = [], []
    for dataset in options.datasets:
        for noise in options.noises:
            for seed in range(options.seeds):
                line, inside = judged(case_of(dataset, noise, seed, options.most), options.proxy)
                lines.append([f"{dataset} {noise} {seed}", *line])
                held.append(inside)
                print(*lines[-1], file=sys.stderr, flush=True)
    header = ["", "wrong", "reported", "interval", "flagged", "precision", "reported", "interval", "budgets", "times"]
    print_table("wrong labels and precision, the truth beside what a run reports", header, lines)
    for place, name in enumerate(("wrong labels", "precision", "precision at budgets")):
        known = [one[place] for one in held if one[place] is not None]
        if known:
            print(f"{name}: inside the interval in {np.mean(known):.3f} of {len(known)} runs")


def case_of(dataset: str, noise: str, seed: int, most: int | None = None) -> Case:
    """A case of the benchmarks, or one without planted errors."""
    case = make_case(dataset, "u20" if noise == CLEAN else noise, seed, most=most)
    return replace(case, given=case.truth) if noise == CLEAN else case


def judged(case: Case, proxy: str) -> tuple[list[str], tuple[bool, bool | None, float]]:
    """One run: a line of the table, and whether the truth lies inside the three intervals."""
    with TemporaryDirectory() as folder:
        report, table, flagged, times = run(case, proxy, Path(folder))
    wrong, said = case.wrong, report["calibration"]
    true = float(wrong[flagged].mean()) if len(flagged) else None
    order = np.argsort(-table["scores"]["suspicion"].to_numpy(), kind="stable")
    found = np.cumsum(wrong[table["scores"]["row"].to_numpy()[order]])
    budgets = [
        one.precision_low - 1e-9 <= found[one.budget - 1] / one.budget <= one.precision_high + 1e-9
        for one in table["calibration"].itertuples()
    ]
    inside = said["wrong_low"] <= wrong.sum() <= said["wrong_high"]
    precise = None if true is None else bool(said["precision_low"] <= true <= said["precision_high"])
    line = [str(int(wrong.sum())), *shown(said, "wrong", "{:.0f}"), str(len(flagged))]
    line += ["" if true is None else f"{true:.2f}", *shown(said, "precision", "{:.2f}")]
    return [*line, f"{np.mean(budgets):.2f}", f"{times:.1f}"], (inside, precise, float(np.mean(budgets)))


def shown(said: dict[str, Any], name: str, form: str) -> list[str]:
    """An estimate and its interval as two cells."""
    if said[name] is None:
        return ["", ""]
    low, high = (form.format(said[f"{name}_{side}"]) for side in ("low", "high"))
    return [form.format(said[name]), f"{low} to {high}"]


def run(case: Case, proxy: str, folder: Path) -> tuple[dict[str, Any], dict[str, pd.DataFrame], Array, float]:
    """The report of a run, its tables, positions of the flagged rows, and calibration's time over all before it."""
    frame = pd.DataFrame({f"column_{k}": values for k, values in enumerate(case.raw.T.astype(float))})
    frame["row"], frame["label"] = np.arange(len(frame)), np.char.add("class ", case.given.astype(str))
    options = {"label": "label", "key": "row", "proxy": proxy, "faithfulness": False, "store": folder / "culpa.duckdb"}
    settings = read_settings(frame, **options)
    ingested, start = ingest(settings), time.perf_counter()
    work = score(ingested, train(ingested, settings), settings)
    middle = time.perf_counter()
    check(ingested, work, settings)
    times = (time.perf_counter() - middle) / (middle - start)
    tables = {name: pd.read_parquet(work / f"{name}.parquet") for name in ("scores", "calibration")}
    tables["scores"]["row"] = tables["scores"]["row_id"].astype(int)
    report = json.loads((work / "report.json").read_text(encoding="utf-8"))
    return report, tables, flagged_rows(ingested, work, settings), times


def flagged_rows(ingested: Ingested, work: Path, settings: Settings) -> Array:
    """Positions of the rows that the rule calls harmful."""
    with connect(settings.store, read_only=True) as connection:
        known, rows = find_run(connection, ingested.run_id), rows_of(connection, ingested.run_id)
    with ruling(work, known, rows, settings, faithful=True) as found:
        return np.array(sorted(map(int, found.rows_that("harmful"))), dtype=np.intp)


def faithfulness(options: argparse.Namespace) -> None:
    """Influence against retraining, proxy by proxy, on digits with every fifth label wrong."""
    lines = []
    for proxy in options.proxies:
        rows, reference = digits(options.most)
        trained = train_proxies(rows, proxy=proxy, seed=0, rounds=0)
        for name, judges in (("trusted", reference), ("folds", None)):
            start = time.perf_counter()
            scored = score_rows(trained, rows, reference=judges)
            l2, dropped = scored.report.get("influence_l2"), scored.scores["probability_wrong"] > 0.9
            middle = time.perf_counter()
            found = measure_faithfulness(trained, rows, reference=judges, dropped=dropped, l2=l2)
            end = time.perf_counter()
            tested = run_self_test(trained, rows, reference=judges, l2=l2, seed=0)
            lines.append([f"{proxy.split(':')[-1]}, {name}", *faithful_cells(found.report()), str(tested.passed)])
            lines[-1] += [f"{middle - start:.0f}", f"{end - middle:.0f}"]
            print(*lines[-1], file=sys.stderr, flush=True)
    header = ["", "kind", "Spearman", "interval", "signs", "dropped", "foretold", "real", "faithful", "self-test"]
    print_table("influence against retraining, digits u20", [*header, "seconds scoring", "retraining"], lines)


def faithful_cells(said: dict[str, Any]) -> list[str]:
    """One proxy's figures."""
    gone = said["dropped"] or {"rows": 0, "predicted": np.nan, "real": np.nan}
    return [
        said["kind"],
        f"{said['spearman']:.2f}",
        f"{said['spearman_low']:.2f} to {said['spearman_high']:.2f}",
        f"{said['sign_agreement']:.2f}",
        str(gone["rows"]),
        f"{gone['predicted']:.3f}",
        f"{gone['real']:.3f}",
        str(said["faithful"]),
    ]


def digits(most: int | None) -> tuple[Rows, Rows]:
    """Training rows with a fifth of the labels wrong, and others with right ones."""
    case = make_case("digits", "u20", 0, most=most)
    raw, truth = load("digits")
    others = np.random.default_rng(1000).permutation(len(truth))[int(TRAIN * len(truth)) :][:JUDGES]
    features = from_columns(np.concatenate([case.raw, raw[others]])).astype(np.float32)
    count = len(case.given)
    rows = Rows(features[:count], case.given.astype(np.int64), 10, np.arange(count))
    return rows, Rows(features[count:], truth[others].astype(np.int64), 10, np.arange(len(others)))


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="*", default=list(DATASETS), choices=DATASETS)
    parser.add_argument("--noises", nargs="+", default=[CLEAN, *NOISES], choices=[CLEAN, *NOISES])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--proxy", default="auto", help="that plants and scores, in the first table")
    parser.add_argument("--proxies", nargs="*", default=list(PROXIES), help="of the second table")
    parser.add_argument("--most", type=int, help="training rows, for a quick try")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
