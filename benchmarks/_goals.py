"""How a benchmark says whether a figure is what it should be."""

from __future__ import annotations


def goal(
    figure: float, *, least: float | None = None, most: float | None = None, unit: str = "x"
) -> str:
    """Return the goal of a figure and whether it is met.

    Parameters
    ----------
    figure : float
        What was measured.
    least, most : float, optional
        What it should be at least or at most; one of them is given.
    unit : str, optional
        Of all three.

    Examples
    --------
    >>> goal(17.2, least=15)
    '(goal: at least 15x, met)'
    >>> goal(0.35, most=0.3, unit=" of the frame")
    '(goal: at most 0.3 of the frame, NOT met)'
    """
    is_met = (least is None or figure >= least) and (most is None or figure <= most)
    bound = f"at least {least:.4g}" if least is not None else f"at most {most:.4g}"
    return f"(goal: {bound}{unit}, {'met' if is_met else 'NOT met'})"
