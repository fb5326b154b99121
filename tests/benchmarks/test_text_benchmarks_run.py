"""Both text benchmarks run at toy size, and case deletion finds what it must: the rows that an output rests on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.benchmarks import case_deletion, layer_votes
from tests.benchmarks.text_sets import load, small_reader

TOY = ["--sets", "yoruba", "--seeds", "2", "--epochs", "2"]


@pytest.fixture(scope="module")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables with the names and columns of the real ones: two topics, told by their words."""
    folder = tmp_path_factory.mktemp("texts")
    for seed, (part, rows) in enumerate({"train": 120, "reference": 30, "test": 40}.items()):
        table = titles(rows, seed)
        table.to_parquet(folder / f"yoruba_{part}.parquet", index=False)
        table.drop(columns="truth").to_parquet(folder / f"banking77_{part}.parquet", index=False)
    return folder


def titles(rows: int, seed: int) -> pd.DataFrame:
    """Four words of the row's topic; a tenth bear the other topic's label."""
    generator = np.random.default_rng(seed)
    topic = generator.integers(0, 2, rows)
    words = np.array([[f"{name}{k}" for k in range(8)] for name in ("goal", "vote")])
    text = [" ".join(generator.choice(words[k], 4)) for k in topic]
    given = np.where(generator.random(rows) < 0.1, 1 - topic, topic)
    names = np.array(["failed_transfer", "cancel_transfer"])
    return pd.DataFrame({"text": text, "label": names[given], "truth": names[topic]})


def test_case_deletion_prints_its_tables(toy_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case_deletion.main(["--data", str(toy_folder), *TOY, "--rows", "2", "--sizes", "5", "30", "--jobs", "1"])
    printed = capsys.readouterr().out
    assert "AUC-DEL+" in printed
    assert all(name in printed for name in case_deletion.METHODS)


def test_layer_votes_prints_its_table(toy_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layer_votes.main(["--data", str(toy_folder), *TOY])
    printed = capsys.readouterr().out
    assert "AUC-NDR" in printed
    assert "all, votes" in printed


@pytest.mark.parametrize("benchmark", [case_deletion.main, layer_votes.main])
def test_without_data_a_benchmark_says_so(
    benchmark: Callable[[list[str]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark([])
    assert "name the one with the data by --data" in capsys.readouterr().out


def test_without_its_proponents_a_class_loses_its_probability(toy_folder: Path) -> None:
    """Taking away all rows of a class is the extreme that no scores are needed for."""
    texts = load(toy_folder, "banking77", intents="transfer")
    asked = texts.test[0][:3], torch.zeros(3, dtype=torch.long)
    own, other = (torch.where(texts.training[1] == label, 1.0, -1.0)[:, None].expand(-1, 3) for label in (0, 1))
    size = int((texts.training[1] == 0).sum())
    plan = case_deletion.planned({"own": own, "other": other}, [5, size])
    found = case_deletion.train_again(plan, texts.training, small_reader(texts, 10), asked, 2, 1)
    changes = found[plan.which["own"]]
    assert changes.shape == (2, 2, 3, 2)
    assert (changes[0, 1] <= changes[0, 0] + 1e-6).all()
    assert changes[0, 1].mean() < -0.2
    assert changes[0, 1].max() < found[plan.which["other"]][0, 1].min()


def test_removals_are_the_ends_of_the_scores() -> None:
    scores = torch.tensor([[3.0], [-1.0], [2.0], [0.0]])
    plan = case_deletion.planned({"one": scores, "same": scores}, [1, 2])
    numbers = plan.which["one"]
    assert [plan.removed[k] for k in numbers[0, :, 0]] == [(0,), (0, 2)]
    assert [plan.removed[k] for k in numbers[1, :, 0]] == [(1,), (1, 3)]
    assert len(plan.removed) == 4, "what two methods agree on is trained once"


def test_intervals_are_those_of_means_over_rows_and_seeds() -> None:
    values = np.random.default_rng(0).normal(size=(400, 1)) + np.zeros((1, 5))
    low, high = case_deletion.interval(values)
    half = 1.96 * values[:, 0].std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.2 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.2 * half)
