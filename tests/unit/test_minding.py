"""What the screen's minder decides of keycodes and of keys that are down."""

from __future__ import annotations

from visomaster_host.minding import FREE_AT_ONCE, KEEP_FREE, LEFT_AFTER, Spare, Symbols, left_behind, runs

LAYOUT = {code: ((97,) if code < 125 else (0,)) for code in range(8, 256)}
"""The first 117 keycodes are the layout's, 131 are free."""


class Server:
    """Xtigervnc's key map: each new letter takes the last keycode that is free, and keeps it."""

    def __init__(self) -> None:
        self.codes: dict[int, Symbols] = dict(LAYOUT)
        self.spare = Spare(self.codes)

    def types(self, letter: int) -> int | None:
        """The keycode with which `letter` arrives; None where it does not."""
        if (letter,) in self.codes.values():
            return next(code for code, symbols in self.codes.items() if symbols == (letter,))
        free = [code for code, symbols in self.codes.items() if symbols == (0,)]
        if free:
            self.codes[max(free)] = (letter,)
        return max(free, default=None)

    def is_minded(self, down: frozenset[int] = frozenset()) -> list[int]:
        """Free what the minder says; returns it."""
        freed = [code for run in self.spare.to_free(self.codes, down) for code in run]
        self.codes.update(dict.fromkeys(freed, (0,)))
        return freed


def test_without_it_letters_are_lost() -> None:
    server = Server()
    assert [server.types(letter) for letter in range(1000, 1140)].count(None) == 140 - 131


def test_letters_of_any_number_arrive_and_the_latest_stay() -> None:
    """Nobody is asked anew what a letter means that has just been typed: programs look it up a moment later."""
    server = Server()
    for letter in range(1000, 3000):
        assert server.types(letter)
        server.is_minded()
        latest = {(each,) for each in range(max(1000, letter - 69), letter + 1)}
        assert latest <= set(server.codes.values())
    assert {code: symbols for code, symbols in server.codes.items() if code < 125} == {
        code: symbols for code, symbols in LAYOUT.items() if code < 125
    }


def test_nothing_is_freed_while_enough_are() -> None:
    server = Server()
    for letter in range(1000, 1000 + 131 - KEEP_FREE):
        server.types(letter)
        assert server.is_minded() == []
    server.types(2000)
    assert len(server.is_minded()) == FREE_AT_ONCE + 1


def test_a_key_that_is_down_keeps_its_letter() -> None:
    server = Server()
    held = server.types(1000)
    assert held
    for letter in range(1001, 1400):
        server.types(letter)
        assert held not in server.is_minded(frozenset({held}))
    assert server.codes[held] == (1000,)


def test_a_letter_that_came_anew_to_a_keycode_is_a_new_one() -> None:
    server = Server()
    for letter in range(1000, 1090):
        server.types(letter)
        server.is_minded()
    oldest = max(code for code in server.codes)
    server.codes[oldest] = (5000,)
    server.is_minded()
    for letter in range(6000, 6002):
        server.types(letter)
    assert oldest not in server.is_minded()


def test_all_of_them_taken_at_once_are_given_back() -> None:
    """As a program does that has keycodes of its own for letters."""
    server = Server()
    server.codes.update({code: (code,) for code in range(125, 256)})
    assert len(server.is_minded()) == KEEP_FREE + FREE_AT_ONCE


def test_a_layout_with_few_to_spare_has_them_turned_over() -> None:
    server = Server()
    server.codes.update(dict.fromkeys(range(125, 237), (98,)))
    server.spare = Spare(server.codes)
    for letter in range(1000, 1100):
        assert server.types(letter)
        server.is_minded()


def test_keycodes_beside_each_other_are_freed_together() -> None:
    assert runs([9, 7, 8, 20]) == (range(7, 10), range(20, 21))
    assert runs([]) == ()


A, CONTROL = 38, 37


def test_keys_that_nobody_holds_are_found() -> None:
    left = left_behind(frozenset({A, CONTROL}), {CONTROL}, keys_idle=LEFT_AFTER, idle=LEFT_AFTER)
    assert left == {A, CONTROL}


def test_a_modifier_may_be_held_while_the_mouse_is_used() -> None:
    """Another key cannot: it would come again and again. The server's own repeating of it counts as input."""
    assert left_behind(frozenset({A, CONTROL}), {CONTROL}, keys_idle=60, idle=0.1) == {A}


def test_a_key_that_comes_again_and_again_is_held() -> None:
    assert left_behind(frozenset({A, CONTROL}), {CONTROL}, keys_idle=0.1, idle=60) == frozenset()
