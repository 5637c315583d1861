"""Names what libraries work out from the rest of an object and keep in it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

KEPT = {
    "dateutil.rrule.rrulebase": "_len _cache _cache_gen _cache_complete _cache_lock",
    "jinja2.environment.Environment": "cache",
    "networkx": "adj nodes edges degree succ pred in_edges in_degree out_edges out_degree "
    "__networkx_cache__",
    "numpy.vectorize": "_ufunc",
    "pandas": "_cache",
    # Made from types and annotations, which count, and with addresses inside; and where.
    "pydantic._internal._validate_call.ValidateCallWrapper": "schema_type module qualname "
    "ns_resolver __pydantic_complete__ __pydantic_validator__ __return_pydantic_validator__",
    "pydantic.type_adapter.TypeAdapter": "core_schema validator serializer pydantic_complete "
    "_parent_depth _module_name",
    "pyparsing": "streamlined _defaultName errmsg",
    "scipy": "_has_sorted_indices _has_canonical_format",
    "sklearn": "_stop_words_id",  # an address
}
"""Package, or class -> attributes of the objects of its classes, and of classes made of them."""
_COUNTERS = slice(7, 11)
"""Where a tree of scikit-learn's neighbours counts how often it was asked."""


@lru_cache(maxsize=1024)
def kept_names(kind: type) -> frozenset[str]:
    """Return the attributes of objects of `kind` that follow from the others.

    Examples
    --------
    >>> import networkx
    >>> "adj" in kept_names(networkx.Graph), kept_names(dict)
    (True, frozenset())
    """
    packages = {str(base.__module__).partition(".")[0] for base in kind.__mro__}
    packages |= {f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__}
    return frozenset(" ".join(KEPT[name] for name in packages & KEPT.keys()).split())


def without_kept(kind: type, state: Any) -> Any:
    """Return the state of an object of `kind` without what follows from the rest of it."""
    if type(state) is dict:
        kept = kept_names(kind)
        if not kept.isdisjoint(state):
            return {name: value for name, value in state.items() if name not in kept}
    elif type(state) is tuple and len(state) == 2:  # __dict__ and __slots__
        return tuple(without_kept(kind, part) for part in state)
    elif type(state) is tuple and len(state) == 13 and _is_tree_of_neighbours(kind):
        return (*state[: _COUNTERS.start], *state[_COUNTERS.stop :])
    return state


def _is_tree_of_neighbours(kind: type) -> bool:
    return str(kind.__module__) in ("sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree")
