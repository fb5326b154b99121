"""TracIn as rows of the table: over all layers, the last one, the word embedding, and its strongest words.

Source: Pruthi et al. 2020; for words Yeh et al. 2022.
"""

from collections.abc import Callable, Sequence

from torch import nn

from culpa.influence.attribution.attribution import Attribution, OverRows
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.attribution.tracin import TracIn
from culpa.influence.network import Training

__all__ = ["BY_CHECKPOINTS", "TOP_WORDS", "embeddings", "last_layer"]

TOP_WORDS = 10  # Yeh et al. 2022, section 5

Pick = Callable[[nn.Module], Sequence[str]]


def last_layer(module: nn.Module) -> list[str]:
    """The last layer that has parameters, by the module's own order."""
    return [name for name, part in module.named_modules() if list(part.parameters(recurse=False))][-1:]


def embeddings(module: nn.Module) -> list[str]:
    """The word embeddings. Errors: ValueError where there is none."""
    found = [name for name, part in module.named_modules() if isinstance(part, nn.Embedding)]
    if not found:
        raise ValueError(f"{type(module).__name__} has no Embedding, so it knows no words: take tracin or ekfac")
    return found


def _method(name: str, title: str, source: str, pick: Pick | None, top_words: int | None = None) -> Method:
    def attribute(training: Training, choices: Choices) -> Attribution:
        layers = choices.layers if pick is None else pick(training.module)
        target = choices.losses(training)
        tracin = TracIn(
            training.module, training.recipe.objective, training.checkpoints, layers, top_words=top_words, target=target
        )
        return OverRows(tracin, training.batches())

    return Method(name, title, source, attribute, restricts=pick is None)


BY_CHECKPOINTS = (
    _method("tracin", "TracIn, all layers", "Pruthi et al. 2020", None),
    _method("tracin-last", "TracIn, last layer", "Pruthi et al. 2020", last_layer),
    _method("tracin-we", "TracIn, word embeddings", "Yeh et al. 2022", embeddings),
    _method("tracin-we-topk", "TracIn, each row's strongest words", "Yeh et al. 2022", embeddings, TOP_WORDS),
)
