"""Quantile regression with bootstrap intervals, in plain numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

STEPS = 25
SMOOTHING = 0.5  # minutes; delays are whole minutes, so ties are many


def quantile_fit(x: Floats, y: Floats, counts: Floats, quantile: float) -> Floats:
    """Return the coefficients of a linear model of a quantile of `y`.

    Source: Hunter and Lange, "Quantile regression via an MM algorithm", Journal of
    Computational and Graphical Statistics 9 (2000). Row i counts `counts[i]` times.
    """
    coefficients = np.linalg.lstsq(x, y, rcond=None)[0]
    tilt = (2 * quantile - 1) * (counts @ x)
    for _ in range(STEPS):
        weights = counts / (SMOOTHING + np.abs(y - x @ coefficients))
        weighted = x.T * weights
        coefficients = np.linalg.solve(weighted @ x, weighted @ y + tilt)
    return coefficients


def bootstrap(
    x: Floats, y: Floats, *, quantile: float, draws: int, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Return the coefficients and the ends of their 90 % intervals."""
    random = np.random.default_rng(seed)
    rows = len(y)
    fitted = quantile_fit(x, y, np.ones(rows), quantile)
    resampled = [
        quantile_fit(
            x, y, np.bincount(random.integers(rows, size=rows), minlength=rows) * 1.0, quantile
        )
        for _ in range(draws)
    ]
    low, high = np.quantile(resampled, [0.05, 0.95], axis=0)
    return fitted, low, high
