"""What was stored solves as before, bit for bit; what holds the training rows is not stored."""

import json

import pytest
import torch

from culpa.influence.curvature import fit_conjugate, fit_datainf, fit_exact, fit_projected
from culpa.influence.curvature.stored import restore, store
from culpa.influence.gradients import Classification, capture
from tests.influence.curvature.small_curvatures import CURVATURES, LastLayer
from tests.influence.gradients.small_models import MODELS, losses_of, small_model

HOLD_ROWS = {"conjugate": fit_conjugate, "datainf": fit_datainf}


def there_and_back(curvature):
    """Through new memory and through text, as through a file."""
    tensors, words = store(curvature)
    assert all(tensor.is_contiguous() for tensor in tensors.values())
    assert all(isinstance(text, str) for text in (*words, *words.values()))
    return restore({name: tensor.clone() for name, tensor in tensors.items()}, json.loads(json.dumps(words)))


def same(curvature, gradients):
    again = there_and_back(curvature)
    assert type(again) is type(curvature)
    assert dict(again.damping) == dict(curvature.damping)
    written = {name: layer.written_out() for name, layer in gradients.items()}
    solved = curvature.solve(written)
    for layer, values in again.solve(written).items():
        assert torch.equal(values, solved[layer])
    assert torch.equal(again.squares(gradients), curvature.squares(gradients))
    assert torch.equal(again.lengths(gradients), curvature.lengths(gradients))


@pytest.mark.parametrize("model_name", MODELS)
@pytest.mark.parametrize("name", sorted(CURVATURES.keys() - HOLD_ROWS.keys()))
def test_what_was_stored_solves_as_before_bit_for_bit(name, model_name):
    model, batch = small_model(model_name)
    fitted = CURVATURES[name](model, Classification(), [batch], seed=0)
    gradients = capture(model, losses_of, batch).layers
    if isinstance(fitted, LastLayer):
        fitted, gradients = fitted.inner, fitted.last(gradients)
    same(fitted, gradients)


def test_in_single_precision_too():
    model, (features, labels) = small_model("network")
    model, batch = model.float(), (features.float(), labels)
    for name in sorted(CURVATURES.keys() - HOLD_ROWS.keys() - {"exact"}):
        same(CURVATURES[name](model, Classification(), [batch], seed=0), capture(model, losses_of, batch).layers)


def test_more_inputs_than_rows_and_principal_axes_too():
    model = torch.nn.Linear(30, 3)
    batch = torch.randn(20, 30), torch.randint(3, (20,))
    gradients = capture(model, losses_of, batch).layers
    same(fit_exact(model, Classification(), [batch], seed=0), gradients)
    same(fit_projected(model, Classification(), [batch], seed=0, axes="principal", widths=(4, 2)), gradients)


@pytest.mark.parametrize("name", HOLD_ROWS)
def test_what_holds_the_rows_is_not_stored_and_says_so(name):
    model, batch = small_model("network")
    fitted = HOLD_ROWS[name](model, Classification(), [batch], seed=0)
    with pytest.raises(
        ValueError, match=r"is not kept, it holds the training rows and the module: fit it anew, or keep"
    ):
        store(fitted)


def test_an_unknown_form_is_refused():
    with pytest.raises(
        ValueError, match=r"no stored curvature has the form 'later', there are identity, .*fit it anew"
    ):
        restore({}, {"form": "later"})
