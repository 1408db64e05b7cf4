"""Prepare the next item while the current one is used."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield `items`, preparing each in a separate thread while the one before is used.

    This halves the time where preparing and using an item take equally long. An exception that
    `items` raises is raised here, after the items before it.
    """
    with ThreadPoolExecutor(1) as thread:
        end = object()
        future = thread.submit(next, items, end)
        while (item := future.result()) is not end:
            future = thread.submit(next, items, end)
            yield item  # type: ignore[misc]
