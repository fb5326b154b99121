"""Which layers tell wrong labels, and how their scores should be made one: mean, ranks or votes.

A fifth of the training labels are changed to another class, drawn evenly. A reader is trained on them, and every row
gets its influence on every reference row in every layer, through EK-FAC. For each group of layers (embedding, hidden,
last) and for all of them, three aggregations order the rows; "all" under the mean is the sum of the layers, under ranks
and votes each layer and reference row has its say. Only reference rows that the model gets right take part.

    NDR        share of the wrong labels among the fifth of the rows of lowest score; AUC-NDR its area over all numbers
    accuracy   on test rows, after the 30 % of lowest score are left out of the training

Beside them: TracIn, TracIn-WE, the rows' own loss, chance, and the wrong labels left out exactly. Means over seeds of
flips and training, and the standard errors of these means.
Source: Vitel & Chhabra 2025.

    python -m tests.benchmarks.layer_votes --data FOLDER

FOLDER holds banking77_train, banking77_test, yoruba_train, yoruba_test and yoruba_reference.parquet (text, label); of
the Yoruba titles people's labels are the truth, and the fifth is changed on top.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.by_layer import by_layer, groups_of
from culpa.influence.detection import area_under_rates, noise_detection_rate
from culpa.influence.network import Training, train
from culpa.influence.network.together import train_together
from tests.benchmarks.cases import SHARE, Array
from tests.benchmarks.tables import print_table
from tests.benchmarks.text_sets import SETS, TextSet, load, small_reader

AGGREGATIONS = ("mean", "ranks", "votes")
DROPPED = 0.3
EPOCHS = 5


def main(words: Sequence[str] | None = None) -> None:
    """Both text sets, or a sentence where there are none."""
    options = read(words)
    if options.data is None or not options.data.is_dir():
        print(f"layer_votes.py measured nothing: no folder {options.data}; name the one with the data by --data")
        return
    for name in options.sets:
        measure(load(options.data, name, intents=options.intents, most=options.most), options)


def measure(texts: TextSet, options: argparse.Namespace) -> None:
    """Flip, train, score, drop, train again; print means over seeds."""
    start = time.perf_counter()
    runs = [one_run(texts, options.epochs, seed) for seed in range(options.seeds)]
    lines = []
    for name in runs[0]:
        found = np.array([run[name] for run in runs])  # (seeds, figures)
        errors = found.std(axis=0, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.zeros(found.shape[1])
        lines.append([name, *cells(found.mean(axis=0), errors)])
    rows = f"{len(texts.truth):,} rows, {len(texts.reference[0])} reference rows, {len(texts.test[0])} test rows"
    title = f"{texts.name}: {rows}, {SHARE:.0%} of the labels changed, {options.seeds} seeds"
    header = ["scores", "AUC-NDR", "error", "NDR", "error", "accuracy", "error"]
    print_table(f"{title}, {time.perf_counter() - start:.0f} s", header, lines)


def cells(means: Array, errors: Array) -> list[str]:
    """Means and their errors in turn; nothing where there is no number."""
    pairs = zip(means, errors, strict=True)
    return [cell for mean, error in pairs for cell in (("", "") if np.isnan(mean) else (f"{mean:.3f}", f"{error:.3f}"))]


def one_run(texts: TextSet, epochs: int, seed: int) -> dict[str, tuple[float, float, float]]:
    """AUC-NDR, NDR and accuracy after dropping, for every way to score."""
    labels = flipped(texts.truth, texts.classes, seed)
    wrong = (labels != texts.truth).numpy()
    training = train(small_reader(texts, epochs), (texts.training[0], labels), seed=seed)
    found = dict(scores(training, texts, seed))
    dropped = {name: np.argsort(values)[: int(DROPPED * len(wrong))] for name, values in found.items()}
    dropped |= {"nothing dropped": np.array([], int), "the wrong labels, exactly": np.flatnonzero(wrong)}
    accuracy = accuracies(training, texts, dropped)
    rates = {name: (area_under_rates(values, wrong), noise_detection_rate(values, wrong, int(SHARE * len(wrong))))
             for name, values in found.items()}  # fmt: skip
    return {name: (*rates.get(name, (np.nan, np.nan)), accuracy[name]) for name in dropped}


def scores(training: Training, texts: TextSet, seed: int) -> Iterator[tuple[str, Array]]:
    """Every way to score the rows, lowest most harmful."""
    layers = by_layer(training, texts.reference, Choices(seed=seed), only_right=True)
    for group, names in groups_of(training.module).items():
        for how in AGGREGATIONS:
            yield f"{group}, {how}", layers.grouped({group: names}).aggregated(how).numpy()
    for how in AGGREGATIONS:
        yield f"all, {how}", layers.aggregated(how).numpy()
    for method in ("tracin", "tracin-we"):
        yield f"{method}, mean", attribute(training, method, Choices(seed=seed)).on_mean(texts.reference).numpy()
    yield "minus the row's own loss", -training.losses(training.data).numpy()
    yield "chance", np.random.default_rng(seed).random(len(training))


def flipped(truth: Tensor, classes: int, seed: int) -> Tensor:
    """A fifth of the labels changed to another class."""
    generator = np.random.default_rng(seed)
    rows = generator.permutation(len(truth))[: int(SHARE * len(truth))]
    labels = truth.clone()
    labels[rows] = (labels[rows] + torch.as_tensor(generator.integers(1, classes, len(rows)))) % classes
    return labels


def accuracies(training: Training, texts: TextSet, dropped: dict[str, Array]) -> dict[str, float]:
    """Test accuracy of the training again without these rows."""
    weights = torch.ones(len(dropped), len(training))
    for place, rows in enumerate(dropped.values()):
        weights[place, rows] = 0
    recipe, seeds = replace(training.recipe, checkpoints=1), [training.seed] * len(dropped)
    trained = train_together(recipe, training.data, seeds=seeds, weights=weights)
    with torch.no_grad():
        right = [(one.module(texts.test[0]).argmax(1) == texts.test[1]).float().mean() for one in trained]
    return dict(zip(dropped, map(float, right), strict=True))


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder with the data; without it nothing is measured")
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--intents", default="transfer", help="of Banking77 those whose name holds this")
    parser.add_argument("--most", type=int, help="training rows at most; all of them if not given")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
