"""Do the linear scores say what retraining says? Digits, 200 rows taken out one by one, each a model of its own.

Training rows and penalty: 1,000 digits, rows x l2 chosen by the exact leave-one-out loss and held fixed while rows
leave; the other 797 are reference rows. Labels are clean, or a share of them is changed at random. Columns are Spearman
correlations with the truth, over the removed rows:

reference      influence on the mean reference loss, and how often its sign is right
self           self-influence with the rise of the row's own loss
memorization   with the fall of P(own label)

Ridge regression of the digit itself has an exact leave-one-out: below the table stands its largest error.

    python -m tests.benchmarks.leave_one_out [--seeds 3] [--rows 1000] [--removed 200]
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from culpa.influence.linear import fit_linear
from culpa.influence.rows import Rows
from tests.benchmarks.tables import print_table
from tests.influence.linear import dense
from tests.influence.linear.retraining import digits, remove_each

SHARES = (0.0, 0.1, 0.2)
HEADER = ["labels wrong", "seed", "rows x l2", "reference", "signs", "self", "memorization", "seconds"]


def main(words: Sequence[str] | None = None) -> None:
    """Print the table of softmax regression, and the error of ridge regression."""
    options = read(words)
    lines = [measure(share, seed, options.rows, options.removed) for share in SHARES for seed in range(options.seeds)]
    title = f"digits, {options.rows} training rows, {options.removed} of them retrained without: Spearman"
    print_table(title, HEADER, lines)
    print(f"\nridge regression, leave-one-out against refits: largest error {ridge_error(options.rows):.1e}")


def measure(share: float, seed: int, count: int, removed: int) -> list[str]:
    """One line of the table."""
    start = time.perf_counter()
    rows, reference = digits(count, share, seed)
    fitted = fit_linear(rows)
    gone = np.random.default_rng(1).choice(count, removed, replace=False)
    truth = remove_each(rows, reference, fitted.weights, count * fitted.strength.l2, gone)
    scores, influence = fitted.scores(), fitted.influence_on(reference).removal[gone]
    pairs = [
        (influence, truth.reference_loss),
        (scores.self_influence[gone], truth.own_loss),
        ((scores.own_with - scores.own_without)[gone], truth.memorization),
    ]
    ranks = [f"{spearmanr(*pair).statistic:.4f}" for pair in pairs]
    signs = np.mean(np.sign(influence) == np.sign(truth.reference_loss))
    ranks.insert(1, f"{signs:.3f}")
    return [
        f"{share:.0%}",
        str(seed),
        f"{count * fitted.strength.l2:.2f}",
        *ranks,
        f"{time.perf_counter() - start:.1f}",
    ]


def ridge_error(count: int, tried: int = 50) -> float:
    """Largest difference of leave-one-out predictions from refits, over some rows, in digits."""
    classes, _ = digits(count, 0.0, 0)
    rows = Rows(classes.features, classes.labels.astype(np.float64), 0, classes.groups)
    fitted = fit_linear(rows)
    strength, found = count * fitted.strength.l2, fitted.scores().without[:, 0]
    errors = []
    for row in range(tried):
        weights = dense.refit(dense.but(rows, row), strength, fitted.weights)
        errors.append(abs(dense.outputs(rows.take(np.array([row])), weights)[0, 0] - found[row]))
    return float(max(errors))


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--removed", type=int, default=200)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
