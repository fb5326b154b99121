"""A watched folder: each settled file once, half files never, bad ones noted, killed passes made good."""

import json
import os
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from culpa.flows import events, plain, watching
from culpa.flows.command import answer
from culpa.flows.watching import Watched, check_none_failed, read_watch, watch_folder
from culpa.tasks import arrivals
from culpa.tasks import store as stores
from culpa.tasks.arrivals import Arrival
from culpa.tasks.errors import BadInput, CulpaError, Refused
from culpa.tasks.settings import Settings
from tests.flows.blobs import blobs, write_blobs
from tests.tasks.small_store import ask

QUICK = {
    "label": "kind", "key": "id", "settle": 0.05, "proxy": "linear", "gate": "off", "calibrate": False,
    "faithfulness": False, "report": False,
}  # fmt: skip


def an_arrival(folder: Path, file: str = "a.csv") -> Arrival:
    return Arrival(str(folder / "incoming"), file, 8, datetime(2026, 1, 1), "aa", datetime(2026, 1, 2))


@pytest.fixture
def incoming(folder: Path) -> Path:
    (folder / "incoming").mkdir()
    return folder / "incoming"


class Cleaner:
    """Notes what it is asked to clean, and answers or fails as it is told."""

    def __init__(self, **errors: Exception) -> None:
        self.errors = errors
        self.asked: list[str] = []

    def __call__(self, settings: Settings) -> Any:
        name = Path(str(settings.source)).stem
        self.asked.append(name)
        if name in self.errors:
            raise self.errors[name]
        return type("Result", (), {"run_id": f"run {name}"})


def look(incoming: Path, cleaner: Cleaner, told: list[str] | None = None, **options: Any) -> Watched:
    """One pass with a cleaner that is no model."""
    watch = read_watch(incoming, **{"label": "y", "settle": 0.02, **options})
    return watch_folder(watch, cleaner, lambda _, arrival: (told if told is not None else []).append(arrival.file))


def fates(incoming: Path) -> dict[str, Any]:
    return {one.file: one.run_id or one.error for one in arrivals._latest(Path("culpa.duckdb"), incoming)}


def test_a_new_file_is_noticed_and_cleaned_once(incoming: Path) -> None:
    (incoming / "a.csv").write_text("y\n1\n")
    cleaner, told = Cleaner(), list[str]()
    assert look(incoming, cleaner, told).noticed == ("a.csv",)
    assert look(incoming, cleaner, told) == Watched(incoming)
    assert (cleaner.asked, told) == (["a"], ["a.csv"])
    assert fates(incoming) == {"a.csv": "run a"}


def test_a_changed_file_is_noticed_again_and_a_touched_one_is_not(incoming: Path) -> None:
    cleaner = Cleaner()
    (incoming / "a.csv").write_text("y\n1\n")
    look(incoming, cleaner)
    os.utime(incoming / "a.csv", (1, 1))
    assert look(incoming, cleaner).noticed == ()
    (incoming / "a.csv").write_text("y\n2\n")
    assert look(incoming, cleaner).noticed == ("a.csv",)
    assert cleaner.asked == ["a", "a"]
    assert len(ask(Path("culpa.duckdb"), "SELECT * FROM arrivals")) == 2


def test_hidden_and_unfinished_names_and_what_is_no_table_are_not_looked_at(incoming: Path) -> None:
    (incoming / ".git").mkdir()
    names = (".a.csv", "_b.csv", "c.csv.tmp", "d.tmp.csv", "e.csv.part", "f.csv~", "g.txt", "h.duckdb", ".git/i.csv")
    for name in names:
        (incoming / name).write_text("y\n1\n")
    (incoming / "deep").mkdir()
    (incoming / "deep" / "z.csv.gz").write_bytes(b"x")
    assert look(incoming, Cleaner()).noticed == ("deep/z.csv.gz",)


def test_a_file_that_still_grows_is_left_for_later(incoming: Path) -> None:
    growing = incoming / "a.csv"
    growing.write_text("y\n")
    stop = threading.Event()

    def grow() -> None:
        while not stop.wait(0.01):
            with growing.open("a") as file:
                file.write("1\n")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        assert look(incoming, Cleaner(), settle=0.2).noticed == ()
    finally:
        stop.set()
        writer.join()
    assert look(incoming, Cleaner()).noticed == ("a.csv",)


def test_the_same_rows_under_another_name_are_noted_and_not_cleaned_twice(incoming: Path) -> None:
    cleaner = Cleaner()
    for name in ("a.csv", "b.csv"):
        (incoming / name).write_text("y\n1\n")
    assert look(incoming, cleaner).known == {"b.csv": "a.csv"}
    assert cleaner.asked == ["a"]
    assert fates(incoming) == {"a.csv": "run a", "b.csv": "run a"}


def test_a_file_that_returns_to_earlier_rows_is_cleaned_again(incoming: Path) -> None:
    cleaner = Cleaner()
    for text in ("y\n1\n", "y\n22\n", "y\n1\n"):
        (incoming / "a.csv").write_text(text)
        look(incoming, cleaner)
    assert cleaner.asked == ["a", "a", "a"]


@pytest.mark.parametrize("error", [BadInput("no column 'y'"), Refused("too many would go")])
def test_a_bad_file_is_noted_and_does_not_stop_the_others(incoming: Path, error: Exception) -> None:
    cleaner = Cleaner(a=error)
    for name in ("a", "b"):
        (incoming / f"{name}.csv").write_text(f"y\n{name}\n")
    watched = look(incoming, cleaner)
    assert watched.bad == {"a.csv": str(error)}
    assert fates(incoming) == {"a.csv": str(error), "b.csv": "run b"}
    look(incoming, cleaner)
    assert cleaner.asked == ["a", "b"]  # not tried again ...
    os.utime(incoming / "a.csv", (1, 1))
    look(incoming, cleaner)
    assert cleaner.asked == ["a", "b", "a"]  # ... until it changes, if only by a touch


def test_files_that_a_wrong_option_made_bad_are_counted_and_tried_again_with_another(incoming: Path) -> None:
    (incoming / "a.csv").write_text("y\n1\n")
    wrong = Cleaner(a=BadInput("no column 'z'"))
    assert look(incoming, wrong, label="z").refused == 1
    again = look(incoming, wrong, label="z")
    assert (wrong.asked, again.bad, again.refused) == (["a"], {}, 1)
    assert "1 refused until they or the options change" in "\n".join(again.as_lines())
    right = Cleaner()
    assert look(incoming, right, label="y").refused == 0
    assert (right.asked, fates(incoming)) == (["a"], {"a.csv": "run a"})


def test_a_file_that_cannot_be_noted_is_reported_and_does_not_stop_the_others(
    incoming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at = Path.stat

    def stat(path: Path, **how: Any) -> Any:  # few file systems hold such a time, network shares do
        found = look_at(path, **how)
        far = SimpleNamespace(st_mode=found.st_mode, st_size=found.st_size, st_mtime_ns=10**21)
        return far if path.name == "far.csv" else found

    monkeypatch.setattr(Path, "stat", stat)
    for name in (os.fsencode(incoming) + b"/bad\xff.csv", incoming / "far.csv", incoming / "good.csv"):
        Path(os.fsdecode(name)).write_text("y\n1\n")
    cleaner = Cleaner()
    watched = look(incoming, cleaner)
    assert (watched.noticed, cleaner.asked) == (("good.csv",), ["good"])
    said = "\n".join(replace(watched, cleaned=()).as_lines())
    assert "warning: bad\\xff.csv is left out: its name is not UTF-8" in said
    assert "warning: far.csv is left out: its time of change" in said
    said.encode()
    assert look(incoming, cleaner).noticed == ()


def test_a_folder_and_a_link_to_it_are_one(incoming: Path) -> None:
    (incoming / "a.csv").write_text("y\n1\n")
    incoming.with_name("link").symlink_to(incoming)
    cleaner = Cleaner()
    look(incoming, cleaner)
    assert look(incoming.with_name("link"), cleaner).noticed == ()
    assert cleaner.asked == ["a"]


def test_what_failed_for_another_reason_is_tried_again_and_the_scheduler_hears_of_it(incoming: Path) -> None:
    (incoming / "a.csv").write_text("y\n1\n")
    broken = Cleaner(a=CulpaError("the store was busy"))
    watched = look(incoming, broken)
    with pytest.raises(CulpaError, match=r"a\.csv: the store was busy; tried again"):
        check_none_failed(watched)
    assert fates(incoming) == {"a.csv": None}
    cleaner = Cleaner()
    assert look(incoming, cleaner).noticed == ()
    assert cleaner.asked == ["a"]


def test_a_pass_that_dies_before_it_notes_a_file_tells_of_it_again(incoming: Path) -> None:
    (incoming / "a.csv").write_text("y\n1\n")

    def dies(watch: watching.Watch, arrival: Arrival) -> None:
        raise KeyboardInterrupt

    watch = read_watch(incoming, label="y", settle=0.02)
    with pytest.raises(KeyboardInterrupt):
        watch_folder(watch, Cleaner(), dies)
    told: list[str] = []
    look(incoming, Cleaner(), told)
    assert told == ["a.csv"]


def test_two_passes_at_a_time_note_a_file_once(incoming: Path) -> None:
    (incoming / "a.csv").write_text("y\n1\n")
    store = Path("culpa.duckdb")
    stores.create(store)
    found, _ = arrivals.new_arrivals(store, incoming, 0.0)
    assert len(arrivals.note(store, found)) == 1
    assert arrivals.note(store, found) == []


def test_only_noticed_files_are_told_of_and_credited_to_whoever_cleans_them(incoming: Path) -> None:
    write_blobs(incoming / "a.parquet", rows=60, wrong=3)
    told: list[str] = []
    assert look(incoming, Cleaner(), told, only_notice=True).noticed == ("a.parquet",)
    assert told == ["a.parquet"]
    options = {name: value for name, value in QUICK.items() if name != "settle"}
    result = plain.clean(str(incoming / "a.parquet"), **options, out=Path("a.parquet"))
    cleaner = Cleaner()
    look(incoming, cleaner)
    assert (cleaner.asked, fates(incoming)) == ([], {"a.parquet": result.run_id})


def test_an_event_tells_what_is_needed_to_clean_the_file_and_has_the_same_id_each_time(
    incoming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, Any]] = []
    monkeypatch.setattr(events, "emit_event", lambda event, **more: sent.append((event, more)))
    monkeypatch.setattr(events, "_wait_until_told", lambda: None)
    watch = read_watch(incoming, label="y", out_folder=Path("out"))
    arrival = an_arrival(incoming.parent, "deep/a.csv.gz")
    events.file_arrived(watch, arrival)
    events.file_arrived(watch, arrival)
    (name, first), (_, second) = sent
    assert (name, first["id"]) == ("culpa.file.arrived", second["id"])
    payload = first["payload"]
    assert payload["path"] == str(incoming / "deep" / "a.csv.gz")
    assert payload["out"] == str(Path("out").absolute() / "deep" / "a.cleaned.parquet")
    assert payload["dataset"] == "deep_a"
    assert json.dumps(payload)


def test_two_files_that_would_share_a_cleaned_file_are_told_apart(incoming: Path) -> None:
    (incoming / "a.csv").write_text("y\n1\n")
    (incoming / "a.tsv").write_text("y\n2\n")
    assert "is that of a.csv" in look(incoming, Cleaner()).bad["a.tsv"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"out_folder": "incoming/cleaned"}, "would be noticed as new ones"),
        ({"out": Path("a.parquet")}, "--out-folder"),
        ({"settle": -1.0}, "at least 0"),
        ({"lable": "y"}, "no setting 'lable'"),
    ],
)
def test_a_watch_that_cannot_be_is_refused(incoming: Path, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        read_watch(incoming, **{"label": "y", **options})


def test_the_command_cleans_what_arrived_and_says_what_was_bad(
    incoming: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_blobs(incoming / "a.parquet", rows=60, wrong=3)
    (incoming / "b.csv").write_text("x\n1\n")
    words = ["watch", "incoming", "--label", "kind", "--key", "id", "--settle", "0.05", "--proxy", "linear", "--plain"]
    words += ["--gate", "off", "--no-calibrate", "--no-faithfulness", "--no-report"]
    assert answer(words) == 2
    said = capsys.readouterr()
    assert "a.parquet: noticed" in said.out
    assert "b.csv has no column 'kind'" in said.err
    made = sorted(path.name for path in Path("incoming.cleaned").iterdir())
    assert made == ["a.cleaned.manifest.json", "a.cleaned.parquet", "a.cleaned.quarantine.parquet"]
    assert answer([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["noticed"] == []
    assert answer(["watch", "nowhere", "--label", "y", "--plain"]) == 2
    assert answer([*words, "--only-notice"]) == 2
    assert "a plain run sends none" in capsys.readouterr().err


def test_the_flow_watches_by_sub_flows(incoming: Path, prefect_server: None) -> None:
    from culpa.flows import watch

    write_blobs(incoming / "a.parquet", rows=60, wrong=3)
    watched = watch(str(incoming), **QUICK)
    assert [result.clean for result in watched.cleaned] == [
        incoming.with_name("incoming.cleaned") / "a.cleaned.parquet"
    ]


def test_files_become_batches_of_one_data_set(incoming: Path) -> None:
    for number, name in enumerate(("a", "b")):
        blobs(rows=90, wrong=4, seed=number)[0].assign(id=lambda t, name=name: name + t["id"]).to_parquet(
            incoming / f"{name}.parquet", index=False
        )
    watched = plain.watch(incoming, **QUICK, onto="zoo")
    assert [(result.dataset, result.rows) for result in watched.cleaned] == [("zoo", 90), ("zoo", 90)]
    first, second = (result.run_id for result in watched.cleaned)
    runs = dict(ask(Path("culpa.duckdb"), "SELECT run_id, onto FROM runs"))
    assert runs == {first: None, second: first}
