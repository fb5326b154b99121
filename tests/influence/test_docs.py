"""The table of methods in the docs names everything there is, and nothing that is not."""

import importlib
import re
from pathlib import Path

from culpa.influence.aggregate import AGGREGATIONS
from culpa.influence.attribution import METHODS
from culpa.influence.curvature import CURVATURES

ROOT = Path(__file__).parent.parent.parent
DOCS = (ROOT / "influence" / "README.md").read_text()
SYSTEMS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in DOCS[DOCS.index("## Systems") :].splitlines()
    if line.startswith("| ") and "---" not in line
][1:]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_every_method_stands_in_the_table_with_its_title_and_its_source() -> None:
    lines = re.findall(r"^\| `([\w-]+)` \| ([^|]+) \| ([^|]+) \|$", DOCS, flags=re.MULTILINE)
    assert lines == [(one.name, one.title, one.source) for one in METHODS.values()]


def test_curvatures_and_aggregations_are_all_named() -> None:
    def named(what: str) -> set[str]:
        line = next(line for line in DOCS.splitlines() if f"`{what}`:" in line)
        return set(quoted(line.partition(f"`{what}`:")[2]))

    assert named("CURVATURES") == set(CURVATURES)
    assert named("AGGREGATIONS") == set(AGGREGATIONS)


def test_every_system_can_be_called_and_has_its_test() -> None:
    assert len(SYSTEMS) >= 35
    for system, called, oracle in SYSTEMS:
        for name in quoted(called):
            if name.startswith(("--", "culpa ")) or name in METHODS:
                continue
            module, _, function = name.rpartition(".")
            assert callable(getattr(importlib.import_module(f"culpa.influence.{module}"), function)), system
        (file,) = quoted(oracle)
        assert (ROOT / "tests" / "influence" / file).is_file(), system


def test_every_method_is_the_oracle_of_some_system() -> None:
    assert {name for _, called, _ in SYSTEMS for name in quoted(called) if name in METHODS} == set(METHODS)


def test_the_example_runs(capsys) -> None:  # type: ignore[no-untyped-def]
    (example,) = re.findall(r"^```python\n(.*?)^```", DOCS, flags=re.DOTALL | re.MULTILINE)
    exec(compile(example, "README.md", "exec"), {"__name__": "readme"})
    assert "torch.Size([200])" in capsys.readouterr().out
