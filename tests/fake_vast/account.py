"""The account itself: what it answers to one request, and how its boxes come up, run and end."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fake_vast.books import Books, Contract, Seen
from tests.fake_vast.faults import Fault, Faults
from tests.fake_vast.http import Canned, Request, serve
from tests.fake_vast.machines import Machine, NoMachine
from tests.fake_vast.shapes import HOURS_A_MONTH, instance, priced

KEY = "0123456789abcdef-key"
PAGE = 25

CREATION = (
    *(Fault.RESET_AFTER_CREATE, Fault.LATE_AFTER_CREATE, Fault.GATEWAY_AFTER_CREATE, Fault.ERROR_WITH_CONTRACT),
    *(Fault.SOLD_TWICE, Fault.PRICE_UP, Fault.NEVER_RUNS, Fault.OCI_FAILED, Fault.EXITS, Fault.OUTBID),
    *(Fault.NO_SSH, Fault.HOST_TEST_FAILS),
)
"""Faults that belong to one box, of which the next one gets the first that is ordered."""


@dataclass
class FakeVast:
    """An account: its instances, the answers that come before the right one, and the requests it has had.

    `offers` can be rented; a box is up `delay` seconds (by `clock`) after its creation, on what `machine` makes, and
    lets in `account_keys`. Money and calls are in `books`; `order` makes things go wrong.
    """

    instances: list[dict[str, Any]] = field(default_factory=list)
    canned: list[Canned] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    url: str = ""
    offers: list[dict[str, Any]] = field(default_factory=list)
    clock: Callable[[], float] = time.time
    delay: float = 5.0
    machine: Callable[[], Machine] = NoMachine
    price_increases: list[dict[str, Any]] = field(default_factory=list)
    account_keys: list[str] = field(default_factory=list)
    books: Books = field(default_factory=Books)
    faults: Faults = field(default_factory=Faults)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def order(self, fault: Fault, times: int | None = 1) -> None:
        """Let `fault` happen the next `times` times, or (None) always."""
        self.faults.order(fault, times)

    def nobody_unknown(self, known: Collection[int] = ()) -> None:
        """Fail when a box is alive, on the account's own books, that is not among `known`."""
        with self.lock:
            self._live()
            self.books.nobody_unknown(known)

    def now(self) -> float:
        """The account's own clock."""
        return self.clock() + (3600.0 if self.faults.take(Fault.CLOCK_OFF) else 0.0)

    @contextmanager
    def serving(self, address: str = "127.0.0.1") -> Iterator[FakeVast]:
        """Serve on a free port of loopback or `address`, which `url` has; at the end no machine is left."""
        with serve(self.answer, self.now, address) as self.url:
            try:
                yield self
            finally:
                for contract in self.books.contracts.values():
                    contract.machine.destroy()

    def answer(self, request: Request) -> Canned:
        """What the API says to one request."""
        with self.lock:
            self.requests.append(request.path)
            self.books.seen.append(Seen(at=self.clock(), method=request.method, path=request.path, body=request.json()))
            self._live()
            if self.canned:
                return self.canned.pop(0)
            return self._trouble(request) or self._route(request)

    def _trouble(self, request: Request) -> Canned | None:
        """What goes wrong whatever was asked."""
        if request.path.startswith("/logs/"):
            # Another server, which the key is not for.
            return Canned(body=f"a log of {request.path}\n") if request.authorization is None else Canned(status=400)
        if not self._may(request):
            return Canned(status=401, body='{"error": "auth_error", "msg": "Invalid user key"}')
        search = request.path.startswith("/api/v0/bundles/")
        faults = (Fault.TOO_MANY, Fault.TOO_MANY_WAIT, Fault.SERVER_ERROR, Fault.RESET)
        match self.faults.take(*((Fault.QUOTA,) if search else ()), *faults):
            case Fault.QUOTA:
                said = {"success": False, "error": "search_quota_exceeded", "msg": "Daily search row quota exhausted"}
                return Canned(status=429, body=json.dumps(said), headers={"Retry-After": "30000"})
            case Fault.TOO_MANY:
                return Canned(status=429, body="API requests too frequent")
            case Fault.TOO_MANY_WAIT:
                return Canned(status=429, body="API requests too frequent", headers={"Retry-After": "7"})
            case Fault.SERVER_ERROR:
                return Canned(status=502, body="<html>bad gateway")
            case Fault.RESET:
                return Canned(reset=True)
        return None

    def _may(self, request: Request) -> bool:
        """Whether the key is the account's, or that of the one box that is asked about."""
        if request.authorization == f"Bearer {KEY}":
            return True
        found = re.fullmatch(r"/api/v0/instances/(\d+)/", urlsplit(request.path).path)
        contract = self.books.contracts.get(int(found[1])) if found else None
        return contract is not None and request.authorization == f"Bearer {contract.api_key}"

    def _route(self, request: Request) -> Canned:
        where = urlsplit(request.path)
        if where.path == "/api/v0/instances/":
            return Canned(status=410, body='{"error": "gone"}')
        if where.path == "/api/v1/instances/":
            return self._list(parse_qs(where.query))
        if where.path == "/api/v0/instances/pending-price-increases/":
            return _good(count=len(self.price_increases), pending_price_increases=self.price_increases)
        if where.path == "/api/v0/bundles/" and request.method == "POST":
            return self._search(request.json())
        about: tuple[tuple[str, str, Callable[[int, Request], Canned]], ...] = (
            ("PUT", r"/api/v0/asks/(\d+)/", self._create),
            ("GET", r"/api/v0/instances/(\d+)/", self._look),
            ("PUT", r"/api/v0/instances/(\d+)/", self._change),
            ("DELETE", r"/api/v0/instances/(\d+)/", self._destroy),
            ("POST", r"/api/v0/instances/(\d+)/ssh/", self._attach),
            ("PUT", r"/api/v0/instances/request_logs/(\d+)", self._logs),
        )
        for method, pattern, handle in about:
            if request.method == method and (found := re.fullmatch(pattern, where.path)):
                return handle(int(found[1]), request)
        return Canned(status=404, body='{"error": "not_found_page"}')

    # The market

    def _search(self, query: Any) -> Canned:
        if not isinstance(query, dict):
            return _refusal(400, "invalid_request", "Invalid json body")
        disk = float(query.get("allocated_storage", 8))
        found = [priced(raw, disk) for raw in self.offers]
        found = [raw for raw in found if all(_holds(raw, field, value) for field, value in query.items())]
        cut = self.faults.take(Fault.CUT_OFFERS) is not None
        return _good(offers=found[: int(query.get("limit", 64))], truncated=cut)

    def _create(self, number: int, request: Request) -> Canned:
        asked, raw = request.json(), next((raw for raw in self.offers if raw["id"] == number), None)
        match self.faults.take(Fault.GONE_404, Fault.GONE_410, Fault.STALE_PRICE, Fault.RESET_BEFORE_CREATE):
            case Fault.GONE_404:
                raw = None
            case Fault.GONE_410:
                told = f"error 410/3907: no_such_ask Instance type {number} is no longer available."
                return _refusal(410, "no_such_ask", told)
            case Fault.STALE_PRICE:
                return _refusal(400, "invalid_price", "error 400/3500: the price has changed")
            case Fault.RESET_BEFORE_CREATE:
                return Canned(reset=True)
        if raw is None:
            told = f"error 404/3603: no_such_ask Instance type by id {number} is not available."
            return _refusal(404, "invalid_args", told)
        return self._created(self._sign(raw, asked))

    def _sign(self, raw: dict[str, Any], asked: dict[str, Any]) -> Contract:
        """The box that an offer becomes; the offer is gone with it, unless it is sold twice."""
        fault = self.faults.take(*CREATION)
        if fault is not Fault.SOLD_TWICE:
            self.offers.remove(raw)
        now, number = self.clock(), 7000 + len(self.books.contracts)
        base = raw["dph_base"] * (1.5 if fault is Fault.PRICE_UP else 1.0)
        disk = float(asked.get("disk", 10))
        storage = raw["storage_cost"] * disk / HOURS_A_MONTH
        described = instance(number) | {key: value for key, value in raw.items() if key not in ("id", "duration")}
        described |= {
            "label": asked.get("label"),
            "actual_status": None,
            "intended_status": "running",
            "status_msg": None,
            "image_uuid": asked["image"],
            "image_runtype": asked.get("runtype", "ssh"),
            "ports": {},
            "public_ipaddr": None,
            "ssh_host": "127.0.0.1",
            "ssh_port": 9,
            "start_date": self.now(),
            "disk_space": disk,
            "dph_base": base,
            "dph_total": base + storage,
            "storage_total_cost": storage,
        }
        contract = Contract(
            id=number, raw=described, asked=asked, machine=self.machine(), created=now, fault=fault, shown=now
        )
        for key in self.account_keys:
            contract.machine.attach(key)
        self.books.contracts[number] = contract
        if fault is Fault.LATE_AFTER_CREATE:
            contract.shown = now + 10
        return contract

    def _created(self, contract: Contract) -> Canned:
        match contract.fault:
            case Fault.RESET_AFTER_CREATE | Fault.LATE_AFTER_CREATE:
                answer = Canned(reset=True)
            case Fault.GATEWAY_AFTER_CREATE:
                answer = Canned(status=502, body="<html>bad gateway")
            case Fault.ERROR_WITH_CONTRACT:
                contract.raw["intended_status"] = contract.raw["cur_state"] = "stopped"
                said = {"success": False, "error": "bid_too_low", "msg": "not started", "new_contract": contract.id}
                answer = Canned(status=400, body=json.dumps(said))
            case _:
                answer = _good(new_contract=contract.id, instance_api_key=contract.api_key)
        if contract.raw["intended_status"] == "running" and contract.fault is not Fault.SOLD_TWICE:
            contract.machine.start(contract.id, contract.asked, contract.api_key)
        return answer

    # A box's life

    def _live(self) -> None:
        """Let every box be what it is by now."""
        now = self.clock()
        for contract in self.books.contracts.values():
            if contract.ends is not None and contract.ended is None and now >= contract.ends:
                self._finish(contract)
            if contract.ended is None:
                self._age(contract, now)
            shown = contract.ended is None and now >= contract.shown
            listed = contract.raw in self.instances
            if shown and not listed:
                self.instances.append(contract.raw)
            elif listed and not shown:
                self.instances.remove(contract.raw)

    def _age(self, contract: Contract, now: float) -> None:
        raw, age = contract.raw, now - contract.created
        if raw["intended_status"] == "stopped":
            self._be(contract, "stopped" if contract.fault is Fault.ERROR_WITH_CONTRACT else "exited")
        elif contract.fault in (Fault.NEVER_RUNS, Fault.SOLD_TWICE):
            self._be(contract, "loading", "Pulling from library/image")
        elif contract.fault is Fault.OCI_FAILED and age >= self.delay:
            self._be(
                contract, "created", "Error response from daemon: failed to create task: OCI runtime create failed"
            )
        elif contract.fault in (Fault.EXITS, Fault.OUTBID) and age >= self.delay + 4:
            self._be(contract, "exited" if contract.fault is Fault.EXITS else "stopped")
        elif age < self.delay / 4:
            self._be(contract, None)
        elif age < self.delay or (ports := contract.machine.ports()) is None:
            self._be(contract, "loading", "Pulling fs layer: 3 of 9")
        else:
            raw |= {"ports": ports, "public_ipaddr": contract.machine.address}
            self._first_run(contract)
            self._be(contract, "running", "success, running image")

    def _first_run(self, contract: Contract) -> None:
        if contract.raw["actual_status"] != "running":
            if contract.fault is Fault.NO_SSH:
                contract.machine.close_ssh()
            if contract.fault is Fault.HOST_TEST_FAILS:
                contract.machine.fail_host_test()

    def _be(self, contract: Contract, status: str | None, message: str | None = None) -> None:
        contract.raw |= {"actual_status": status, "status_msg": message}
        if status == "running":
            contract.run(self.clock())
        else:
            contract.raw |= {"ports": {}, "public_ipaddr": None}
            contract.rest(self.clock())

    def _finish(self, contract: Contract) -> None:
        contract.ended = self.clock()
        contract.rest(contract.ended)
        contract.machine.destroy()

    # One box

    def _known(self, number: int) -> dict[str, Any] | None:
        return next((raw for raw in self.instances if raw.get("id") == number), None)

    def _look(self, number: int, request: Request) -> Canned:
        return _good(instances=self._known(number))

    def _change(self, number: int, request: Request) -> Canned:
        raw, body = self._known(number), request.json()
        if raw is None:
            return _refusal(404, "no_such_instance", f"Instance {number} not found")
        if "label" in body:
            raw["label"] = body["label"]
        if "state" in body:
            contract = self.books.contracts.get(number)
            raw["intended_status"] = raw["cur_state"] = body["state"]
            if contract and body["state"] == "stopped":
                contract.machine.stop()
            elif contract and raw["actual_status"] != "running":
                contract.machine.start(number, contract.asked, contract.api_key)
            self._live()
        return _good()

    def _destroy(self, number: int, request: Request) -> Canned:
        contract, raw = self.books.contracts.get(number), self._known(number)
        if raw is None and (contract is None or contract.ended is not None):
            return _refusal(404, "not_found", "Instance not found")
        match self.faults.take(Fault.DESTROY_5XX, Fault.DESTROY_REFUSED, Fault.DESTROY_SLOW):
            case Fault.DESTROY_5XX:
                return Canned(status=503, body="<html>unavailable")
            case Fault.DESTROY_REFUSED:
                return _refusal(403, "not_permitted", "not now")
            case Fault.DESTROY_SLOW if contract:
                contract.ends = self.clock() + 20
                return _good(msg="Instance destroyed successfully")
        if contract:
            self._finish(contract)
        if raw in self.instances:
            self.instances.remove(raw)
        return _good(msg="Instance destroyed successfully")

    def _attach(self, number: int, request: Request) -> Canned:
        contract, key = self.books.contracts.get(number), str((request.json() or {}).get("ssh_key", ""))
        if self._known(number) is None or contract is None:
            return _refusal(404, "no_such_instance", f"Instance {number} not found")
        contract.keys.append(key)
        contract.machine.attach(key)
        return _good(msg="SSH key attached successfully")

    def _logs(self, number: int, request: Request) -> Canned:
        if self._known(number) is None:
            return _refusal(404, "invalid_id", "Invalid instance id.")
        return _good(result_url=f"{self.url}/logs/{number}", msg="")

    def _list(self, query: dict[str, list[str]]) -> Canned:
        first, limit = int(query.get("after_token", ["0"])[0]), min(PAGE, int(query.get("limit", [str(PAGE)])[0]))
        page, rest = self.instances[first : first + limit], self.instances[first + limit :]
        answer = _good(
            total_instances=len(self.instances), next_token=str(first + limit) if rest else None, instances=page
        )
        if self.faults.take(Fault.CUT_PAGE):
            return Canned(body=answer.body[: len(answer.body) * 2 // 3])
        return answer


def _good(**fields: Any) -> Canned:
    return Canned(body=json.dumps({"success": True, **fields}))


def _refusal(status: int, error: str, told: str) -> Canned:
    return Canned(status=status, body=json.dumps({"success": False, "error": error, "msg": told}))


def _holds(raw: dict[str, Any], field: str, condition: Any) -> bool:
    """Whether an offer has what one condition of a query asks for. Fields that Vast drops, it drops."""
    if not isinstance(condition, dict) or field in ("rented", "verified"):
        return not (field == "verified" and condition == {"eq": True} and raw.get("verification") != "verified")
    value = raw.get(field)
    checks: dict[str, Callable[[Any, Any], bool]] = {
        "eq": lambda a, b: a == b,
        "neq": lambda a, b: a != b,
        "gte": lambda a, b: a >= b,
        "lte": lambda a, b: a <= b,
        "gt": lambda a, b: a > b,
        "lt": lambda a, b: a < b,
        "in": lambda a, b: a in b,
        "notin": lambda a, b: a not in b,
    }
    try:
        return all(checks[sign](value, wanted) for sign, wanted in condition.items())
    except TypeError:
        return True  # a field of another kind: what a malformed offer is made of
