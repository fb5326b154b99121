"""The demonstration's data: as many wrong labels as it says, and nothing else touched."""

from pathlib import Path

import pytest

from culpa.flows.demo import compare, flipped_digits


def test_exactly_the_share_is_flipped_and_the_same_seed_flips_the_same_rows() -> None:
    digits = flipped_digits(seed=3, share=0.1)
    given = digits.train.set_index("image")["digit"]
    assert (given != digits.truth).sum() == round(0.1 * len(given))
    assert given.equals(flipped_digits(seed=3, share=0.1).train.set_index("image")["digit"])
    assert not set(digits.train["image"]) & set(digits.test["image"])


def test_dropping_exactly_the_wrong_rows_is_precision_and_recall_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits = flipped_digits(seed=0, share=0.1)
    right = digits.train["digit"].to_numpy() == digits.truth.to_numpy()
    digits.train[right].to_parquet("cleaned.parquet", index=False)
    compare(digits, Path("cleaned.parquet"))
    said = capsys.readouterr().out
    assert "(precision 1.000)" in said
    assert "(recall 1.000)" in said
