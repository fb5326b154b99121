"""pyDVL: it pins numpy < 2 and runs in an environment of its own, `.venv-pydvl`; this file is both ends of the call.

Started as a script there it imports nothing of this project: it reads a softmax regression and its rows from an npz
file, and writes an npz file of influences (training rows, reference rows), positive helps, and seconds.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PYTHON = Path(__file__).parents[3] / ".venv-pydvl" / "bin" / "python"
TITLES = {
    "direct": "pyDVL direct",
    "kfac": "pyDVL EK-FAC, as it is set up",  # without update_diagonal its eigenvalues are those of K-FAC
    "ekfac": "pyDVL EK-FAC, diagonal updated",
}
BATCH = 4_096


def ask(linear, rows, reference, damping, environment):
    """Influences by title, (training rows, reference rows), of a `torch.nn.Linear` and tensors."""
    given = {
        "weight": linear.weight.detach().numpy(),
        "bias": linear.bias.detach().numpy(),
        "features": rows[0].numpy(),
        "labels": rows[1].numpy(),
        "reference_features": reference[0].numpy(),
        "reference_labels": reference[1].numpy(),
        "damping": damping,
    }
    with tempfile.TemporaryDirectory() as folder:
        question, result = Path(folder, "question.npz"), Path(folder, "result.npz")
        np.savez(question, **given)
        subprocess.run([PYTHON, __file__, question, result], check=True, env=environment)
        found = np.load(result)
        return {title: (found[name], float(found[f"{name}_seconds"])) for name, title in TITLES.items()}


def answer(question: str, result: str) -> None:
    """In the other environment: read, explain, write."""
    import warnings

    warnings.simplefilter("ignore")
    import torch
    from pydvl.influence.torch import DirectInfluence, EkfacInfluence
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    given = dict(np.load(question))
    damping = float(given["damping"])
    model = nn.Sequential(nn.Linear(given["weight"].shape[1], len(given["weight"])))
    model.load_state_dict({"0.weight": torch.as_tensor(given["weight"]), "0.bias": torch.as_tensor(given["bias"])})
    rows = torch.as_tensor(given["features"]), torch.as_tensor(given["labels"])
    reference = torch.as_tensor(given["reference_features"]), torch.as_tensor(given["reference_labels"])
    made = {
        "direct": lambda: DirectInfluence(model, nn.functional.cross_entropy, regularization=damping),
        "kfac": lambda: EkfacInfluence(model, hessian_regularization=damping),
        "ekfac": lambda: EkfacInfluence(model, update_diagonal=True, hessian_regularization=damping),
    }
    found = {}
    for name, make in made.items():
        start = time.perf_counter()
        fitted = make().fit(DataLoader(TensorDataset(*rows), batch_size=BATCH))
        found[name] = fitted.influences(*reference, *rows).T.detach().numpy()
        found[f"{name}_seconds"] = time.perf_counter() - start
    np.savez(result, **found)


if __name__ == "__main__":
    answer(*sys.argv[1:])
