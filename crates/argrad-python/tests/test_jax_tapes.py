"""The store of solved programs: finds what it was given, forgets within its bounds."""

import threading

import numpy as np
import pytest

from argrad._tapes import Tapes


def values(*numbers: float) -> list[np.ndarray]:
    return [np.array(numbers)]


def test_finds_by_owner_and_values():
    store = Tapes(10_000)
    store.put("a", values(1.0, 2.0), "first", 0)
    store.put("b", values(1.0, 2.0), "second", 0)
    assert store.get("a", values(1.0, 2.0)) == "first"
    assert store.get("b", values(1.0, 2.0)) == "second"
    assert store.get("a", values(1.0, np.nextafter(2.0, 3.0))) is None
    assert store.get("c", values(1.0, 2.0)) is None


def test_values_are_compared_not_only_their_checksums():
    store = Tapes(10_000)
    store.put("a", values(1.0, 2.0), "first", 0)
    # Same entries in another order: the same checksums.
    assert store.get("a", values(2.0, 1.0)) is None
    store.put("a", values(2.0, 1.0), "second", 0)
    assert store.get("a", values(2.0, 1.0)) == "second"


def test_neighbouring_iterates_are_kept_apart():
    store = Tapes(10_000)
    up, down = np.nextafter(1.0, 2.0), np.nextafter(2.0, 1.0)
    store.put("a", values(1.0, 2.0), "first", 0)
    store.put("a", values(up, down), "second", 0)
    assert store.get("a", values(1.0, 2.0)) == "first"
    assert store.get("a", values(up, down)) == "second"


def test_signed_zero_and_nan_are_numbers_like_others():
    store = Tapes(10_000)
    store.put("a", values(0.0, np.nan), "first", 0)
    assert store.get("a", values(0.0, np.nan)) == "first"
    assert store.get("a", values(-0.0, np.nan)) is None


def test_shapes_are_compared():
    store = Tapes(10_000)
    store.put("a", [np.zeros((2, 3))], "first", 0)
    assert store.get("a", [np.zeros((3, 2))]) is None
    assert store.get("a", [np.zeros(6)]) is None


def test_memory_is_bounded_and_the_oldest_goes_first():
    store = Tapes(3 * 108)
    for number in range(5):
        store.put("a", values(float(number)), number, 100)
        assert store.size <= store.limit
    assert len(store) == 3
    assert [store.get("a", values(float(n))) for n in range(5)] == [None, None, 2, 3, 4]


def test_what_was_used_goes_before_what_waits():
    store = Tapes(3 * 108)
    for number in range(3):
        store.put("a", values(float(number)), number, 100)
    assert store.get("a", values(2.0)) == 2
    store.put("a", values(3.0), 3, 100)
    assert store.get("a", values(2.0)) is None
    assert store.get("a", values(0.0)) == 0


def test_few_used_entries_stay():
    store = Tapes(1 << 20)
    for number in range(50):
        store.put("a", values(float(number)), number, 8)
        assert store.get("a", values(float(number))) == number
    assert len(store) == 4
    assert store.size == 4 * 16


def test_too_large_an_entry_is_not_kept():
    store = Tapes(100)
    store.put("a", values(1.0), "large", 1000)
    assert len(store) == 0
    assert store.size == 0


def test_a_smaller_limit_takes_effect_at_once():
    store = Tapes(1000)
    for number in range(5):
        store.put("a", values(float(number)), number, 92)
    store.limit = 250
    assert len(store) == 2
    assert store.size == 200
    store.clear()
    assert len(store) == 0
    assert store.size == 0
    with pytest.raises(ValueError, match="limit: expected a number of bytes >= 0, found -1"):
        store.limit = -1


def test_the_same_key_again_replaces():
    store = Tapes(1000)
    store.put("a", values(1.0), "old", 50)
    store.put("a", values(1.0), "new", 60, used=True)
    assert store.get("a", values(1.0)) == "new"
    assert store.size == 68
    assert len(store) == 1


def test_threads_share_it():
    store = Tapes(50 * 16)
    wrong = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(500):
            number = float(rng.integers(100))
            store.put("a", values(number), number, 8)
            found = store.get("a", values(number))
            if found not in (None, number):
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert store.size <= store.limit
    store.clear()
    assert store.size == 0
