"""The report's page: every section tells something, nothing in a cell can act, and it stays small."""

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.report import write_report
from culpa.tasks.report.figures import MOST_POINTS, read_figures
from culpa.tasks.reviews.decide import decide
from culpa.tasks.store import transaction
from tests.tasks.report.proven_store import HOSTILE, flagged, proven
from tests.tasks.small_store import HARMFUL, SmallRun, small_run

SECTIONS = {
    *("result", "gate", "calibration", "suspects", "corners", "scores", "labels", "duplicates", "references"),
    *("learning", "faithfulness", "settings"),
}
CHARTS = {
    *("corners", "suspicion", "probability_wrong", "memorization", "calibration", "curve", "confusion", "classes"),
    "faithfulness",
}


class Page(HTMLParser):
    """What a browser makes of the page: the text of each section, scripts, and all elements with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: dict[str, str] = {}
        self.scripts: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._section, self._inside = "", ""
        self.feed(re.sub(r"(?s)(<script>).*?(?=</script>)", r"\1", text))  # Python's parser is slow in long scripts

    def handle_starttag(self, tag, attrs):
        self._inside = tag
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
            self.sections[self._section] = ""
        if tag == "script":
            self._section = ""
            self.scripts.append("")

    def handle_data(self, data):
        if self._inside == "script" and self.scripts:
            self.scripts[-1] += data
        elif self._section:
            self.sections[self._section] += data

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def page_of(run: SmallRun) -> tuple[Path, Page]:
    path = write_report(run.store, run.run_id)
    return path, Page(path.read_text(encoding="utf-8"))


def drawings(page: Page) -> dict[str, dict]:
    return json.loads(page.scripts[0])["drawings"]


def test_a_proven_run_has_every_section_and_every_chart(folder):
    path, page = page_of(proven(folder))
    assert path == folder / "culpa.duckdb.reports" / "aaaaaaaaaaaa.html"
    assert set(page.sections) == SECTIONS
    assert set(drawings(page)) == CHARTS
    said = {name: " ".join(text.split()) for name, text in page.sections.items()}
    assert "Log-loss falls by 0.1." in said["result"]
    assert "+0.1" in said["result"]
    assert "+0.02 to +0.2" in said["result"]
    assert "If a person reviews the top 100, about 63 of them are wrong (95 % interval 50 to 75)" in said["calibration"]
    assert "The stopping point is 2 rows: there the loss on the choosing rows falls by 0.1" in said["gate"]
    assert "1 groups of rows" in said["duplicates"]
    assert "second" in said["references"]
    assert "net" in said["learning"]
    assert "agree in order by 0.9 (95 % interval 0.7 to 0.97)" in said["faithfulness"]


def test_a_run_without_proof_says_so_in_every_section(folder):
    _, page = page_of(flagged(folder))
    assert set(page.sections) == SECTIONS
    assert "No gate has judged this run" in page.sections["gate"]
    assert "No wrong labels were planted" in page.sections["calibration"]
    assert "made no self-test" in page.sections["calibration"]
    assert "No rows were left out" in page.sections["faithfulness"]
    assert "No network was trained" in page.sections["learning"]
    assert "No rows with exactly equal features" in page.sections["duplicates"]
    assert "one set of reference rows only" in page.sections["references"]


def test_a_skipped_proof_gives_its_reason(folder):
    run = flagged(folder)
    reasons = {name: {"skipped": f"{name} was not asked for"} for name in ("calibration", "self_test", "faithfulness")}
    with transaction(run.store) as connection:
        connection.execute("UPDATE runs SET report = ?", [json.dumps(reasons)])
    _, page = page_of(run)
    assert "calibration was not asked for" in page.sections["calibration"]
    assert "self_test was not asked for" in page.sections["calibration"]
    assert "faithfulness was not asked for" in page.sections["faithfulness"]


def test_what_scoring_calls_calibration_is_not_taken_for_planted_labels(folder):
    run = flagged(folder)
    with transaction(run.store) as connection:
        connection.execute("""UPDATE runs SET report = '{"calibration": {"linear": {"sharpening": 2.0}}}'""")
    assert read_figures(run.store, run.run_id).planting == {}


def test_a_label_cannot_act_in_the_page(folder):
    _, page = page_of(proven(folder))
    assert [attributes.get("type") for attributes in page.of("script")] == ["application/json", None, None]
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert {attributes["src"][:15] for attributes in page.of("img")} == {"data:image/png;"}
    assert HOSTILE in page.sections["suspects"]
    assert "49" not in re.findall(r"\{\{ 7 \* 7 \}\}|\b49\b", page.sections["suspects"])
    given = {one["given"] for one in drawings(page)["confusion"]["datasets"]["own"]}
    assert HOSTILE in given


def test_the_page_lets_only_its_own_scripts_run_and_asks_for_nothing_else(folder):
    path, page = page_of(proven(folder))
    policy = next(one["content"] for one in page.of("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert not {"link", "iframe", "object", "base"} & {tag for tag, _ in page.elements}
    outside = [one for tag, found in page.elements for one in (found.get("src"), found.get("href")) if one]
    assert all(one.startswith(("#", "data:")) for one in outside)
    assert path.stat().st_size < 1_500_000


def test_words_to_blame_are_marked_and_nothing_else_is(folder):
    text = write_report(proven(folder).store, "aaaa").read_text(encoding="utf-8")
    assert "A &lt;b&gt;<mark>bad</mark>&lt;/b&gt; dog, they say: <mark>Bad</mark>, not a badger." in text


def test_decisions_made_since_are_told(folder):
    run = proven(folder)
    decide(run.store, ["r4"], "keep", by="ana")
    decide(run.store, ["r7"], "relabel", HOSTILE, by="ana")
    outcomes = read_figures(run.store, run.run_id).outcomes
    assert (outcomes["dropped"], outcomes["kept_after_review"], outcomes["relabelled"]) == (0, 1, 1)
    counts = {one["label"]: (one["before"], one["after"]) for one in read_figures(run.store, run.run_id).classes}
    assert counts == {"cat": (6, 5), HOSTILE: (5, 6)}


def test_a_published_run_tells_what_its_publish_did(folder):
    run = proven(folder)
    with transaction(run.store) as connection:
        connection.execute("UPDATE runs SET state = 'published', published_at = '2026-01-02'")
        connection.execute("INSERT INTO outcomes VALUES (?, 'r4', 'dropped', NULL, 'harmful')", [run.run_id])
    figures = read_figures(run.store, run.run_id)
    assert figures.outcomes["dropped"] == 1
    _, page = page_of(run)
    assert "Would be dropped" not in page.sections["result"]


def test_a_regression_has_no_classes_and_says_so(folder):
    table = pa.table({"id": ["a", "b", "c"], "size": [1.0, 2.0, 3.0], "label": [1.5, 2.5, 9.0]})
    run = small_run(folder, table, {"c": {**HARMFUL, "suggested_label": "3.1"}}, task="regression")
    run.tag()
    _, page = page_of(run)
    assert "The labels are numbers" in page.sections["labels"]
    assert not {"confusion", "classes"} & set(drawings(page))


def test_a_run_that_was_never_scored_has_a_page_too(folder):
    run = small_run(folder, pa.table({"id": ["a", "b"], "label": ["x", "y"]}), {})
    _, page = page_of(run)
    assert "This run has no scores" in page.sections["scores"]


def test_the_page_appears_whole_or_not_at_all(folder):
    run = flagged(folder)
    (folder / "culpa.duckdb.reports").write_text("a file in the way")
    with pytest.raises(CulpaError, match="cannot be written"):
        write_report(run.store, run.run_id)
    with pytest.raises(BadInput, match="there is no run"):
        write_report(run.store, "ffff")


@pytest.mark.slow
def test_a_million_rows_give_a_page_under_five_megabytes(folder):
    run = proven(folder)
    _make_large(run, 1_000_000)
    start = time.perf_counter()
    path, page = page_of(run)
    took = time.perf_counter() - start
    points = drawings(page)["corners"]["datasets"]["own"]
    assert path.stat().st_size < 5_000_000
    assert len(points) == MOST_POINTS
    assert sum(one["corner"] != "neither" for one in points) == 1_500
    assert "a sample" in page.sections["corners"]
    assert points == drawings(page_of(run)[1])["corners"]["datasets"]["own"]
    assert took < 60


def _make_large(run: SmallRun, rows: int) -> None:
    """As many more scored rows, a hundredth of them flagged, with long labels of a hundred classes."""
    with transaction(run.store) as connection:
        connection.execute(
            """INSERT INTO rows SELECT $run, i, 'row number ' || i, 'h' || i, 'class ' || (i % 100), i, false
               FROM generate_series(100, $rows + 99) t(i)""",
            {"run": run.run_id, "rows": rows},
        )
        connection.execute(
            """INSERT INTO scores BY NAME
               SELECT run_id, row_id, row_hash, given_label, 'class 7' AS suggested_label, random() AS memorization,
                      random() - 0.5 AS influence, 10 * random() AS suspicion, random() AS probability_wrong
               FROM rows WHERE starts_with(row_id, 'row number')"""
        )
        connection.execute(
            """INSERT INTO tags SELECT run_id, row_id, true, true, 'mislabeled', 'mislabeled', 'said so', true
               FROM rows WHERE starts_with(row_id, 'row number') AND position % 100 = 0"""
        )
