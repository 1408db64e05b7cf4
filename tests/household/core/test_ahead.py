import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core.parallel import prefetch


@given(st.lists(st.integers() | st.none()))
def test_prefetch_yields_the_same_items(items: list[int | None]) -> None:
    assert list(prefetch(iter(items))) == items


def test_prefetch_prepares_the_next_item_meanwhile() -> None:
    made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        made.set()
        yield 2

    for _ in prefetch(items()):
        assert made.wait(10)


def test_an_error_is_raised_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    found = prefetch(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="no more"):
        next(found)
