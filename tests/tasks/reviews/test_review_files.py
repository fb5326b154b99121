"""Review files: the queue goes out to people as Parquet, CSV or Excel and their decisions come back, whole and once."""

import csv
import json
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from unittest.mock import patch

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from culpa.flows.command import answer
from culpa.tasks.errors import BadInput
from culpa.tasks.reviews.decide import decide, decide_from_csv
from culpa.tasks.reviews.review_export import export_review
from culpa.tasks.reviews.review_import import import_review
from culpa.tasks.store import transaction
from tests.tasks.small_store import HARMFUL, PET_SCORES, PETS, SmallRun, ask, pets, small_run

KINDS = ["parquet", "csv", "xlsx"]
DECIDED = "SELECT row_id, decision, new_label, reviewed_by, note, state FROM current_decisions ORDER BY row_id"


def read(path: Path) -> pd.DataFrame:
    """The file as a person's program shows it, every cell a text or None."""
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
    elif path.suffix == ".csv":
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    else:
        table = pd.read_excel(path, dtype=str, keep_default_na=False)
    return table.astype(object).where(table.notna(), None)


def fill_in(path: Path, decisions: dict[str, dict[str, str]]) -> None:
    """Write decisions into the file as its own program would: row id -> what goes into which column."""
    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path)
        sheet = book.active
        place = {cell.value: cell.column for cell in sheet[1]}
        for line in range(2, sheet.max_row + 1):
            for column, value in decisions.get(sheet.cell(line, place["row_id"]).value, {}).items():
                sheet.cell(line, place[column]).value = value
        book.save(path)
        return
    table = read(path)
    for row, values in decisions.items():
        for column, value in values.items():
            table.loc[table["row_id"] == row, column] = value
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False)


def changed_pets() -> pa.Table:
    return PETS.set_column(1, "weight", pa.array([4.0, 5.0, 30.0, 25.0, 99.0, 3.9, 28.0, 33.0, 4.2, 27.0]))


@pytest.fixture
def review(folder: Path, request: pytest.FixtureRequest) -> tuple[SmallRun, Path]:
    """The small store and its queue as a file, of the kind that a test asks for."""
    run, path = pets(folder), folder / f"review.{getattr(request, 'param', 'csv')}"
    export_review(run.store, path)
    return run, path


@pytest.mark.parametrize("review", KINDS, indirect=True)
def test_the_file_shows_the_queue_and_takes_decisions(review: tuple[SmallRun, Path]) -> None:
    run, path = review
    table = read(path)
    assert list(table["row_id"]) == [row for (row,) in ask(run.store, "SELECT row_id FROM review_queue")]
    assert list(table.columns[:7]) == [
        "row_id", "given_label", "suggested_label", "decision", "new_label", "note", "reviewed_by"
    ]  # fmt: skip
    assert {"id", "weight", "label", "evidence", "dataset", "row_hash", "exported_at"} < set(table.columns)
    assert not any(value for name in ("decision", "new_label", "note", "reviewed_by") for value in table[name])
    assert float(table.set_index("row_id").loc["r7", "weight"]) == 33.0
    fill_in(path, {
        "r4": {"decision": "relabel", "new_label": "cat", "note": "miaows", "reviewed_by": "ann"},
        "r7": {"decision": " Keep "},
    })  # fmt: skip
    done = import_review(run.store, path, by="bob")
    assert (done.written, done.by_decision, done.repeated) == (2, {"keep": 1, "relabel": 1}, 0)
    assert ask(run.store, DECIDED) == [
        ("r4", "relabel", "cat", "ann", "miaows", "valid"),
        ("r7", "keep", None, "bob", None, "valid"),
    ]


def test_taking_a_file_in_twice_writes_its_decisions_once(review: tuple[SmallRun, Path]) -> None:
    run, path = review
    fill_in(path, {"r4": {"decision": "drop", "reviewed_by": "ann"}})
    import_review(run.store, path)
    again = import_review(run.store, path)
    assert (again.written, again.repeated, again.skipped) == (0, 1, ())
    assert ask(run.store, "SELECT count(*) FROM decisions") == [(1,)]


def test_one_mistake_and_nothing_of_the_file_is_written(review: tuple[SmallRun, Path]) -> None:
    run, path = review
    fill_in(path, {"r4": {"decision": "keep"}, "r7": {"decision": "relabel", "new_label": "cow"}})
    with pytest.raises(BadInput, match=r"line \d: the new label 'cow' is no class of this data set \(cat, dog\)"):
        import_review(run.store, path, by="ann")
    assert ask(run.store, "SELECT count(*) FROM decisions") == [(0,)]


def test_a_newer_decision_stands_and_the_files_is_left_out_by_name_and_time(review: tuple[SmallRun, Path]) -> None:
    run, path = review
    decide(run.store, ["r4"], "keep", by="zoe")
    fill_in(path, {"r4": {"decision": "drop"}, "r7": {"decision": "drop"}})
    done = import_review(run.store, path, by="ann")
    assert done.written == 1
    assert len(done.skipped) == 1
    assert "zoe decided on row 'r4' at 20" in done.skipped[0]
    assert [line[:2] + line[3:4] for line in ask(run.store, DECIDED)] == [("r4", "keep", "zoe"), ("r7", "drop", "ann")]


@pytest.mark.parametrize("hours", [2, -5, None])
def test_the_time_of_the_export_counts_in_whichever_zone_it_is_written(
    review: tuple[SmallRun, Path], hours: int | None
) -> None:
    run, path = review
    exported = datetime.fromisoformat(read(path)["exported_at"][0])
    with transaction(run.store) as connection:  # one decision a minute before the export, and one a minute after it
        connection.execute(
            """INSERT INTO decisions (row_id, row_hash, dataset, decision, reviewed_by, reviewed_at)
               SELECT row_id, row_hash, dataset, 'keep', 'zoe', CAST($at AS TIMESTAMP)
                   + to_minutes(CASE row_id WHEN 'r4' THEN 1 ELSE -1 END)
               FROM rows JOIN runs USING (run_id) WHERE row_id IN ('r4', 'r7')""",
            {"at": exported.replace(tzinfo=None)},
        )
    zone = UTC if hours is None else timezone(timedelta(hours=hours))
    written = exported.astimezone(zone).replace(tzinfo=None if hours is None else zone).isoformat()
    said = {"decision": "drop", "exported_at": written}
    fill_in(path, {"r4": said, "r7": said})
    done = import_review(run.store, path, by="ann")
    assert (done.written, len(done.skipped)) == (1, 1)
    assert "zoe decided on row 'r4'" in done.skipped[0]


def test_a_decision_that_was_there_before_the_export_gives_way(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r4"], "defer", by="zoe")
    export_review(run.store, folder / "review.csv")
    fill_in(folder / "review.csv", {"r4": {"decision": "drop"}})
    assert import_review(run.store, folder / "review.csv", by="ann").written == 1
    assert ask(run.store, DECIDED)[0][:4] == ("r4", "drop", None, "ann")


def test_a_decision_on_a_content_that_changed_since_is_kept_as_stale(folder: Path) -> None:
    run = pets(folder)
    export_review(run.store, folder / "review.csv")
    small_run(folder, changed_pets(), PET_SCORES, run_id="bbbbbbbbbbbb", at="2026-02-01 00:00:00").tag()
    fill_in(folder / "review.csv", {"r4": {"decision": "keep"}})
    done = import_review(run.store, folder / "review.csv", by="ann")
    assert done.written == 1
    assert "row 'r4' has changed since the export; the decision is kept as stale" in done.stale[0]
    assert ask(run.store, DECIDED) == [("r4", "keep", None, "ann", None, "stale")]
    assert ask(run.store, "SELECT must_see FROM review_queue WHERE row_id = 'r4'") == [(True,)]


def test_a_row_that_has_left_the_data_is_left_out(folder: Path) -> None:
    run = pets(folder)
    export_review(run.store, folder / "review.csv")
    small_run(folder, PETS.slice(5), PET_SCORES, run_id="bbbbbbbbbbbb", at="2026-02-01 00:00:00").tag()
    fill_in(folder / "review.csv", {"r4": {"decision": "keep"}, "r7": {"decision": "keep"}})
    done = import_review(run.store, folder / "review.csv", by="ann")
    assert done.written == 1
    assert "row 'r4' has left the data set" in done.skipped[0]


SPOILED = [
    ("row_hash", "0" * 32, "no run has held a row 'r4' of this content"),
    ("dataset", "farm", "no run has held a row 'r4' of this content and data set"),
    ("row_hash", "", "row_hash is empty; export again"),
    ("exported_at", "25.11.26 03:10", "exported_at is '25.11.26 03:10', no time"),
    ("row_id", "r7", "row 'r7' is decided on in line"),
    ("decision", "remove", "the decision is 'remove', needed one of keep, drop, relabel, defer"),
    ("new_label", "cat", "only relabel takes one; got 'cat'"),
]


def test_a_line_that_was_spoiled_is_refused(review: tuple[SmallRun, Path]) -> None:
    run, path = review
    fill_in(path, {"r4": {"decision": "keep"}, "r7": {"decision": "keep"}})
    whole = path.read_bytes()
    for column, value, message in SPOILED:
        path.write_bytes(whole)
        fill_in(path, {"r4": {column: value}})
        with pytest.raises(BadInput, match=message):
            import_review(run.store, path, by="ann")
    assert ask(run.store, "SELECT count(*) FROM decisions") == [(0,)]


def test_a_file_that_nobody_filled_in_and_one_without_rows_change_nothing(review: tuple[SmallRun, Path]) -> None:
    run, path = review
    assert import_review(run.store, path, by="ann").written == 0
    decide(run.store, ["r4", "r5", "r7"], "keep", by="ann")
    for kind in KINDS:
        assert export_review(run.store, path.with_name(f"empty.{kind}")).rows == 0
        assert import_review(run.store, path.with_name(f"empty.{kind}"), by="ann").written == 0


def test_the_export_can_be_cut_short_or_hold_all_flagged_rows_or_another_data_set(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r7"], "keep", by="ann")
    small_run(folder, PETS, PET_SCORES, dataset="farm", run_id="bbbbbbbbbbbb").tag()
    assert export_review(run.store, folder / "one.csv", dataset="pets", limit=1).rows == 1
    assert export_review(run.store, folder / "all.csv", dataset="pets", all_flagged=True).rows == 3
    told = dict(read(folder / "all.csv")[["row_id", "decided_so_far"]].itertuples(index=False))
    assert told == {"r4": "", "r5": "", "r7": "keep by ann (valid)"}
    assert export_review(run.store, folder / "farm.csv").dataset == "farm"
    with pytest.raises(BadInput, match="no flagged run of zoo in this store; flagged are: farm, pets"):
        export_review(run.store, folder / "zoo.csv", dataset="zoo")


def test_a_file_that_is_there_is_never_overwritten(folder: Path) -> None:
    run = pets(folder)
    (folder / "review.csv").write_text("decisions")
    with pytest.raises(BadInput, match="is there already and may hold decisions"):
        export_review(run.store, folder / "review.csv")
    with pytest.raises(BadInput, match=r"let it end in one of \.parquet, \.csv, \.xlsx"):
        export_review(run.store, folder / "review.doc")
    assert [path.name for path in folder.glob("*.csv")] == ["review.csv"]


HOSTILE = [
    "=1+1", "+1", "-1", "@sum(a1)", "'=quoted", "''-twice", "\t=tab", "\r=return", '=HYPERLINK("http://x","y")', "#N/A",
    "_x0041_", "a\x01b", "\x00", " spaces ", "comma, \"quote\"; 'single'", "two\nlines", "return\r\nnewline", "007",
    "1e5", "TRUE", "ünïcödé 😀", "'; DROP TABLE decisions; --", "{own}", "_", "\ufffe", "\v\f", "$exported_at",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_texts_come_back_as_they_were(folder: Path, kind: str) -> None:
    labels = ["=A", "@B"] * (len(HOSTILE) // 2) + ["=A"]
    table = pa.table({"id": HOSTILE, "label": labels[: len(HOSTILE)], "=cmd|' /C calc'!A0": HOSTILE, "note": HOSTILE})
    run = small_run(folder, table, dict.fromkeys(HOSTILE, HARMFUL))
    run.tag()
    path = folder / f"review.{kind}"
    assert export_review(run.store, path).rows == len(HOSTILE)
    filled_in = _with_every_row_relabelled(path)
    done = import_review(run.store, filled_in, by="-ann")
    assert done.written == len(HOSTILE)
    found = ask(run.store, "SELECT row_id, new_label, note, reviewed_by, state FROM current_decisions")
    assert sorted(found) == sorted((row, "=A", "=1+1", "-ann", "valid") for row in HOSTILE)


def _with_every_row_relabelled(path: Path) -> Path:
    """Every row relabelled as =A with the note =1+1, without touching any other cell."""
    said = {"decision": "relabel", "new_label": "=A", "note": "=1+1"}
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        for name, value in said.items():
            place = table.column_names.index(name)
            table = table.set_column(place, name, pa.array([value] * len(table)))
        pq.write_table(table, path)
    elif path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file))
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(lines[0]), delimiter=";")  # as Excel saves it in many countries
            writer.writeheader()
            writer.writerows({**line, **said, "note": "'=1+1"} for line in lines)
    else:
        book = openpyxl.load_workbook(path)
        place = {cell.value: cell.column for cell in book.active[1]}
        for line in range(2, book.active.max_row + 1):
            for name, value in said.items():
                cell = book.active.cell(line, place[name])
                cell.value, cell.data_type = value, "s"
        book.save(path)
    return path


def test_no_cell_of_a_file_would_run_in_a_spreadsheet(folder: Path) -> None:
    table = pa.table({"id": HOSTILE, "label": ["=A", "b"] * 13 + ["b"], "=cmd|' /C calc'!A0": HOSTILE})
    run = small_run(folder, table, dict.fromkeys(HOSTILE, HARMFUL))
    run.tag()
    export_review(run.store, folder / "review.xlsx")
    export_review(run.store, folder / "review.csv")
    sheet = zipfile.ZipFile(folder / "review.xlsx").read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "=1+1" in sheet
    with (folder / "review.csv").open(newline="", encoding="utf-8-sig") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))] == []
    assert [cell for cell in cells if cell.startswith("-") and not cell.lstrip("-").replace(".", "").isdigit()] == []


def test_a_formula_in_excel_is_refused_because_its_answer_is_not_in_the_file(folder: Path) -> None:
    run, path = pets(folder), folder / "review.xlsx"
    export_review(run.store, path)
    fill_in(path, {"r4": {"decision": "=LOWER(A1)"}})
    with pytest.raises(BadInput, match=r"line 2|line 3: there is a formula, '=LOWER\(A1\)'"):
        import_review(run.store, path, by="ann")


def test_excel_offers_the_decisions_as_a_list_and_keeps_typed_numbers_as_texts(folder: Path) -> None:
    run = pets(folder)
    export_review(run.store, folder / "review.xlsx")
    sheet = openpyxl.load_workbook(folder / "review.xlsx").active
    assert sheet.data_validations.dataValidation[0].formula1 == '"keep,drop,relabel,defer"'
    assert {sheet.cell(2, column).number_format for column in (4, 5, 6, 7)} == {"@"}


def test_without_openpyxl_the_error_names_the_extra(folder: Path) -> None:
    run = pets(folder)
    with (
        patch.dict("sys.modules", {"openpyxl": None}),
        pytest.raises(BadInput, match=r"install culpa with its extra \[excel\]"),
    ):
        export_review(run.store, folder / "review.xlsx")
    assert not (folder / "review.xlsx").exists()


@pytest.mark.parametrize("kind", ["parquet", "xlsx", "csv.gz"])
def test_decide_reads_plain_decisions_from_every_kind_of_file(folder: Path, kind: str) -> None:
    run, path = pets(folder), folder / f"decisions.{kind}"
    table = pd.DataFrame({"row_id": ["r4", "r7"], "decision": ["relabel", "keep"], "new_label": ["cat", None]})
    {"parquet": table.to_parquet, "xlsx": table.to_excel, "csv.gz": table.to_csv}[kind](path, index=False)
    assert decide_from_csv(run.store, path, by="ann").by_decision == {"keep": 1, "relabel": 1}


def test_an_exported_file_given_to_decide_is_sent_to_the_import(folder: Path) -> None:
    run = pets(folder)
    export_review(run.store, folder / "review.csv")
    with pytest.raises(BadInput, match="`culpa review import` reads exported files"):
        decide_from_csv(run.store, folder / "review.csv", by="ann")
    (folder / "plain.csv").write_text("row_id,decision\nr4,keep\n")
    with pytest.raises(BadInput, match=r"lacks the columns dataset, exported_at, row_hash.*`culpa decide FILE`"):
        import_review(run.store, folder / "plain.csv", by="ann")


def test_a_csv_file_in_another_encoding_says_how_to_save_it(folder: Path) -> None:
    (folder / "a.csv").write_bytes("row_id;decision;dataset;row_hash;exported_at\nGröße;keep;;;".encode("cp1252"))
    with pytest.raises(BadInput, match=r"a\.csv: it is not in UTF-8; in Excel, save it as CSV UTF-8 or as \.xlsx"):
        import_review(folder / "culpa.duckdb", folder / "a.csv", by="ann")


UNREADABLE = [
    ("none.csv", None),
    ("a.xlsx", b"no"),
    ("a.parquet", b"no"),
    ("b.csv", b"\xff\xfe"),
    ("a.csv", b'row_id,"x'),
]


def test_a_file_that_cannot_be_read_says_so(folder: Path) -> None:
    for name, content in UNREADABLE:
        if content is not None:
            (folder / name).write_bytes(content)
        with pytest.raises(BadInput, match=f"cannot read decisions from .*{name}"):
            import_review(folder / "culpa.duckdb", folder / name, by="ann")


def test_the_commands_carry_a_queue_out_and_its_decisions_in(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = pets(folder)
    assert answer(["review", "export", "review.csv", "--limit", "2"]) == 0
    assert "2 rows of pets lie in review.csv" in capsys.readouterr().out
    fill_in(folder / "review.csv", {"r4": {"decision": "drop"}, "r7": {"decision": "keep"}})
    decide(run.store, ["r4"], "keep", by="zoe")
    assert answer(["review", "import", "review.csv", "--by", "ann", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["written"], said["by_decision"], len(said["skipped"])) == (1, {"keep": 1}, 1)
    assert answer(["review", "import", "review.csv", "--by", "ann"]) == 0
    shown = capsys.readouterr()
    assert "nothing new; 1 were there already, 1 left out" in shown.out
    assert "zoe decided on row 'r4'" in shown.err
    assert answer(["review", "export", "review.csv"]) == 2
