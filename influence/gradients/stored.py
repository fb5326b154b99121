"""The gradients of a batch of rows as plain tensors, in their factors, as a safetensors file holds them; and back."""

from collections.abc import Mapping

from torch import Tensor

from culpa.influence.gradients.lookups import Lookups
from culpa.influence.gradients.outer import Outer
from culpa.influence.gradients.rowwise import Rowwise
from culpa.influence.gradients.written import Written

__all__ = ["restore_gradients", "size_of", "store_gradients"]

FORMS: dict[str, type[Outer] | type[Lookups] | type[Written]] = {"outer": Outer, "lookups": Lookups, "written": Written}


def store_gradients(layers: Mapping[str, Rowwise]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors under "layer/part", and of each layer its form, with the vocabulary of an Embedding behind a colon.

    Errors: ValueError for gradients of a form that is not known here.
    """
    tensors: dict[str, Tensor] = {}
    words: dict[str, str] = {}
    for name, layer in layers.items():
        parts = {part: value for part, value in vars(layer).items() if isinstance(value, Tensor)}
        tensors |= {f"{name}/{part}": value.detach().contiguous() for part, value in parts.items()}
        words[name] = _form(layer) + (f":{layer.vocabulary}" if isinstance(layer, Lookups) else "")
    return tensors, words


def restore_gradients(tensors: Mapping[str, Tensor], words: Mapping[str, str]) -> dict[str, Rowwise]:
    """The gradients that `store_gradients` took apart, layer by layer in the same order."""
    found: dict[str, Rowwise] = {}
    for name, word in words.items():
        form, _, vocabulary = word.partition(":")
        parts = {
            key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.rpartition("/")[0] == name
        }
        found[name] = FORMS[form](**parts, **({"vocabulary": int(vocabulary)} if vocabulary else {}))  # type: ignore[arg-type]
    return found


def size_of(layers: Mapping[str, Rowwise]) -> int:
    """Bytes that these gradients take in their factors."""
    return sum(value.nbytes for layer in layers.values() for value in vars(layer).values() if isinstance(value, Tensor))


def _form(layer: Rowwise) -> str:
    for form, kind in FORMS.items():
        if isinstance(layer, kind):
            return form
    raise ValueError(
        f"gradients of the form {type(layer).__name__} are not kept, only {', '.join(FORMS)}: capture anew"
    )
