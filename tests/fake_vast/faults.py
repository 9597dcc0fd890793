"""What can be ordered to go wrong at Vast.ai; each has happened to somebody."""

from __future__ import annotations

from collections import Counter
from enum import Enum


class Fault(Enum):
    """Ordered with `account.order(Fault.X, times=…)`; one of a creation or a life is used up by the next box."""

    # At the creation
    GONE_404 = "404 no_such_ask: somebody was faster"
    GONE_410 = "410 no_such_ask: it could not start at once"
    STALE_PRICE = "400 invalid_price: the offer costs more now"
    SOLD_TWICE = "accepted although somebody has it: it never starts"
    RESET_AFTER_CREATE = "the instance exists, the connection breaks before the answer"
    RESET_BEFORE_CREATE = "the connection breaks, nothing exists"
    LATE_AFTER_CREATE = "as RESET_AFTER_CREATE, and the list has it 10 s later only"
    GATEWAY_AFTER_CREATE = "the instance exists, a gateway answers 502"
    ERROR_WITH_CONTRACT = "400, and a stopped instance that costs storage"
    PRICE_UP = "created, and dearer than the offer said"
    # In the life of a box
    NEVER_RUNS = "loading for ever"
    OCI_FAILED = "created for ever, with Docker's error in status_msg"
    EXITS = "it runs for a moment, then exited"
    OUTBID = "it runs for a moment, then stopped"
    NO_SSH = "it runs, and nobody answers at its port"
    HOST_TEST_FAILS = "it runs, and its GPU computes nothing: the machine is told"
    # At any request
    TOO_MANY = "429 as plain text, without Retry-After"
    TOO_MANY_WAIT = "429 with Retry-After: 7"
    QUOTA = "429 search_quota_exceeded at a search"
    SERVER_ERROR = "502 with a page of HTML, nothing done"
    RESET = "the connection breaks, nothing done"
    # At particular ones
    DESTROY_5XX = "503 at a destroy, nothing done"
    DESTROY_REFUSED = "403 at a destroy, nothing done"
    DESTROY_SLOW = "destroyed 20 s later"
    CUT_PAGE = "a list whose JSON ends in the middle"
    CUT_OFFERS = "truncated: true at a search"
    CLOCK_OFF = "Vast's clock is an hour ahead of this machine's"


class Faults:
    """What is still to go wrong."""

    def __init__(self) -> None:
        self._left: Counter[Fault] = Counter()
        self._always: set[Fault] = set()

    def order(self, fault: Fault, times: int | None = 1) -> None:
        """Let `fault` happen the next `times` times, or (None) always."""
        if times is None:
            self._always.add(fault)
        else:
            self._left[fault] += times

    def take(self, *faults: Fault) -> Fault | None:
        """The first of `faults` that is ordered, once less from now on."""
        for fault in faults:
            if fault in self._always:
                return fault
            if self._left[fault] > 0:
                self._left[fault] -= 1
                return fault
        return None

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self._left.clear()
        self._always.clear()
