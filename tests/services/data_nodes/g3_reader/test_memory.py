"""What is remembered stays within its bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.data_nodes.g3_reader.memory import Memory, NotRememberedError, Recollection


def test_what_was_used_longest_ago_goes_first() -> None:
    memory = Memory(30)
    for key in "abc":
        memory.keep(key, key.upper(), 10)
    assert memory.recall("a") == {"a": "A"}
    memory.keep("d", "D", 10)
    assert memory.recall("abcd") == {"a": "A", "c": "C", "d": "D"}


def test_what_is_larger_than_all_of_it_drives_nothing_out() -> None:
    memory = Memory(30)
    memory.keep("a", 1, 10)
    memory.keep("b", 2, 31)
    assert memory.recall("ab") == {"a": 1}


def test_a_recollection_gives_all_that_is_asked_or_nothing_and_soon_enough() -> None:
    memory = Memory(100)
    for key in "abcd":
        memory.keep(key, key.upper(), 10)
    recollection = Recollection(memory, 3)
    assert recollection.recall(["a", "b", "b"]) == {"a": "A", "b": "B"}
    for wanted in ("cd", "cx"):
        with pytest.raises(NotRememberedError):
            recollection.recall(wanted)
    with pytest.raises(NotRememberedError):
        Recollection(memory, 3).recall("abx")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40))))
def test_never_more_than_its_bytes_are_kept(kept: list[tuple[int, int]]) -> None:
    memory, sizes = Memory(100), dict[int, int]()
    for key, size in kept:
        if key not in memory.recall([key]):
            sizes[key] = size
        memory.keep(key, key, size)
        assert sum(sizes[each] for each in memory.recall(range(10))) <= 100
