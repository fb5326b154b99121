"""The commands `report` and `compare`: what they print, and what they refuse."""

import json
from pathlib import Path

from culpa.flows.command import answer
from tests.tasks.report.proven_store import ANIMALS, SCORES, proven
from tests.tasks.small_store import small_run


def test_report_writes_the_page_again_and_prints_its_path(folder, capsys):
    proven(folder)
    assert answer(["report", "aaaa"]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == Path("culpa.duckdb.reports/aaaaaaaaaaaa.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_compare_prints_a_table_with_both_runs(folder, capsys):
    proven(folder)
    small_run(folder, ANIMALS, SCORES, run_id="bbbbbbbbbbbb", at="2026-02-01 00:00:00", seed=5).tag()
    assert answer(["compare", "aaa", "bbb"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["measure", "one", "other"]
    assert lines[1].split() == ["run", "aaaaaaaaaaaa", "bbbbbbbbbbbb"]
    assert answer(["compare", "aaa", "bbb", "--json"]) == 0
    said = {line["measure"]: (line["one"], line["other"]) for line in json.loads(capsys.readouterr().out)}
    assert said["setting seed"] == ("0", "5")


def test_a_run_that_is_not_there_is_bad_input(folder, capsys):
    proven(folder)
    assert answer(["report", "ffff"]) == 2
    assert answer(["compare", "aaaa", "ffff"]) == 2
    assert answer(["compare", "aaaa", "aaa"]) == 2
    assert "the same run" in capsys.readouterr().err
