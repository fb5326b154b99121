"""A factory by name: found where the user is, called as it asks, and every mistake told with the cure."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from culpa.influence.estimators import Task, call_factory, fit_estimator, load_factory
from culpa.influence.network import Recipe
from culpa.influence.rows import Rows
from tests.influence.small_rows import labelled

TASK = Task(features=4, classes=3, vocabulary=None, positions=None, seed=7)
SOURCE = """
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

class Models:
    @staticmethod
    def tree(task):
        return DecisionTreeClassifier(max_depth=task.features, random_state=task.seed)

def make_logistic():
    return LogisticRegression()

NUMBER = 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with a user's module in it, which is where the user is."""
    name = f"module_of_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(SOURCE)
    (tmp_path / "broken_module.py").write_text("import a_library_that_is_not_there")
    monkeypatch.chdir(tmp_path)
    yield name
    for one in (name, "broken_module"):
        sys.modules.pop(one, None)


def test_a_function_in_a_file_of_the_current_directory_is_found_and_the_path_is_left_alone(here):
    before = list(sys.path)
    factory = load_factory(f"{here}:make_logistic")
    assert type(call_factory(factory, TASK)).__name__ == "LogisticRegression"
    assert sys.path == before


def test_a_dotted_factory_gets_the_task(here):
    made = call_factory(load_factory(f"{here}:Models.tree"), TASK)
    assert made.get_params()["max_depth"] == 4
    assert made.get_params()["random_state"] == 7


MISTAKES = {
    "no colon": ("{here}", r"is no MODULE:FACTORY: name a module, a colon and a function"),
    "no factory": ("{here}:", r"is no MODULE:FACTORY"),
    "no such module": ("a_module_that_is_not_there:make", r"cannot be imported \(ModuleNotFoundError: No module named"),
    "broken": ("broken_module:make", r"\(ModuleNotFoundError: No module named 'a_library_that_is_not_there'\)"),
    "misspelt": ("{here}:make_logistc", r"has no 'make_logistc': did you mean make_logistic\?"),
    "misspelt inside": ("{here}:Models.tre", r"has no 'Models.tre': did you mean tree\?"),
    "not callable": ("{here}:NUMBER", r"NUMBER is a int, needed something to call"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_in_the_name_are_told_with_the_cure(here, mistake):
    name, message = MISTAKES[mistake]
    before = list(sys.path)
    with pytest.raises(ValueError, match=message):
        load_factory(name.format(here=here))
    assert sys.path == before


def test_a_factory_gets_the_task_if_it_asks_for_it():
    asked = []

    def with_task(task):
        asked.append(task)
        return DecisionTreeClassifier()

    def perhaps(task=None):
        asked.append(task)
        return DecisionTreeClassifier()

    for factory in (with_task, perhaps, lambda t: with_task(t)):
        call_factory(factory, TASK)
    assert asked == [TASK] * 3
    assert isinstance(call_factory(DecisionTreeClassifier, TASK), DecisionTreeClassifier)
    assert call_factory(lambda depth=2: DecisionTreeClassifier(max_depth=depth), TASK).max_depth == 2


def test_a_recipe_is_a_model_too():
    recipe = Recipe(lambda: nn.Linear(4, 3), rate=0.1, epochs=1)
    assert call_factory(lambda: recipe, TASK) is recipe
    rows, _ = labelled(30)
    with pytest.raises(ValueError, match=r"makes a Recipe, which has no fit: a network's recipe goes to fit_network"):
        fit_estimator(lambda: recipe, rows, seed=0)


def test_anything_else_is_refused():
    with pytest.raises(ValueError, match=r"returned a Linear, needed a scikit-learn estimator .* or a .*Recipe"):
        call_factory(lambda: nn.Linear(4, 3), TASK)
    with pytest.raises(ValueError, match=r"returned a NoneType, needed"):
        call_factory(lambda: None, TASK)
    with pytest.raises(ValueError, match=r"returned the class DecisionTreeClassifier itself, .*: call it, add \(\)"):
        call_factory(lambda: DecisionTreeClassifier, TASK)


def test_the_task_is_that_of_the_rows():
    rows, _ = labelled(30)
    assert Task.of(rows, 7) == TASK
    tokens = np.zeros((30, 11), np.int32)
    reading = Rows(rows.features, rows.labels, 3, rows.groups, tokens, vocabulary=50)
    assert Task.of(reading, 7) == Task(features=4, classes=3, vocabulary=50, positions=11, seed=7)


def test_each_training_is_told_a_seed_of_its_own():
    rows, _ = labelled(30)
    seeds = []

    def factory(task):
        seeds.append(task.seed)
        return DecisionTreeClassifier()

    fit_estimator(factory, rows, seed=3, models=10)
    assert len(set(seeds)) == 11
    assert seeds[0] == 3


def test_neither_factories_nor_estimators_bring_torch():
    code = (
        "import sys, numpy as np\n"
        "from culpa.influence.estimators import load_factory, call_factory, fit_estimator, Task\n"
        "from culpa.influence.rows import Rows\n"
        "rows = Rows(np.arange(40.0).reshape(20, 2), np.arange(20) % 2, 2, np.arange(20))\n"
        "factory = load_factory('sklearn.tree:DecisionTreeClassifier')\n"
        "fit_estimator(factory, rows, seed=0, models=10).scores()\n"
        "assert not {'torch', 'prefect'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
