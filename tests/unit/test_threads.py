"""Work on several cores."""

import threading
import time

import pytest
import torch

from nmt.model.fast.products import goes_fast, readable_steps
from nmt.threads import map_on_cores


@pytest.fixture
def three_threads() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield None
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_results_come_in_order_and_every_item_has_one_thread() -> None:
    def work(item: int) -> tuple[int, int, str]:
        time.sleep(0.02 * (5 - item))
        return item, torch.get_num_threads(), threading.current_thread().name

    found = list(map_on_cores(work, range(5)))
    assert [(item, threads) for item, threads, _ in found] == [(item, 1) for item in range(5)]
    assert len({name for *_, name in found}) == 3
    assert torch.get_num_threads() == 3
    new: list[int] = []
    thread = threading.Thread(target=lambda: new.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert new == [3]


@pytest.mark.usefixtures("three_threads")
def test_threads_that_others_begin_meanwhile_have_all_cores() -> None:
    new: list[int] = []

    def work(_: int) -> int:
        thread = threading.Thread(target=lambda: new.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        torch.ones(1000, 1000).sum()  # which begins to count threads, if that has not been done
        return torch.get_num_threads()

    assert list(map_on_cores(work, range(6))) == [1] * 6
    assert new == [3] * 6


@pytest.mark.usefixtures("three_threads")
def test_one_item_has_all_threads() -> None:
    assert list(map_on_cores(lambda _: torch.get_num_threads(), [0])) == [3]


@pytest.mark.usefixtures("three_threads")
def test_a_thread_that_cannot_begin_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = threading.Thread.start
    begun: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        if begun:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        list(map_on_cores(lambda item: item, range(3)))


@pytest.mark.usefixtures("three_threads")
def test_an_exception_comes_out_and_nothing_more_is_begun() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.05)
        if item == 1:
            raise ValueError("item 1")
        return item

    with pytest.raises(ValueError, match="item 1"):
        list(map_on_cores(work, range(100)))
    assert len(begun) < 20
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_what_holds_around_the_work_holds_in_it() -> None:
    with readable_steps():
        assert list(map_on_cores(lambda _: goes_fast(torch.zeros(1)), range(4))) == [False] * 4
