"""An output at a URL is never what is read, by whichever name both are called."""

import pytest

from culpa.tasks.errors import BadInput
from culpa.tasks.paths import check_output
from culpa.tasks.settings import read_settings
from culpa.tasks.sinks.apart import check_apart

SAME = [
    ("postgresql://localhost/zoo#public.cl", "postgresql://localhost/zoo", "public.cl"),
    ("postgresql://127.0.0.1:5432/zoo#cl", "postgres://ann@localhost/zoo", "cl"),
    ("postgresql://localhost/zoo#cl", "postgresql:///zoo?host=/run/postgresql#public.cl", None),
    ("postgresql://h/zoo#cl", "postgresql://H/zoo", "cl_quarantine"),
    ("postgresql://h/zoo#cl", "postgresql://h/zoo", "SELECT * FROM public.cl WHERE x > 1"),
    ("s3://zoo/a.parquet", "s3://zoo/a.parquet", None),
    ("s3://zoo//in/a.parquet", "s3a://zoo/in/a.parquet", None),
    ("s3://zoo/a.csv", "s3://zoo/a.quarantine.parquet", None),
    ("s3://zoo/a.parquet", "s3://zoo/*.parquet", None),
    ("s3://zoo/a.csv", "s3://zoo/*.parquet", None),  # its quarantine is Parquet
    ("s3://zoo/a.parquet", "s3://zoo/*.json", None),  # its manifest is JSON
    ("s3://zoo/in/x/a.parquet", "s3://zoo/in/**/[!b].parquet", None),
    ("s3://zoo/in/x/a.parquet", "s3://zoo/in/", None),
]
APART = [
    ("postgresql://localhost/zoo#public.cl", "postgresql://localhost/zoo", "farm.cl"),
    ("postgresql://localhost/zoo#cl", "postgresql://localhost/farm", "cl"),
    ("postgresql://localhost:5433/zoo#cl", "postgresql://localhost/zoo", "cl"),
    ("postgresql://h/zoo#cl", "postgresql://h/zoo", "SELECT cl FROM animals"),
    ("s3://zoo/out/a.parquet", "s3://zoo/*.parquet", None),
    ("s3://zoo/inside/a.parquet", "s3://zoo/in", None),
    ("s3://zoo/a.parquet", "s3://farm/a.parquet", None),
    ("s3://zoo/a.parquet", "https://zoo/a.parquet", None),
    ("s3://zoo/a.parquet", "a.parquet", None),
]


@pytest.fixture(autouse=True)
def _no_database_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("out", "read", "table"), SAME)
def test_an_output_that_is_the_input_or_would_be_read_as_it_is_refused(out: str, read: str, table: str | None) -> None:
    with pytest.raises(BadInput, match=r"is the input itself|would be read as input the next time"):
        check_apart(out, "input", read, table)
    with pytest.raises(BadInput, match=r"is the input itself|would be read as input the next time"):
        check_output(read_settings(read, label="y", table=table), out)
    if table is None:
        with pytest.raises(BadInput, match=r"is the reference file itself|would be read as reference file"):
            check_output(read_settings("a.parquet", label="y", reference=read), out)


@pytest.mark.parametrize(("out", "read", "table"), APART)
def test_any_other_is_let_through(out: str, read: str, table: str | None) -> None:
    check_apart(out, "input", read, table)
