"""PostgreSQL as source and as output, tried against a real server."""

import datetime
import json
import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as driver
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.fetching import fetch
from culpa.tasks.publishing.publish import publish
from culpa.tasks.reviews.decide import decide
from culpa.tasks.runs import find_run
from culpa.tasks.settings import read_settings
from culpa.tasks.sinks import postgres as sink
from culpa.tasks.sinks.fitting import Fitted
from culpa.tasks.store import connect
from tests.tasks.postgres_server import PASSWORD, postgres_server
from tests.tasks.small_store import HARMFUL, PETS, pets, small_run
from tests.tasks.small_store import ask as ask_store
from tests.tasks.tables import animals, ask, ingested


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def database(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database; who asks, and the password, stand in the environment."""
    monkeypatch.setenv("PGUSER", "zoo")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with driver.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS zoo WITH (FORCE)")
        cursor.execute("CREATE DATABASE zoo")
    return server.replace("/postgres", "/zoo")


def say(url: str, *statements: str) -> None:
    with driver.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def told(url: str, sql: str) -> list[tuple[Any, ...]]:
    with driver.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def fill(url: str, table: str, frame: pd.DataFrame, schema: str = "public") -> None:
    with driver.connect(url) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest(table, pa.Table.from_pandas(frame), mode="create", db_schema_name=schema)
        connection.commit()


def test_a_table_is_read_by_its_name_and_names_the_data_set(tmp_path: Path, database: str) -> None:
    fill(database, "animals", animals())
    assert ingested(database, tmp_path, table="animals", out=tmp_path / "clean.parquet").rows == 60
    assert ask(tmp_path, "SELECT source, dataset FROM runs") == [(database, "animals")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["culpa.duckdb"]
    assert PASSWORD.encode() not in (tmp_path / "culpa.duckdb").read_bytes()


@pytest.mark.parametrize("behind", ["#farm.beasts", ""])
def test_a_table_can_be_named_behind_the_hash_and_the_only_one_needs_no_name(
    tmp_path: Path, database: str, behind: str
) -> None:
    say(database, "CREATE SCHEMA farm")
    fill(database, "beasts", animals(), "farm")
    assert ingested(database + behind, tmp_path, out=tmp_path / "clean.parquet").rows == 60


def test_a_query_is_read_in_its_own_order_and_changes_nothing(tmp_path: Path, database: str) -> None:
    fill(database, "animals", animals())
    query = "SELECT * FROM animals WHERE animal <> 'emu' ORDER BY weight DESC;"
    assert ingested(database, tmp_path, table=query, out=tmp_path / "clean.parquet").rows == 40
    [(table,)] = ask(tmp_path, "SELECT data_table FROM runs")
    weights = ask(tmp_path, f"SELECT weight FROM rows JOIN {table} ON row_hash = __row_hash ORDER BY position")
    assert weights == sorted(weights, reverse=True)
    for sql in ("DELETE FROM animals RETURNING *", "WITH gone AS (DELETE FROM animals RETURNING *) SELECT * FROM gone"):
        with pytest.raises(BadInput):
            ingested(database, tmp_path, table=sql, out=tmp_path / "clean.parquet")
    assert told(database, "SELECT count(*) FROM animals") == [(60,)]


def test_an_update_that_changes_no_value_is_the_same_run(tmp_path: Path, database: str) -> None:
    fill(database, "animals", animals().assign(id=range(60)))
    say(database, "ALTER TABLE animals ADD PRIMARY KEY (id)")
    first = ingested(database, tmp_path, table="animals", out=tmp_path / "clean.parquet").run_id
    say(database, "UPDATE animals SET id = id WHERE id < 9")  # they lie at the end of the table now
    assert ingested(database, tmp_path, table="animals", out=tmp_path / "clean.parquet").run_id == first


def test_every_type_comes_as_what_it_is(tmp_path: Path, database: str) -> None:
    say(
        database,
        "CREATE TYPE mood AS ENUM ('glad', 'sad')",
        """CREATE TABLE t (id bigint PRIMARY KEY, price numeric(10, 2), free numeric, mood mood, code uuid, doc jsonb,
           seen timestamptz, born date, tame boolean, tags text[], gap interval, small smallint, label text)""",
        """INSERT INTO t SELECT n, n + 0.25, n + 0.5, 'sad', '00000000-0000-0000-0000-000000000001', '{"a": 1}',
           '2024-05-01 12:00+02', '2024-05-01', true, '{x,y}', '1 day', n, 'ab' FROM generate_series(1, 4) n""",
    )
    found = pq.read_table(fetch(database, tmp_path, "t").files[0])
    assert found.schema.field("price").type == pa.decimal128(10, 2)
    moment = datetime.datetime(2024, 5, 1, 10, tzinfo=datetime.UTC)
    assert list(found.to_pylist()[0].values()) == [
        1, Decimal("1.25"), 1.5, "sad", "00000000-0000-0000-0000-000000000001", '{"a": 1}', moment,
        datetime.date(2024, 5, 1), True, ["x", "y"], "P1D", 1, "ab",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "animal"}, "has no table 'animal'; did you mean 'animals'"),
        ({}, r"has 2 tables \(public\.animals, public\.others\): choose one"),
        ({"table": "SELECT nothing FROM animals"}, 'column "nothing" does not exist'),
        ({"table": "SELECT 1; DROP TABLE animals"}, "cannot insert multiple commands|syntax error"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, database: str, options: dict[str, str], message: str) -> None:
    fill(database, "animals", animals())
    fill(database, "others", animals())
    with pytest.raises(BadInput, match=message):
        ingested(database, tmp_path, out=tmp_path / "clean.parquet", **options)


def test_a_wrong_password_names_the_variables_and_not_the_password(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "wrong-and-hidden")
    with pytest.raises(BadInput, match=r"password authentication failed .*PGPASSWORD") as told:
        ingested(database, tmp_path, table="animals", out=tmp_path / "clean.parquet")
    assert "hidden" not in str(told.value)
    with pytest.raises(BadInput, match="PGPASSWORD"):
        read_settings(f"postgresql://zoo:{PASSWORD}@host/db", label="animal")


def test_a_server_that_is_away_can_be_tried_again_later(tmp_path: Path) -> None:
    with pytest.raises(CulpaError, match=r"cannot reach postgresql://127\.0\.0\.1:1/zoo") as told:
        ingested("postgresql://127.0.0.1:1/zoo", tmp_path, out=tmp_path / "clean.parquet")
    assert not isinstance(told.value, BadInput)


def table_of(url: str, table: str) -> pa.Table:
    with driver.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        return cursor.fetch_arrow_table()


def test_clean_and_quarantine_are_tables_that_together_are_the_input(folder: Path, database: str) -> None:
    run = pets(folder)
    published = run.publish(f"{database}#cleaned")
    clean, quarantine = table_of(database, "cleaned"), table_of(database, "cleaned_quarantine")
    assert clean["id"].to_pylist() == ["r0", "r1", "r2", "r3", "r5", "r6", "r8", "r9"]
    assert quarantine.select(["id", "tag"]).to_pylist() == [
        {"id": "r4", "tag": "mislabeled"},
        {"id": "r7", "tag": "systematic_error"},
    ]
    both = pa.concat_tables([clean, quarantine.select(PETS.column_names)]).sort_by("id")
    assert both.to_pylist() == PETS.to_pylist()
    assert published.quarantine == f"{database}#public.cleaned_quarantine"
    [(run_id, said)] = told(database, "SELECT run, CAST(manifest AS text) FROM culpa_manifests")
    sealed = json.loads(said)
    assert (run_id, sealed["files"]["clean"]["table"][0], sealed["counts"]["rows"]) == (run.run_id, 8, 10)
    assert PASSWORD not in said
    assert ask_store(run.store, "SELECT out FROM runs") == [(f"{database}#public.cleaned",)]


def test_publishing_again_moves_nothing_until_somebody_changes_the_table(folder: Path, database: str) -> None:
    run = pets(folder)
    run.publish(f"{database}#cleaned")
    made = told(database, "SELECT CAST(to_regclass('cleaned') AS oid)")
    assert publish(run.store, run.run_id, max_drop=0.3).unchanged
    assert told(database, "SELECT CAST(to_regclass('cleaned') AS oid)") == made
    say(database, "UPDATE cleaned SET weight = 0 WHERE id = 'r1'")
    assert not run.publish(f"{database}#cleaned").unchanged
    assert told(database, "SELECT weight FROM cleaned WHERE id = 'r1'") == [(5.0,)]
    decide(run.store, ["r4"], "keep", by="ann")
    assert run.publish(f"{database}#cleaned").counts["dropped"] == 1
    assert told(database, "SELECT count(*) FROM cleaned") == [(9,)]


def test_a_publish_that_fails_leaves_every_table_as_it_was(
    folder: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pets(folder)
    run.publish(f"{database}#cleaned")
    decide(run.store, ["r4"], "keep", by="ann")
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = CAST('public' AS regnamespace)"
    before = told(database, f"{tables} ORDER BY 1")
    with monkeypatch.context() as context:
        context.setattr(sink, "REMEMBER", "SELECT 1 / 0")
        with pytest.raises(CulpaError, match="division by zero"):
            run.publish(f"{database}#cleaned")
    assert told(database, f"{tables} ORDER BY 1") == before
    assert told(database, "SELECT count(*) FROM cleaned") == [(8,)]


def test_a_value_that_does_not_read_back_is_not_published(
    folder: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sink.fitted

    def lossy(file: Path, fit: Any) -> Fitted:
        rows = real(file, fit)
        less = (batch.slice(1) for batch in rows.batches)
        return Fitted(rows.schema, less) if file.name.startswith(".clean") else rows

    monkeypatch.setattr(sink, "fitted", lossy)
    with pytest.raises(CulpaError, match=r"does not read back as it was written: 8 rows .* were sent, 7"):
        pets(folder).publish(f"{database}#cleaned")
    assert told(database, "SELECT to_regclass('cleaned')") == [(None,)]


def test_readers_always_see_a_whole_table_while_it_is_replaced(folder: Path, database: str) -> None:
    run = pets(folder)
    run.publish(f"{database}#cleaned")
    seen: set[object] = set()
    done = threading.Event()

    def watch() -> None:
        with driver.connect(database, autocommit=True) as connection, connection.cursor() as cursor:
            while not done.wait(0.01):
                try:
                    cursor.execute("SELECT count(*) FROM cleaned")
                    seen.add(cursor.fetchall()[0][0])
                except driver.Error as error:
                    seen.add(str(error))

    reader = threading.Thread(target=watch)
    reader.start()
    try:
        for decision in ("keep", "drop"):
            decide(run.store, ["r4"], decision, by="ann")
            run.publish(f"{database}#cleaned")
    finally:
        done.set()
        reader.join()
    assert seen == {8, 9}


def test_a_reader_who_began_before_reads_the_old_rows_to_the_end_and_a_view_and_an_index_stay(
    folder: Path, database: str
) -> None:
    run = pets(folder)
    run.publish(f"{database}#cleaned")
    say(database, "CREATE VIEW heavy AS SELECT * FROM cleaned", "CREATE INDEX by_id ON cleaned (id)")
    decide(run.store, ["r4"], "keep", by="ann")
    with driver.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM culpa_manifests")  # from here on it sees what there is now
        cursor.fetchall()
        run.publish(f"{database}#cleaned")
        cursor.execute("SELECT count(*) FROM cleaned")
        assert cursor.fetchall() == [(8,)]
    assert told(database, "SELECT count(*) FROM heavy") == [(9,)]
    assert told(database, "SELECT count(*) FROM pg_indexes WHERE indexname = 'by_id'") == [(1,)]
    assert told(database, "SELECT count(*) FROM pg_class WHERE relname LIKE 'culpa_draft%'") == [(0,)]


def test_a_table_whose_columns_have_changed_is_made_anew(folder: Path, database: str) -> None:
    run = pets(folder)
    run.publish(f"{database}#cleaned")
    say(database, "ALTER TABLE cleaned ADD COLUMN seen boolean")
    decide(run.store, ["r4"], "keep", by="ann")
    run.publish(f"{database}#cleaned")
    assert told(database, "SELECT count(*) FROM cleaned") == [(9,)]
    assert told(database, "SELECT count(*) FROM pg_attribute WHERE attname = 'seen'") == [(0,)]


def test_a_trigger_that_changes_what_is_written_is_found_out(folder: Path, database: str) -> None:
    run = pets(folder)
    run.publish(f"{database}#cleaned")
    say(
        database,
        "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER eats BEFORE INSERT ON cleaned FOR EACH ROW EXECUTE FUNCTION nothing()",
    )
    decide(run.store, ["r4"], "keep", by="ann")
    with pytest.raises(CulpaError, match="does not hold what was written into it: is there a trigger"):
        run.publish(f"{database}#cleaned")
    assert told(database, "SELECT count(*) FROM cleaned") == [(8,)]


def test_a_table_that_culpa_did_not_write_is_never_replaced(folder: Path, database: str) -> None:
    fill(database, "cleaned", animals())
    with pytest.raises(BadInput, match="is there already, and culpa did not write it"):
        pets(folder).publish(f"{database}#cleaned")
    assert told(database, "SELECT count(*) FROM cleaned") == [(60,)]


def test_not_even_beside_a_clean_table_that_culpa_wrote(folder: Path, database: str) -> None:
    run = pets(folder)
    fill(database, "cleaned_quarantine", animals())
    with pytest.raises(BadInput, match='"cleaned_quarantine" is there already, and culpa did not write it'):
        run.publish(f"{database}#cleaned")
    say(database, "DROP TABLE cleaned_quarantine")
    run.publish(f"{database}#cleaned")
    fill(database, "cleaned_weights", animals())
    with connect(run.store, read_only=True) as connection:
        tables = sink.PostgresTables(f"{database}#cleaned", find_run(connection, run.run_id), weights=True)
    with (
        pytest.raises(BadInput, match='"cleaned_weights" is there already, and culpa did not write it'),
        sink.session(database) as cursor,
    ):
        tables._check_ours(cursor)
    assert told(database, "SELECT count(*) FROM cleaned_weights") == [(60,)]


@pytest.mark.parametrize("name", ['odd "name"', "Größe; DROP TABLE x", "a" * 50])
def test_odd_names_of_tables_and_columns_are_quoted(folder: Path, database: str, name: str) -> None:
    from urllib.parse import quote

    run = small_run(folder, PETS.rename_columns(["id", 'we"ight; --', "label"]), {"r4": HARMFUL})
    run.tag()
    run.publish(f"{database}#public.{quote(name)}")
    found = told(database, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE '%_quarantine'")
    assert found == [(f"{name}_quarantine",)]


def test_an_output_that_nobody_takes_is_refused_before_the_work(tmp_path: Path, database: str) -> None:
    for out, message in (
        (f"{database}#none.cleaned", "has no schema 'none'"),
        ("postgresql://127.0.0.1:1/x#y", "reach"),
    ):
        with pytest.raises(CulpaError, match=message):
            ingested(animals(), tmp_path, out=out)
    assert not (tmp_path / "culpa.duckdb").exists()


def columns(count: int) -> dict[str, pa.Array]:
    at = datetime.datetime(2020, 5, 1, 12, 30, 15, 123456)
    kinds: dict[str, Sequence[Any]] = {
        "dictionary": pa.array(["a", "b", None]).dictionary_encode(),
        "zoned": pa.array([at, None, at], pa.timestamp("us", "Europe/Berlin")),
        "milliseconds": pa.array([1588336215123, None, 3], pa.timestamp("ms")),
        "nanoseconds": pa.array([1588336215123456000, None, 3000], pa.timestamp("ns")),
        "decimal": pa.array([Decimal("1.25"), None, Decimal("-3.50")], pa.decimal128(10, 2)),
        "uint64": pa.array([1, None, 2**64 - 1], pa.uint64()),
        "int8": pa.array([1, None, -128], pa.int8()),
        "date64": pa.array([datetime.date(2020, 1, 1), None, datetime.date(1969, 1, 1)], pa.date64()),
        "float": pa.array([1.1, float("nan"), -0.0], pa.float32()),
        "bytes": pa.array([b"\x00a", None, b""]),
        "time": pa.array([datetime.time(1, 2, 3), None, None], pa.time32("s")),
        "list": pa.array([[1, 2], None, []], pa.list_(pa.int32())),
        "text": pa.array(["", None, "é'\n\\"], pa.large_string()),
        "nothing": pa.nulls(3),
    }
    return {name: pa.array(values) if not isinstance(values, pa.Array) else values for name, values in kinds.items()}


def test_every_type_that_postgres_can_say_reads_back_as_it_was(folder: Path, database: str) -> None:
    table = pa.table({"id": ["a", "b", "c"], **columns(3), "label": ["x", "y", "x"]})
    run = small_run(folder, table, {"c": HARMFUL})
    run.tag()
    run.publish(f"{database}#cleaned", max_drop=0.5)
    assert told(database, 'SELECT CAST("uint64" AS text), "decimal" FROM cleaned_quarantine') == [
        ("18446744073709551615", "-3.50")
    ]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([{"a": 1}, None]), r"PostgreSQL cannot hold the columns x \(struct"),
        (pa.array([1, 2], pa.duration("us")), r"PostgreSQL cannot hold the columns x \(duration"),
        (pa.array([1588336215123456789, 1], pa.timestamp("ns")), "a value has no room there"),
        (pa.array(["a\x00b", "c"]), "invalid byte sequence"),
    ],
)
def test_what_postgres_cannot_say_is_refused(folder: Path, database: str, column: pa.Array, message: str) -> None:
    run = small_run(folder, pa.table({"id": ["a", "b"], "x": column, "label": ["x", "y"]}), {})
    run.tag()
    with pytest.raises(BadInput, match=message):
        run.publish(f"{database}#cleaned")
    assert told(database, "SELECT to_regclass('cleaned')") == [(None,)]


@pytest.mark.parametrize(
    ("behind", "message"), [("", "name the table to write behind a #"), ("#" + "x" * 60, "too long: at most 52 bytes")]
)
def test_a_table_to_write_needs_a_name(folder: Path, behind: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        pets(folder).publish(f"postgresql://127.0.0.1/zoo{behind}")
