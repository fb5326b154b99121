"""A row's scores as if the model had been trained without it, by one Newton step and no refit.

With G = [x' (H^-1)_kl x]_kl, curvature S and residual r of a row, taking `copies` rows of these features out of the
sum changes its scores z by G t where (I - copies S G) t = R, R the sum of their residuals. S G in the bracket takes
the row's own curvature out of H, which the first-order influence forgets. Putting rows in is the same with negative
copies and -R. Exact for squared loss; for softmax a Newton step from the optimum, compared with real retraining in
the tests.

S = diag(a) - b b' for both heads (`Head.curvature_factors`). The system is solved in its symmetric form: with q =
a^-1/2 b and P = I - q q', S = (a^1/2 P) (a^1/2 P)', so t = a^1/2 P (I - copies P a^1/2 G a^1/2 P)^-1 P a^-1/2 R.
Source: the one-step leave-one-out of Cook & Weisberg 1982, here for several outputs and several equal rows.
"""

import numpy as np

from culpa.influence.linear.heads import Array

__all__ = ["row_steps"]

LEAST_WEIGHT = 1e-30  # of a class: so far below any rounding that it only keeps the division finite
LEAST_PIVOT = 1e-6  # of 1 minus leverage: below it the row alone holds up a direction of the model


def row_steps(forms: Array, factors: tuple[Array, Array], residuals: Array, copies: Array) -> tuple[Array, Array]:
    """t and G t when `copies` rows like each row leave (negative: join) the training. (rows, outputs) each.

    The weights move by H^-1 (t x'), the row's own scores by G t. `forms` is G, packed (rows, pairs) or its diagonal
    (rows, outputs); `factors` are a and b, (rows, outputs); `residuals` (rows, outputs) are summed over the rows that
    leave, with the sign turned for rows that join; `copies` is (rows,).
    """
    if forms.shape[1] == residuals.shape[1] > 1:
        steps = _diagonal_solve(forms, factors, residuals, copies)
        return steps, forms * steps
    g = _rows_last(forms, residuals.shape[1])
    last = _whole_solve(g, factors, residuals, copies)
    return last.T, np.einsum("klm,lm->mk", g, last)


def _diagonal_solve(forms: Array, factors: tuple[Array, Array], residuals: Array, copies: Array) -> Array:
    """t for a diagonal G, by Sherman and Morrison's formula: no matrix per row."""
    a, b = factors
    inverse = 1 / (1 - copies[:, None] * a * forms).clip(LEAST_PIVOT)
    solved, along = inverse * residuals, inverse * b
    below = 1 + copies * np.einsum("mk,mk,mk->m", b, forms, along)
    turned = copies * np.einsum("mk,mk,mk->m", b, forms, solved) / below.clip(LEAST_PIVOT)
    return np.asarray(solved - turned[:, None] * along)


def _whole_solve(g: Array, factors: tuple[Array, Array], residuals: Array, copies: Array) -> Array:
    """t of the module's formula for every row at once, rows last: (outputs, rows)."""
    root = np.sqrt(factors[0].T.clip(LEAST_WEIGHT))
    q = factors[1].T / root
    scaled = root[:, None] * g * root[None]
    along = np.einsum("klm,lm->km", scaled, q)
    system = scaled - q[:, None] * along[None] - along[:, None] * q[None]
    system += np.einsum("km,km->m", q, along) * q[:, None] * q[None]
    system *= -copies
    system[np.arange(len(q)), np.arange(len(q))] += 1
    right = residuals.T / root
    solved = _eliminate(system, right - q * np.einsum("km,km->m", q, right))
    return root * (solved - q * np.einsum("km,km->m", q, solved))


def _rows_last(packed: Array, outputs: int) -> Array:
    """Symmetric matrices from packed entries, laid out (outputs, outputs, rows)."""
    left, right = np.triu_indices(outputs)
    whole = np.empty((outputs, outputs, len(packed)), packed.dtype)
    whole[left, right] = packed.T
    whole[right, left] = packed.T
    return whole


def _eliminate(system: Array, right: Array) -> Array:
    """Solve system t = right for every row at once (rows last) by elimination, one step per output.

    The systems are symmetric with eigenvalues in (0, 1] (above 1 for rows that join), so no pivoting is needed.
    Overwrites both.
    """
    for j in range(len(right)):
        pivot = np.maximum(system[j, j], LEAST_PIVOT)
        factor = system[j + 1 :, j] / pivot
        system[j + 1 :, j + 1 :] -= factor[:, None] * system[None, j, j + 1 :]
        right[j + 1 :] -= factor * right[j]
        system[j, j] = pivot
    for j in reversed(range(len(right))):
        right[j] -= np.einsum("km,km->m", system[j, j + 1 :], right[j + 1 :])
        right[j] /= system[j, j]
    return right
