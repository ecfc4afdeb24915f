"""Several pieces of work at once on a CPU, each on one core: small operations gain little from more than one."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Barrier
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_on_cores(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The function of every item, in order; as many at once as torch has threads, each on one of them.

    An exception comes out at its item's turn; items that have not begun by then never do. A thread of somebody else's
    that first asks torch for something while these begin has one core, too.
    """
    threads = torch.get_num_threads()
    if min(threads, len(items)) < 2:
        yield from map(function, items)
        return
    ready = Barrier(threads + 1)
    pool = ThreadPoolExecutor(threads, "nmt", initializer=_use_one_core)
    try:
        for _ in range(threads):
            pool.submit(ready.wait)
        ready.wait()
        torch.set_num_threads(threads)  # for threads to come, which take the number that was set last
        futures = [pool.submit(copy_context().run, function, item) for item in items]
        for future in futures:
            yield future.result()
    finally:
        ready.abort()  # if a thread could not begin, the others wait in vain
        pool.shutdown(cancel_futures=True)


def _use_one_core() -> None:
    torch.get_num_threads()  # a thread takes over the number that was set last when it first asks
    torch.set_num_threads(1)
