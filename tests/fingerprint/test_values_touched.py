"""An object is the same after it was used, as long as it would give the same.

In a run where kept results save some of the uses, it comes to the next stage as it was.
"""

from __future__ import annotations

import decimal
import warnings

import networkx
import numpy as np
import pandas as pd
import pytest

from stagecache.fingerprint.values import fingerprint


def sparse():
    scipy = pytest.importorskip("scipy.sparse")
    return scipy.csr_matrix(np.array([[0, 1, 0], [2, 0, 3]]))


def neighbours():
    sklearn = pytest.importorskip("sklearn.neighbors")
    return sklearn.KNeighborsClassifier(1, algorithm="kd_tree").fit([[0.0], [1], [2]], [0, 0, 1])


def weighted():
    graph = networkx.path_graph(4)
    graph.edges[0, 1]["weight"] = 2
    return graph


FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "x"], "t": pd.date_range("2024", periods=3)})
USES = {
    "a frame": (
        FRAME.copy,
        [
            lambda it: (it.plot, it.style, it.attrs),
            lambda it: (it.b.str.upper(), it.t.dt.year, it.loc[1], it.index.get_loc(1)),
            lambda it: (it.groupby("b").a.sum(), it.to_string(), it.columns.is_unique),
        ],
    ),
    "a group": (lambda: FRAME.groupby("b"), [lambda it: (it.a.sum(), it.groups, it.ngroups)]),
    "a window": (lambda: FRAME.a.rolling(2), [lambda it: it.sum()]),
    "labels": (
        lambda: pd.MultiIndex.from_product([[1, 2], ["a", "b"]]),
        [lambda it: (it.get_loc((1, "a")), it.values, it.dtypes)],
    ),
    "an offset": (
        lambda: pd.offsets.CustomBusinessDay(holidays=["2024-01-01"]),
        [lambda it: (pd.Timestamp("2024") + it, hash(it), it.calendar)],
    ),
    "a masked array": (
        lambda: np.ma.array([1.0, 2], mask=[0, 1]),
        [lambda it: (it.sum(), it.filled(), it.fill_value)],
    ),
    "a graph": (
        weighted,
        [
            lambda it: (it.nodes, it.edges, it.degree, it.adj),
            lambda it: (networkx.pagerank(it), networkx.shortest_path(it, 0, 3)),
        ],
    ),
    "a directed graph": (
        lambda: networkx.DiGraph([(1, 2)]),
        [lambda it: (it.succ, it.pred, it.in_edges, it.out_degree, list(it.edges(data=True)))],
    ),
    "a sparse matrix": (
        sparse,
        [lambda it: (it.has_sorted_indices, it.has_canonical_format, it @ np.ones(3))],
    ),
    "a model of neighbours": (neighbours, [lambda it: it.predict([[1.0], [2.0]])]),
    "a decimal context": (
        lambda: decimal.Context(prec=5),
        [lambda it: it.divide(decimal.Decimal(1), decimal.Decimal(3))],
    ),
}


@pytest.mark.parametrize("name", USES)
def test_using_an_object_does_not_change_its_fingerprint(name):
    make, uses = USES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of accessors that are going to be removed
        touched = make()
        before = fingerprint(touched).digest
        for use in uses:
            use(touched)
            assert fingerprint(touched).digest == before
        assert fingerprint(make()).digest == before


def test_looking_at_an_exception_does_not_change_its_fingerprint():
    error = ValueError("text")
    before = fingerprint(error).digest
    assert error.__dict__ == {}
    assert fingerprint(error).digest == before
    error.add_note("more")
    assert fingerprint(error).digest != before


def test_what_a_graph_or_context_is_made_of_counts():
    heavier = weighted()
    heavier.edges[0, 1]["weight"] = 3
    graphs = [weighted(), heavier, networkx.path_graph(4), networkx.DiGraph(weighted())]
    contexts = [
        decimal.Context(prec=5),
        decimal.Context(prec=6),
        decimal.Context(prec=5, rounding=decimal.ROUND_UP),
        decimal.Context(prec=5, traps=[decimal.Inexact]),
    ]
    assert len({fingerprint(value).digest for value in graphs + contexts}) == 8


def test_a_fitted_vectorizer_holds_no_address(project):
    pytest.importorskip("sklearn")
    text = (
        "from sklearn.feature_extraction.text import TfidfVectorizer\n"
        "from stagecache.fingerprint.values import fingerprint\n"
        "print(fingerprint(TfidfVectorizer().fit(['a bb cc', 'bb dd'])).digest.hex())\n"
    )
    assert project.python("-c", text).stdout == project.python("-c", text).stdout
