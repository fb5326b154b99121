"""The table of methods: every way to score training rows of a network, by name, answering the same calls.

A new method is one small file that ends in its rows, one line here, one line in the docs; the laws of
`tests/influence/attribution` then run over it.
"""

from culpa.influence.attribution.along_training import ALONG_TRAINING
from culpa.influence.attribution.attribution import Attribution
from culpa.influence.attribution.by_checkpoints import BY_CHECKPOINTS
from culpa.influence.attribution.by_curvature import BY_CURVATURE
from culpa.influence.attribution.data_value_embedding import BY_WALKING_BACK
from culpa.influence.attribution.fast import FASTIF
from culpa.influence.attribution.gradient_rollback import GRADIENT_ROLLBACK
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.attribution.relative import RELATIVE
from culpa.influence.attribution.retraining import LEAVE_ONE_OUT
from culpa.influence.attribution.subset_models import SUBSET_MODELS
from culpa.influence.attribution.trackstar import TRACKSTAR
from culpa.influence.attribution.trak import TRAK
from culpa.influence.attribution.turn_over_dropout import TURN_OVER_DROPOUT
from culpa.influence.attribution.untrac import UNTRAC_INVERSE
from culpa.influence.network import Training

__all__ = ["METHODS", "attribute"]

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        *BY_CURVATURE,
        *ALONG_TRAINING,
        *RELATIVE,
        *BY_CHECKPOINTS,
        *BY_WALKING_BACK,
        GRADIENT_ROLLBACK,
        TURN_OVER_DROPOUT,
        SUBSET_MODELS,
        LEAVE_ONE_OUT,
        UNTRAC_INVERSE,
        TRAK,
        TRACKSTAR,
        FASTIF,
    )
}


def attribute(training: Training, method: str, choices: Choices) -> Attribution:
    """The scores of a training's rows by the named method.

    Errors: ValueError for an unknown name, and for `layers` of a method that chooses its own.
    """
    if method not in METHODS:
        raise ValueError(f"no method is called {method!r}: there are {', '.join(METHODS)}")
    if choices.layers is not None and not METHODS[method].restricts:
        raise ValueError(f"the method {method!r} chooses its own layers, got {list(choices.layers)}: leave layers out")
    return METHODS[method].attribute(training, choices)
