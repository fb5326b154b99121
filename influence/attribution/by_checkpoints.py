"""TracIn as rows of the table: over all layers, the last one, the word embedding, its strongest words, its synonyms.

Rows without a common word meet through start and end, where the tokens have them (`words.tokens` puts them into every
row): no method of its own, the first and the last word are words like others.
Source: Pruthi et al. 2020; for words Yeh et al. 2022.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import nn

from culpa.influence.attribution.attribution import Attribution, OverRows
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.attribution.synonyms import MOST, nearest_words
from culpa.influence.attribution.tracin import TracIn
from culpa.influence.network import Training

__all__ = ["BY_CHECKPOINTS", "TOP_WORDS", "last_layer", "word_embedding"]

TOP_WORDS = 10  # Yeh et al. 2022, section 5

Pick = Callable[[nn.Module], Sequence[str]]
Change = Callable[[TracIn], TracIn]


def last_layer(module: nn.Module) -> list[str]:
    """The last layer that has parameters, by the module's own order."""
    return [name for name, part in module.named_modules() if list(part.parameters(recurse=False))][-1:]


def word_embedding(module: nn.Module) -> str:
    """The Embedding of most tokens: others hold a word's place or kind. Errors: ValueError where there is none."""
    found = {name: part.num_embeddings for name, part in module.named_modules() if isinstance(part, nn.Embedding)}
    if not found:
        raise ValueError(f"{type(module).__name__} has no Embedding, so it knows no words: take tracin or ekfac")
    return max(found, key=found.__getitem__)


def _words(module: nn.Module) -> list[str]:
    return [word_embedding(module)]


def _strongest(tracin: TracIn) -> TracIn:
    return replace(tracin, top_words=TOP_WORDS)


def _with_synonyms(tracin: TracIn) -> TracIn:
    """Neighbours in the table as it is at the end of the training, for all moments of it."""
    embedding = tracin.module.get_submodule(word_embedding(tracin.module))
    assert isinstance(embedding, nn.Embedding)
    return replace(tracin, synonyms=nearest_words(embedding.weight, most=min(MOST, embedding.num_embeddings)))


def _method(name: str, title: str, source: str, pick: Pick | None, change: Change | None = None) -> Method:
    def attribute(training: Training, choices: Choices) -> Attribution:
        layers = choices.layers if pick is None else pick(training.module)
        target = choices.losses(training)
        tracin = TracIn(training.module, training.recipe.objective, training.checkpoints, layers, target=target)
        return OverRows(tracin if change is None else change(tracin), training.batches())

    return Method(name, title, source, attribute, restricts=pick is None)


BY_CHECKPOINTS = (
    _method("tracin", "TracIn, all layers", "Pruthi et al. 2020", None),
    _method("tracin-last", "TracIn, last layer", "Pruthi et al. 2020", last_layer),
    _method("tracin-we", "TracIn, word embedding", "Yeh et al. 2022", _words),
    _method("tracin-we-topk", "TracIn, each row's strongest words", "Yeh et al. 2022", _words, _strongest),
    _method("tracin-we-synonyms", "TracIn, words and their synonyms", "Yeh et al. 2022", _words, _with_synonyms),
)
