"""Work on many items in batches of similar ones, after which they stand in their own order again."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Protocol, TypeVar, runtime_checkable

Item = TypeVar("Item")
Result = TypeVar("Result")


@runtime_checkable
class Each(Protocol):
    """Calls a function with each of many arguments and gives the results in their order, as `map` does."""

    def __call__(self, function: Callable[[Item], Result], items: Sequence[Item], /) -> Iterable[Result]:
        """What the function gives for each item."""
        ...


def in_batches(
    work: Callable[[Sequence[Item]], Sequence[Result]],
    items: Sequence[Item],
    size: int,
    key: Callable[[Item], int],
    each: Each = map,
) -> list[Result]:
    """What `work` gives for each item, in their order.

    Args:
        work: gives a result for each item of a batch.
        items: the items.
        size: of a batch.
        key: what they are sorted by first, so that those of a batch have similar keys.
        each: works through the batches.
    """
    order = sorted(range(len(items)), key=lambda place: key(items[place]))
    batches = [[items[place] for place in order[start : start + size]] for start in range(0, len(order), size)]
    # No bytecode of ours runs between the batches, so an interrupt comes up within `each`, which then ends its work.
    found = dict(zip(order, chain.from_iterable(each(work, batches)), strict=True))
    return [found[place] for place in range(len(items))]
