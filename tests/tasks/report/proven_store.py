"""A small store in which every table that the report reads has lines, with labels that would break a careless page."""

import atexit
import json
import shutil
import struct
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pyarrow as pa

from culpa.tasks import store as stores
from culpa.tasks.evidence import SCHEMA
from tests.tasks.small_store import HARMFUL, SmallRun, small_run

HOSTILE = "</script><script>document.title = 'broken'</script>\n\"'{{ 7 * 7 }}<img src=x onerror=alert(1)>"
TEXT = "A <b>bad</b> dog, they say: Bad, not a badger."
EFFECTS = ("cleaned less all", "cleaned less random", "random less all")


def png(grey: int = 128) -> bytes:
    """An image of one pixel."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes([0, grey]))),
        (b"IEND", b""),
    )
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


ANIMALS = pa.table(
    {
        "id": [f"r{place}" for place in range(12)],
        "text": [TEXT] * 12,
        "picture": pa.array([png()] * 12, pa.binary()),
        "weight": [4.0, 5.0, 30.0, 25.0, 4.5, 3.9, 28.0, 33.0, 4.2, 27.0, 4.1, 4.4],
        "label": ["cat", "cat", HOSTILE, HOSTILE, HOSTILE, "cat", HOSTILE, "cat", "cat", HOSTILE, "cat", None],
    }
)
SCORES = {
    "r4": {**HARMFUL, "memorization": 0.8, "suggested_label": "cat", "suggested_probability": 0.9},
    "r7": {**HARMFUL, "suspicion": 2.0, "suggested_label": HOSTILE, "suggested_probability": 0.8},
    "r5": {"memorization": 0.7},
}
EVIDENCE = [
    {"row_id": "r4", "kind": "outvoted_by", "rank": 1, "other_row_id": "r0", "other_is_reference": False, "value": 0.5},
    {"row_id": "r4", "kind": "blamed_word", "rank": 1, "other_is_reference": False, "value": -0.2, "word": "bad"},
]
PROOF = {
    "calibration": {
        "planted": 40, "repeats": 2, "sample": 11, "flagged": 2, "threshold": 1.5, "wrong": 2.4, "wrong_low": 1.0,
        "wrong_high": 4.0, "precision": 0.63, "precision_low": 0.5, "precision_high": 0.75,
        "kinds": {"uniform": {"recall": 0.9, "recall_low": 0.8, "recall_high": 0.95}},
    },
    "self_test": {"reference_rows": 4, "right_helpful": 1.0, "flipped_harmful": 0.75, "passed": True},
    "faithfulness": {
        "proxy": "linear", "kind": "row", "removals": 3, "spearman": 0.9, "spearman_low": 0.7, "spearman_high": 0.97,
        "sign_agreement": 1.0, "dropped": {"rows": 2, "predicted": -0.02, "real": -0.01}, "faithful": True,
    },
    "memorization_threshold": 0.25,
}  # fmt: skip


def flagged(folder: Path, **options: object) -> SmallRun:
    """The run as `culpa flag` leaves it when nothing was proved."""
    run = small_run(folder, ANIMALS, SCORES, **options)  # type: ignore[arg-type]
    run.tag(evidence=pa.Table.from_pylist(EVIDENCE, schema=SCHEMA))
    return run


def proven(folder: Path) -> SmallRun:
    """The same with gate, calibration, faithfulness, several reference sets, learning and duplicates that disagree."""
    run = _template()
    shutil.copytree(run.store.parent, folder, dirs_exist_ok=True)
    return replace(run, store=folder / run.store.name, folder=folder / run.folder.relative_to(run.store.parent))


@cache
def _template() -> SmallRun:
    """The store of `proven`, made once."""
    folder = Path(mkdtemp(prefix="culpa-proven-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run = flagged(folder)
    with stores.transaction(run.store) as connection:
        connection.execute("UPDATE runs SET report = ?, warnings = ?", [json.dumps(PROOF), json.dumps([HOSTILE])])
        connection.execute("UPDATE rows SET duplicate_group = 7 WHERE row_id IN ('r0', 'r2')")
        connection.execute(
            """INSERT INTO gates VALUES (?, 'p', 'not-worse', true, 'better', 'Log-loss falls by 0.1.', true, 'linear',
               0.01, 2, 2, 3, 3, 5, NULL, '2026-01-01')""",
            [run.run_id],
        )
        for comparison in EFFECTS:
            for metric, effect in (("log_loss", 0.1), ("accuracy", 0.05), ("macro_f1", 0.04)):
                line = [run.run_id, comparison, "reference rows", "linear", metric, 0.4, 0.5, effect, 0.02, 0.2]
                connection.execute("INSERT INTO gate_effects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", line)
        for arm, slope in (("cleaned", 0.05), ("random", -0.01)):
            for removed in (0, 1, 2):
                effect = slope * removed
                line = [run.run_id, arm, removed, 0.5 - effect, effect, effect - 0.01, effect + 0.01, removed == 2]
                connection.execute("INSERT INTO gate_curve VALUES (?, ?, ?, ?, ?, ?, ?, ?)", line)
        for budget in (1, 10, 100):
            line = [run.run_id, budget, 0.63, 0.5, 0.75, 0.63 * budget, 1.0]
            connection.execute("INSERT INTO calibration VALUES (?, ?, ?, ?, ?, ?, ?)", line)
        for row, predicted in (("r0", 0.1), ("r4", -0.2), ("r7", -0.1)):
            line = [run.run_id, "linear", "row", 1, predicted, 0.9 * predicted, row]
            connection.execute("INSERT INTO faithfulness VALUES (?, ?, ?, ?, ?, ?, ?)", line)
        connection.execute(
            "INSERT INTO reference_influences SELECT run_id, row_id, 'second', -influence, 0.1 FROM scores"
        )
        connection.execute(
            """INSERT INTO learning
               SELECT run_id, row_id, 'net', 2, 1, 0.5, 1, 0.6, 0.1, 0.8, 0.3, 0.4, 0.9, 0.5, 0.1 FROM scores"""
        )
    return run
