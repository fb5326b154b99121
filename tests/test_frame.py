"""The frame: what is installed, what an import costs, and that every example in a docstring is true."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("flows", "tasks", "influence")
HEAVY = {"prefect", "torch", "sklearn", "scipy", "pandas", "duckdb", "pyarrow"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def loaded_by(*arguments: str) -> set[str]:
    """The top-level modules in a fresh interpreter after it ran the code with these arguments."""
    code = f"""
import sys
sys.argv[1:] = {list(arguments[1:])!r}
try:
    {arguments[0]}
finally:
    print("loaded:", *{{name.partition(".")[0] for name in sys.modules}}, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return set(done.stderr.rpartition("loaded:")[2].split())


def test_influence_imports_neither_torch_nor_prefect() -> None:
    loaded = loaded_by("import culpa.influence")
    assert "culpa" in loaded
    assert not loaded & {"torch", "prefect", "duckdb", "pandas"}


@pytest.mark.parametrize("words", [("--help",), ("clean", "--help"), ("--version",), ("decide", "row_1")])
def test_the_command_answers_without_loading_anything_heavy(words: tuple[str, ...]) -> None:
    loaded = loaded_by("from culpa.flows.command import main; main()", *words)
    assert "cyclopts" in loaded
    assert not loaded & HEAVY


def test_importing_the_flows_costs_nothing_until_one_is_asked_for() -> None:
    assert not loaded_by("import culpa.flows") & HEAVY


def test_every_package_and_only_packages_are_listed_for_installation() -> None:
    found = {
        "culpa." + ".".join(path.parent.relative_to(ROOT).parts)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found
    assert all((ROOT / folder / "py.typed").exists() for folder in FOLDERS)


def test_every_dependency_has_an_exact_version_in_the_constraints() -> None:
    pinned = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *(one for extra in extras.values() for one in extra)]
    names = {re.split(r"[\[<>]", requirement)[0].strip().lower() for requirement in wanted} - {"culpa"}
    assert names <= pinned | {"cleanlab", "mlxtend"}


def modules() -> list[str]:
    packages = [importlib.import_module(f"culpa.{folder}") for folder in FOLDERS]
    return [
        found.name for package in packages for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]


@pytest.mark.parametrize("name", modules())
def test_every_example_in_a_docstring_is_true(name: str) -> None:
    module = importlib.import_module(name)
    module = sys.modules[name]
    outcome = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert outcome.failed == 0
