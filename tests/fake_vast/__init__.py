"""Vast.ai's API on loopback, from its documented forms: an account that can be rented from, billed by the second, and
told to misbehave. `account.py` is the API, `books.py` what it remembers, `faults.py` what can go wrong, `machines.py`,
`sshd.py` and `containers.py` what an instance is on this machine.
"""

from tests.fake_vast.account import KEY, Canned, FakeVast
from tests.fake_vast.books import Books, Contract, Seen
from tests.fake_vast.clock import FakeClock
from tests.fake_vast.containers import ContainerMachine
from tests.fake_vast.faults import Fault
from tests.fake_vast.machines import Machine, NoMachine
from tests.fake_vast.shapes import instance, offer
from tests.fake_vast.sshd import SshdMachine

__all__ = [
    "KEY",
    "Books",
    "Canned",
    "ContainerMachine",
    "Contract",
    "FakeClock",
    "FakeVast",
    "Fault",
    "Machine",
    "NoMachine",
    "Seen",
    "SshdMachine",
    "instance",
    "offer",
]
