"""What reviewers do on the page, one and several at once: what they see, and what becomes of their decisions."""

import subprocess
import sys

import pytest

from culpa.tasks import store as stores
from culpa.tasks.errors import BadInput
from culpa.tasks.queue import Filter
from culpa.tasks.queue import desk as desks
from culpa.tasks.reviews.decide import decide
from tests.flows.page.served import IMAGE, LABEL, Visitor, served, zoo
from tests.tasks.small_store import HARMFUL, PETS, ask, pets, small_run


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The page over the pets: r4 and r7 may be dropped, r5 is rare; what others do is seen at once."""
    monkeypatch.setattr(desks, "FRESH_SECONDS", 0.0)
    run = pets(tmp_path)
    with served(run) as (_, door, client):
        yield run, Visitor(client, door, "ann"), Visitor(client, door, "bob")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The same for who only looks."""
    run = pets(tmp_path_factory.mktemp("pets"))
    with served(run) as (_, door, client):
        yield run, Visitor(client, door, "ann")


def pets_of(ids, weights, labels):
    return PETS.from_pydict({"id": ids, "weight": weights, "label": labels})


def batch(folder, table, scores):
    """A batch onto the pets, flagged after them."""
    run = small_run(folder, table, scores, run_id="b" * 12, at="2026-02-01")
    run.tag()
    ask(run.store, "UPDATE runs SET onto = 'aaaaaaaaaaaa' WHERE run_id = 'bbbbbbbbbbbb'")


def said(run):
    return ask(run.store, "SELECT row_id, decision, new_label, reviewed_by FROM decisions ORDER BY decision_id")


def progress(visitor):
    return visitor.client.get("/state").json()


# The queue and its rows


def test_the_queue_stands_in_the_order_of_the_view(shown):
    run, ann = shown
    assert ann.ids() == [row for (row,) in ask(run.store, "SELECT row_id FROM review_queue")]


def test_steps_go_both_ways_and_end(shown):
    _, ann = shown
    first, second, third = ann.ids()
    assert ann.row(third, -1)["row_id"] == second
    assert ann.row(first, -1)["row_id"] is None
    assert ann.row(third)["row_id"] is None
    assert (ann.row(second, 0)["number"], ann.row(second, 0)["matching"]) == (2, 3)


def test_a_row_shows_what_is_known_of_it(shown):
    _, ann = shown
    html = " ".join(ann.row("r4", 0)["html"].split())
    for text in (
        "Labelled <b>dog</b>, the model suggests <b>cat</b> (90 %)",
        "mislabeled",
        "must be seen",
        "pets.parquet",
    ):
        assert text in html
    assert "would go" in ann.client.get("/history", params={"row": "r4"}).text


def test_long_texts_are_folded_and_images_are_shown(tmp_path):
    with served(zoo(tmp_path)) as (_, door, client):
        html = Visitor(client, door, "ann").row("r7", 0)["html"]
    assert '<details class="fold"><summary>' in html
    assert '<img src="data:image/png;base64,' in html


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        ({}, {"r4", "r5", "r7"}),
        ({"label": "dog"}, {"r4"}),
        ({"tag": "rare_but_useful"}, {"r5"}),
        ({"must_see": "true"}, {"r4", "r7"}),
        ({"suspicion_from": "2.5"}, {"r4"}),
        ({"suspicion_to": "2.5"}, {"r5", "r7"}),
        ({"probability_from": "0.5", "suspicion_to": "2"}, {"r7"}),
        ({"state": "decided"}, set()),
        ({"state": "all", "label": "cat"}, {"r5", "r7"}),
        ({"suspicion_from": "no number", "label": ""}, {"r4", "r5", "r7"}),
    ],
)
def test_filters_narrow_the_queue(shown, wanted, rows):
    assert set(shown[1].ids(**wanted)) == rows


def test_a_source_is_a_column_or_the_runs_file(tmp_path):
    run = zoo(tmp_path)
    for column, sources in (("shop", ["east", "west", "west"]), (None, [run.settings.source] * 3)):
        desk = desks.Desk(run.store, source_column=column)
        first = desk.step(Filter(source=sources[-1]), None, 1)
        desk.close()
        assert sorted(desk.queue.sources) == sources
        assert (first.source, first.matching) == (sources[-1], sources.count(sources[-1]))


def test_what_cannot_be_reviewed_is_named(tmp_path):
    run = pets(tmp_path)
    with pytest.raises(BadInput, match="did you mean 'weight'"):
        desks.Desk(run.store, source_column="weigth")
    with pytest.raises(BadInput, match="there are: pets"):
        desks.Desk(run.store, "pests")
    stores.create(tmp_path / "empty.duckdb")
    with pytest.raises(BadInput, match="nothing is flagged"):
        desks.Desk(tmp_path / "empty.duckdb")


def test_rows_of_a_batch_wait_beside_those_of_the_full_run(tmp_path):
    run = pets(tmp_path)
    batch(tmp_path, pets_of(["n0", "n1"], [4.1, 31.0], ["cat", "cat"]), {"n1": HARMFUL})
    ask(
        run.store,
        """INSERT INTO evidence (run_id, row_id, kind, rank, other_row_id, other_is_reference, value)
           VALUES ('bbbbbbbbbbbb', 'n1', 'outvoted_by', 1, 'r2', false, 0.5)""",
    )
    with served(run) as (_, door, client):
        ann = Visitor(client, door, "ann")
        assert set(ann.ids()) == {"r4", "r5", "r7", "n1"}
        html = " ".join(ann.row("n1", 0)["html"].split())
        assert "<dt>weight</dt><dd>31</dd>" in html
        assert '<span class="name">r2</span> labelled <b>dog</b>' in html  # a row of the full run
        assert ann.decide(ann.row("n1", 0), "drop").status_code == 200


# Deciding


def test_each_decision_is_a_line_of_its_own_and_moves_the_progress(page):
    run, ann, _ = page
    assert progress(ann)["must_see_left"] == 2
    ann.decide(ann.row("r4", 0), "relabel", "cat", note="it purrs")
    ann.decide(ann.row("r7", 0), "drop")
    ann.decide(ann.row("r5", 0), "defer")
    assert said(run) == [("r4", "relabel", "cat", "ann"), ("r7", "drop", None, "ann"), ("r5", "defer", None, "ann")]
    assert ask(run.store, "SELECT note FROM decisions WHERE row_id = 'r4'") == [("it purrs",)]
    now = progress(ann)
    assert (now["total"], now["decided"], now["must_see_left"]) == (3, 2, 1)  # who defers a row asks for another look
    assert ann.ids() == ann.ids(must_see="true") == ["r5"]
    assert set(ann.ids(state="decided")) == {"r4", "r7"}


def test_the_expected_precision_is_that_of_the_rows_that_are_left(page):
    _, ann, _ = page
    assert progress(ann)["precision_left"] == "66 %"  # 0.99, 0.99 and 0.01
    ann.decide(ann.row("r4", 0), "drop")
    assert progress(ann)["precision_left"] == "50 %"


@pytest.mark.parametrize(
    ("decision", "new_label"), [("relabel", "cow"), ("relabel", None), ("keep", "cat"), ("burn", None)]
)
def test_a_decision_that_cannot_be_is_refused(shown, decision, new_label):
    run, ann = shown
    assert ann.decide(ann.row("r4", 0), decision, new_label).status_code == 422
    assert said(run) == []


def test_a_decision_needs_a_name(shown):
    run, ann = shown
    body = {**ann._seen(ann.row("r4", 0)), "by": "  "}
    assert ann.post("/decide", **body, decision="keep").status_code == 422
    assert said(run) == []


def test_a_row_that_is_not_there_is_not_found(shown):
    _, ann = shown
    assert ann.decide({**ann.row("r4", 0), "row_id": "r99"}, "keep").status_code == 404


def test_the_number_of_a_regression_is_typed(tmp_path):
    table = pets_of(["a", "b"], [1.0, 2.0], ["3.5", "4.5"])
    run = small_run(tmp_path, table, {"a": HARMFUL}, task="regression")
    run.tag()
    with served(run) as (_, door, client):
        ann = Visitor(client, door, "ann")
        assert 'id="new-label" type="number"' in client.get("/").text
        assert ann.decide(ann.row("a", 0), "relabel", "many").status_code == 422
        assert ann.decide(ann.row("a", 0), "relabel", "7.25").status_code == 200


# Undo


def test_undo_of_a_first_decision_puts_the_row_back_and_the_rule_stands(page):
    run, ann, _ = page
    done = ann.decide(ann.row("r4", 0), "keep").json()
    assert ask(run.store, "SELECT outcome FROM verdicts WHERE row_id = 'r4'") == [("kept",)]
    assert ann.undo(ann.row("r4", 0), done["decision_id"]).status_code == 200
    assert said(run)[1:] == [("r4", "defer", None, "ann")]
    assert ask(run.store, "SELECT note FROM decisions WHERE decision_id = 2") == [("took back keep",)]
    assert ask(run.store, "SELECT outcome FROM verdicts WHERE row_id = 'r4'") == [("dropped",)]
    assert "r4" in ann.ids()


def test_what_must_be_seen_is_what_review_queue_says_after_each_decision_and_each_undo(page):
    run, ann, _ = page
    for row, decision in (("r5", "keep"), ("r4", "drop"), ("r7", "defer"), ("r5", "defer")):
        done = ann.decide(ann.row(row, 0), decision).json()
        ann.undo(ann.row(row, 0), done["decision_id"])
        waits = {row_id for (row_id,) in ask(run.store, "SELECT row_id FROM review_queue WHERE must_see")}
        assert set(ann.ids(must_see="true")) == waits
        assert progress(ann)["must_see_left"] == len(waits)
    assert waits == {"r4", "r5", "r7"}  # a row that somebody looked at and left open is one to look at again


def test_undo_restores_what_another_person_had_decided(page):
    run, ann, bob = page
    bob.decide(bob.row("r4", 0), "relabel", "cat")
    done = ann.decide(ann.row("r4", 0), "drop").json()
    ann.undo(ann.row("r4", 0), done["decision_id"])
    assert said(run)[-1] == ("r4", "relabel", "cat", "ann")
    assert ask(run.store, "SELECT decision, new_label FROM current_decisions") == [("relabel", "cat")]
    assert "again as bob had it" in ann.row("r4", 0)["html"]


def test_nobody_undoes_what_is_not_their_own_last_word(page):
    run, ann, bob = page
    first = ann.decide(ann.row("r4", 0), "keep").json()
    assert bob.undo(bob.row("r4", 0), first["decision_id"]).status_code == 422
    bob.decide(bob.row("r4", 0), "drop")
    answer = ann.undo(ann.row("r4", 0), first["decision_id"])
    assert answer.status_code == 409
    assert "bob decided" in answer.json()["message"]
    assert len(said(run)) == 2


# Several at once


def test_a_slow_browser_does_not_overwrite_and_is_told_who_was_faster(page):
    run, ann, bob = page
    seen = bob.row("r4", 0)
    ann.decide(ann.row("r4", 0), "keep")
    answer = bob.decide(seen, "drop")
    assert answer.status_code == 409
    assert "ann decided" in answer.json()["message"]
    assert said(run) == [("r4", "keep", None, "ann")]
    again = bob.row("r4", 0)
    assert "keep</b> by ann" in again["html"]
    assert bob.decide(again, "drop").status_code == 200
    assert [line[1] for line in said(run)] == ["keep", "drop"]
    assert ask(run.store, "SELECT decision FROM current_decisions") == [("drop",)]


def test_disagreement_is_shown_and_can_be_looked_for(page):
    _, ann, bob = page
    ann.decide(ann.row("r4", 0), "keep")
    bob.decide(bob.row("r4", 0), "defer")
    assert ann.ids(state="disputed") == []
    bob.decide(bob.row("r4", 0), "drop")
    ann.decide(ann.row("r7", 0), "drop")
    bob.decide(bob.row("r7", 0), "drop")
    progress(ann)
    assert ann.ids(state="disputed") == ["r4"]
    assert "people disagree" in ann.row("r4", 0)["html"]
    assert "people disagree" not in ann.row("r7", 0)["html"]
    ann.decide(ann.row("r4", 0), "drop")
    assert progress(ann)["disputed"] == 0


def test_decisions_made_elsewhere_arrive(page):
    run, ann, _ = page
    before = progress(ann)
    decide(run.store, ["r7"], "keep", by="cron")
    after = progress(ann)
    assert after["stamp"] != before["stamp"]
    assert after["decided"] == 1
    assert "keep</b> by cron" in ann.row("r7", 0)["html"]


def test_a_row_whose_content_has_changed_is_not_decided_on_unseen(page, tmp_path):
    run, ann, _ = page
    seen = ann.row("r4", 0)
    heavier = pets_of(["r4"], [29.0], ["dog"])
    batch(tmp_path, heavier, {"r4": HARMFUL})
    answer = ann.decide(seen, "drop")
    assert answer.status_code == 409
    assert "content" in answer.json()["message"]
    assert said(run) == []
    progress(ann)
    assert ann.decide(ann.row("r4", 0), "drop").status_code == 200


# Beside flows


HOLD = """
import duckdb, sys
store = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_while_a_flow_holds_the_store_the_page_shows_what_it_knows_and_waits_with_the_rest(page, monkeypatch):
    run, ann, _ = page
    monkeypatch.setattr(desks, "WAIT_SECONDS", 0.05)
    row = ann.row("r4", 0)
    words = [sys.executable, "-c", HOLD, str(run.store)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as flow:
        assert flow.stdout.readline() == "held\n"
        assert ann.row("r4", 0)["row_id"] == "r4"
        assert f"PID {flow.pid}" in progress(ann)["busy"]
        answer = ann.decide(row, "keep")
        assert answer.status_code == 503
        assert f"PID {flow.pid}" in answer.json()["message"]
        flow.stdin.close()
    assert ann.decide(row, "keep").status_code == 200
    assert progress(ann)["busy"] is None
    assert said(run) == [("r4", "keep", None, "ann")]


def test_the_page_holds_nothing_between_two_requests(page):
    run, ann, _ = page
    ann.ids()
    with stores.transaction(run.store, wait_seconds=5) as connection:
        connection.execute("UPDATE runs SET warnings = '[]'")


def test_a_row_without_columns_in_the_store_is_still_judged(tmp_path):
    run = pets(tmp_path)
    with stores.transaction(run.store) as connection:
        for view in ("flagged", "review_queue", "clean_rows", "quarantine"):
            connection.execute(f"DROP VIEW {view}; DROP VIEW {view}_pets")
        connection.execute("DROP TABLE data_pets_aaaaaaaa")
    with served(run) as (_, door, client):
        ann = Visitor(client, door, "ann")
        assert "The store keeps no columns" in ann.row("r4", 0)["html"]
        assert ann.decide(ann.row("r4", 0), "drop").status_code == 200


def test_hostile_names_are_decided_on_like_others(tmp_path):
    run = zoo(tmp_path)
    with served(run) as (_, door, client):
        eve = Visitor(client, door, "<b>eve</b>'; drop table decisions; --")
        assert eve.decide(eve.row(IMAGE, 0), "relabel", "cat", note=LABEL).status_code == 200
        assert "<b>eve</b>" not in eve.row(IMAGE, 0)["html"]
    assert said(run) == [(IMAGE, "relabel", "cat", eve.by)]


def flag_another_run(folder):
    """A full run of the pets after the first, of whose rows r7 alone is flagged."""
    small_run(folder, PETS, {"r7": HARMFUL}, run_id="c" * 12, at="2026-03-01").tag()


def test_a_decision_counts_for_its_row_although_another_thread_has_put_a_new_queue_in_place(tmp_path, monkeypatch):
    run = pets(tmp_path)
    with served(run) as (desk, door, client):
        ann = Visitor(client, door, "ann")

        def decide_late(*asked, **more):
            flag_another_run(tmp_path)
            desk._now = desk._load()
            return decide(*asked, **more)

        monkeypatch.setattr(desks, "decide", decide_late)
        gone, stays = ann.row("r5", 0), ann.row("r7", 0)
        assert ann.decide(stays, "drop").status_code == 200
        assert desk._now.standings.decided[desk.queue.place["r7"]]
        assert (desk.queue.place, ann.decide(gone, "keep").status_code) == ({"r7": 0}, 404)


def test_a_row_is_shown_from_the_queue_that_it_was_found_in(tmp_path):
    with served(pets(tmp_path)) as (desk, _, _):
        read, entry = desk._read, desk.queue.place["r5"]

        def read_late(*asked):
            read(*asked)
            flag_another_run(tmp_path)
            desk._now = desk._load()

        desk._read = read_late
        assert entry > 0  # the new queue has no such place
        assert desk.row("r5", Filter(state="all")).number == entry + 1
