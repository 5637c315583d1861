"""What libraries keep in their objects goes by the names that are known here.

One that a library renames would count again, and nobody would hear of it but by reruns.
"""

from __future__ import annotations

import networkx
import numpy as np
import pandas as pd
import pytest

from stagecache.fingerprint.derived.libraries import KEPT, without_kept


def used_graph():
    graph = networkx.DiGraph([(1, 2)])
    for name in KEPT["networkx"].split():
        getattr(graph, name)
    networkx.pagerank(graph)
    return graph


def used_function():
    function = np.vectorize(lambda value: value + 1, otypes=[float])
    assert function([1]) == 2
    return function


def used_groups():
    groups = pd.DataFrame({"a": [1]}).groupby("a")
    assert groups.groups
    return groups._grouper


def used_matrix():
    matrix = pytest.importorskip("scipy.sparse").csr_matrix(np.eye(2))
    assert matrix.has_sorted_indices
    assert matrix.has_canonical_format
    return matrix


def used_vectorizer():
    text = pytest.importorskip("sklearn.feature_extraction.text")
    return text.TfidfVectorizer().fit(["a bb cc", "bb dd"])


def used_templates():
    return pytest.importorskip("jinja2").Environment()


def used_rule():
    rrule = pytest.importorskip("dateutil.rrule")
    rule = rrule.rrule(rrule.DAILY, count=2, cache=True)
    assert list(rule)
    return rule


def used_adapter():
    adapter = pytest.importorskip("pydantic").TypeAdapter(list[int])
    assert adapter.validate_python(["1"]) == [1]
    return adapter


def used_grammar():
    pyparsing = pytest.importorskip("pyparsing")
    number = pyparsing.Word(pyparsing.nums)
    assert pyparsing.DelimitedList(number).parse_string("1,2").as_list() == ["1", "2"]
    return number


USED = {
    "dateutil.rrule.rrulebase": used_rule,
    "jinja2.environment.Environment": used_templates,
    "networkx": used_graph,
    "numpy.vectorize": used_function,
    "pandas": used_groups,
    "pydantic.type_adapter.TypeAdapter": used_adapter,
    "pyparsing": used_grammar,
    "scipy": used_matrix,
    "sklearn": used_vectorizer,
}


@pytest.mark.parametrize(
    ("library", "name"), [(library, name) for library in USED for name in KEPT[library].split()]
)
def test_a_library_still_keeps_what_is_known_by_this_name(library, name):
    used = USED[library]()
    state = vars(used)
    assert name in state
    assert name not in without_kept(type(used), dict(state))


def test_a_wrapper_of_pydantic_still_keeps_in_slots_what_is_known_by_these_names():
    pydantic = pytest.importorskip("pydantic")
    (wrapper,) = (
        cell.cell_contents.__self__
        for cell in pydantic.validate_call(lambda x: x).__closure__ or ()
        if hasattr(cell.cell_contents, "__self__")
    )
    kept = KEPT[".".join((type(wrapper).__module__, type(wrapper).__qualname__))].split()
    nothing, counted = without_kept(type(wrapper), wrapper.__reduce_ex__(4)[2])
    assert nothing is None
    assert set(counted) == set(type(wrapper).__slots__) - set(kept)
    assert set(kept) < set(type(wrapper).__slots__)


def test_a_tree_of_neighbours_still_counts_its_uses_where_it_is_known():
    neighbors = pytest.importorskip("sklearn.neighbors")
    tree = neighbors.KDTree(np.arange(100.0).reshape(50, 2), leaf_size=2)
    before = tree.__getstate__()
    tree.query([[0.0, 1.0]])
    after = tree.__getstate__()
    changed = [at for at, one in enumerate(after) if type(one) is int and one != before[at]]
    assert changed
    kept = without_kept(type(tree), after)
    assert len(kept) == len(after) - 4
    assert [one for one in kept if type(one) is int] == [
        one for at, one in enumerate(before) if type(one) is int and at not in range(7, 11)
    ]
