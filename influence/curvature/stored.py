"""A fitted curvature as plain tensors and a few words about them, which is what a safetensors file holds; and back.

What comes back solves as before, bit for bit. Conjugate gradients and DataInf are not kept: they hold the rows.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from culpa.influence.curvature.bases import Basis
from culpa.influence.curvature.conjugate import Conjugate
from culpa.influence.curvature.curvature import Curvature
from culpa.influence.curvature.datainf import DataInf
from culpa.influence.curvature.dense import Dense
from culpa.influence.curvature.diagonal import Diagonal
from culpa.influence.curvature.exact import Exact
from culpa.influence.curvature.identity import Identity
from culpa.influence.curvature.kronecker import Kronecker
from culpa.influence.curvature.projected import Projected
from culpa.influence.curvature.projection import Axes, LayerProjection, Projection, Sketch
from culpa.influence.linear.exact import ExactCurvature

__all__ = ["restore", "store"]

Tensors = dict[str, Tensor]  # those of a layer under "layer/part"
Facts = dict[str, Any]  # what JSON can say


@dataclass(frozen=True)
class _Form:
    """How one kind of curvature is taken apart and put together."""

    kind: type
    apart: Callable[[Any], tuple[Tensors, Facts]]
    together: Callable[[Mapping[str, Tensor], Facts], Curvature]


def store(curvature: Curvature) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a fitted curvature, and what else there is to know, as words.

    Errors: ValueError for a curvature that holds the training rows.
    """
    for name, form in _FORMS.items():
        if isinstance(curvature, form.kind):
            tensors, facts = form.apart(curvature)
            kept = {key: value.detach().contiguous() for key, value in tensors.items()}
            return kept, {"form": name, "facts": json.dumps(facts)}
    what = (
        "the training rows and the module" if isinstance(curvature, Conjugate | DataInf) else "what is not known here"
    )
    raise ValueError(
        f"a curvature of the form {type(curvature).__name__} is not kept, it holds {what}: fit it anew, or keep one of "
        f"{', '.join(_FORMS)}"
    )


def restore(tensors: Mapping[str, Tensor], words: Mapping[str, str]) -> Curvature:
    """The curvature that `store` took apart, on the device of the tensors."""
    if words.get("form") not in _FORMS:
        raise ValueError(
            f"no stored curvature has the form {words.get('form')!r}, there are {', '.join(_FORMS)}: it may come from "
            "a later version; fit it anew"
        )
    return _FORMS[words["form"]].together(tensors, json.loads(words["facts"]))


def _diagonal_apart(curvature: Diagonal) -> tuple[Tensors, Facts]:
    return {f"{name}/curvature": values for name, values in curvature.curvatures.items()}, dict(curvature.damping)


def _diagonal(tensors: Mapping[str, Tensor], damping: Facts) -> Diagonal:
    return Diagonal({name: tensors[f"{name}/curvature"] for name in damping}, damping)


def _dense_apart(curvature: Dense) -> tuple[Tensors, Facts]:
    return {"factor": curvature.factor}, {"sizes": dict(curvature.sizes), "added": curvature.added}


def _dense(tensors: Mapping[str, Tensor], facts: Facts) -> Dense:
    return Dense(tensors["factor"], facts["sizes"], facts["added"])


def _exact_apart(curvature: Exact) -> tuple[Tensors, Facts]:
    inner = curvature.curvature
    tensors = {"inverse": torch.as_tensor(inner.inverse)}
    if curvature.axes is not None:
        tensors["axes"] = torch.as_tensor(curvature.axes)
    facts = {"name": curvature.name, "width": curvature.width, "added": curvature.added, "outputs": inner.outputs}
    return tensors, facts


def _exact(tensors: Mapping[str, Tensor], facts: Facts) -> Exact:
    inner = ExactCurvature(tensors["inverse"].cpu().numpy(), facts["outputs"])
    axes = tensors["axes"].cpu().numpy() if "axes" in tensors else None
    return Exact(facts["name"], inner, facts["width"], axes, facts["added"])


def _kronecker_apart(curvature: Kronecker) -> tuple[Tensors, Facts]:
    tensors: Tensors = {}
    for name, basis in curvature.bases.items():
        tensors |= {f"{name}/curvature": curvature.curvatures[name], f"{name}/products": basis.products}
        if basis.axes is not None:
            tensors |= {f"{name}/inputs": basis.axes[0], f"{name}/errors": basis.axes[1]}
    return tensors, dict(curvature.damping)


def _kronecker(tensors: Mapping[str, Tensor], damping: Facts) -> Kronecker:
    def basis(name: str) -> Basis:
        turns = f"{name}/inputs" in tensors
        axes = (tensors[f"{name}/inputs"], tensors[f"{name}/errors"]) if turns else None
        return Basis(axes, tensors[f"{name}/products"])

    curvatures = {name: tensors[f"{name}/curvature"] for name in damping}
    return Kronecker({name: basis(name) for name in damping}, curvatures, damping)


def _projected_apart(curvature: Projected) -> tuple[Tensors, Facts]:
    tensors = {"factor": curvature.factor}
    for name, layer in curvature.projection.layers.items():
        tensors |= {f"{name}/{part}": value for part, value in vars(layer).items() if isinstance(value, Tensor)}
    return tensors, {"widths": curvature.projection.widths, "added": curvature.added}


def _projected(tensors: Mapping[str, Tensor], facts: Facts) -> Projected:
    def projection(name: str, width: int) -> LayerProjection:
        if f"{name}/buckets" in tensors:
            return Sketch(tensors[f"{name}/buckets"], tensors[f"{name}/signs"], width)
        return Axes(tensors[f"{name}/inputs"], tensors[f"{name}/errors"])

    layers = {name: projection(name, width) for name, width in facts["widths"].items()}
    return Projected(Projection(layers), tensors["factor"], facts["added"])


_FORMS: dict[str, _Form] = {
    "identity": _Form(Identity, lambda _: ({}, {}), lambda *_: Identity()),
    "diagonal": _Form(Diagonal, _diagonal_apart, _diagonal),
    "dense": _Form(Dense, _dense_apart, _dense),
    "exact": _Form(Exact, _exact_apart, _exact),
    "kronecker": _Form(Kronecker, _kronecker_apart, _kronecker),
    "projected": _Form(Projected, _projected_apart, _projected),
}
