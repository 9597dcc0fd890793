"""What can be asked of Vast.ai, as functions with types: search, create, look, label, start, stop, destroy.

Spacing and forms: the pages below https://docs.vast.ai/api-reference (each names its `threshold` in seconds).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import requests

from vast.api import TIMEOUT, Api, Call, told
from vast.boxes import amount
from vast.errors import CreatedButRefused, NoAnswer, NotThere, OfferGone, Refused, StillThere, VastError
from vast.lease import LONGEST_LABEL

INSTANCE = "/api/v0/instances/{id}/"
SEARCH = Call(method="POST", path="/api/v0/bundles/", spacing=6.0, by_hand="vastai search offers")
CREATE = Call(method="PUT", path="/api/v0/asks/{id}/", spacing=4.5, by_hand="vastai create instance {id}", again=False)
LIST = Call(method="GET", path="/api/v1/instances/", spacing=1.0, by_hand="vastai show instances")
LOOK = Call(method="GET", path=INSTANCE, spacing=2.0, by_hand="vastai show instance {id}")
CHANGE = Call(method="PUT", path=INSTANCE, spacing=1.0, by_hand="vastai start|stop|label instance {id}")
DESTROY = Call(method="DELETE", path=INSTANCE, spacing=3.0, by_hand="vastai destroy instance {id}")
ATTACH = Call(method="POST", path=f"{INSTANCE}ssh/", spacing=1.0, by_hand="vastai attach ssh {id} KEY")
LOGS = Call(method="PUT", path="/api/v0/instances/request_logs/{id}", spacing=1.5, by_hand="vastai logs {id}")
DEARER = Call(
    method="GET",
    path="/api/v0/instances/pending-price-increases/",
    spacing=2.0,
    by_hand="the instances' page of https://console.vast.ai",
)

PAGE = 25
MOST_PAGES = 400
MOST_OFFERS = 100
"""Offers to ask for: beyond them nobody reads, and every row counts against the day's quota of searches."""

LOOKS_FOR_A_LOST_BOX = 5
BETWEEN_LOOKS = 4.0
"""Seconds. A creation whose answer was lost may need a moment to show in the list."""

LOOKS_FOR_THE_END = 20
BETWEEN_LOOKS_FOR_THE_END = 3.0
"""Seconds. A box that is being destroyed is still listed for a while."""

LOG_TRIES = 10
LARGEST_LOG = 1024 * 1024
"""Bytes of a log that are read."""

_LIMITS = {"image": 1024, "onstart": 4096, "label": LONGEST_LABEL}


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is to be created from an offer: https://docs.vast.ai/api-reference/creating-instances-with-api

    `disk` is in GB, `ports` are published, `env` are the variables. The label is what finds the box again.
    """

    image: str
    disk: int
    label: str
    onstart: str = ""
    runtype: str = "ssh_direct"
    ports: Sequence[int] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what Vast would cut off or refuse after the fact."""
        for name, most in _LIMITS.items():
            if len(getattr(self, name)) > most:
                raise ValueError(f"{name}: Vast takes at most {most} characters, got {len(getattr(self, name))}")
        if not self.label:
            raise ValueError("label: a box without one is not found again")

    def body(self) -> dict[str, object]:
        """The request's body. `cancel_unavail`: rather no box than one that waits for its GPU and costs storage."""
        body: dict[str, object] = {
            "client_id": "me",
            "image": self.image,
            "disk": self.disk,
            "label": self.label,
            "runtype": self.runtype,
            "env": {f"-p {port}:{port}": "1" for port in self.ports} | dict(self.env),
            "target_state": "running",
            "cancel_unavail": True,
        }
        return body | ({"onstart": self.onstart} if self.onstart else {})


class Calls:
    """One account's boxes and the market."""

    def __init__(self, api: Api) -> None:
        """Ask `api`."""
        self.api = api

    def search(self, query: Mapping[str, object]) -> list[dict[str, Any]]:
        """The offers that `query` finds, as Vast describes them. Raises `QuotaSpent`, `VastError`."""
        answer = self.api.send(SEARCH, body={"limit": MOST_OFFERS, **query})
        offers = answer.get("offers")
        if not isinstance(offers, list):
            raise VastError(f"Vast.ai: expected a list 'offers', got {_brief(answer)}; by hand: {SEARCH.by_hand}")
        if answer.get("truncated") is True:
            self.api.say("Vast.ai: the list of offers is cut short, there may be cheaper ones")
        return offers

    def create(self, offer: int, ask: Ask) -> int:
        """The number of the instance that `offer` became.

        Never sent twice: an answer that is lost or tells no number is followed by a look for the label, which has to be
        of this creation alone. Raises `OfferGone` when another offer may do, `CreatedButRefused` with the number of an
        instance that has to be destroyed, `NoAnswer` when none with the label was found, `Refused` otherwise.
        """
        try:
            answer = self.api.send(CREATE, offer, body=ask.body())
        except NoAnswer as error:
            return self._lost(ask.label, str(error))
        except Refused as error:
            return self._refused(offer, ask, error)
        number = answer.get("new_contract")
        return number if _is_number(number) else self._lost(ask.label, f"no 'new_contract' in {_brief(answer)}")

    def _refused(self, offer: int, ask: Ask, error: Refused) -> int:
        """What an answer that is no good one to a creation means."""
        number = error.body.get("new_contract")
        if _is_number(number):
            raise CreatedButRefused(f"{error}: instance {number} exists and is billed", number) from None
        if error.status >= 500 or (error.status == 200 and error.body.get("success") is not False):
            return self._lost(ask.label, str(error))
        if error.status == 410 or error.says("no_such_ask", "not available", "no longer available", "invalid_price"):
            raise OfferGone(
                f"Vast.ai: offer {offer} is gone or has changed: {told(error.body) or error.status}"
            ) from None
        raise error

    def _lost(self, label: str, reason: str) -> int:
        """The instance with `label`, which was created although no answer said so. Raises `NoAnswer`, whatever keeps
        the look from an answer, and `CreatedButRefused` when there are two."""
        self.api.say(f"{reason}; looking for a box with the label of this rental")
        for look in range(LOOKS_FOR_A_LOST_BOX):
            if look:
                self.api.sleep(BETWEEN_LOOKS)
            try:
                found = self.labelled(label)
            except VastError as error:
                raise NoAnswer(f"{reason}; a box may live with the label {label!r}, but {_reason(error)}") from None
            if len(found) > 1:
                raise CreatedButRefused(f"Vast.ai: {len(found)} instances have the label {label!r}", *found)
            if found:
                return found[0]
        raise NoAnswer(f"{reason}; no box has the label {label!r}: look again in a minute: {LIST.by_hand}")

    def labelled(self, label: str) -> list[int]:
        """The numbers of the instances whose label is `label`."""
        found = (raw for raw in self.instances() if isinstance(raw, dict) and raw.get("label") == label)
        return sorted(raw["id"] for raw in found if _is_number(raw.get("id")))

    def instances(self) -> list[dict[str, Any]]:
        """Every instance of the account, as Vast describes it. Raises `VastError` for all that is no whole list."""
        found: list[dict[str, Any]] = []
        tokens: list[str] = []
        for _ in range(MOST_PAGES):
            page = self._page(tokens[-1] if tokens else None)
            found += page["instances"]
            token = page.get("next_token")
            if not token:
                if "next_token" not in page and len(page["instances"]) >= PAGE:
                    raise VastError("Vast.ai: a full page without 'next_token', the list may be cut off")
                return found
            if token in tokens:
                raise VastError("Vast.ai: the list of instances goes round in circles")
            tokens.append(str(token))
        raise VastError(f"Vast.ai: the list of instances has more than {MOST_PAGES} pages")

    def _page(self, token: str | None) -> dict[str, Any]:
        try:
            page = self.api.send(LIST, query={"limit": str(PAGE)} | ({"after_token": token} if token else {}))
        except Refused as error:
            if error.status == 410:
                gone = f"{LIST.path} is no longer served (410), this inventory needs an update"
                raise VastError(f"Vast.ai: {gone}; by hand: {LIST.by_hand}") from None
            raise
        if not isinstance(page.get("instances"), list):
            raise VastError(f"Vast.ai: expected a list 'instances', got {_brief(page)}; by hand: {LIST.by_hand}")
        return page

    def instance(self, number: int) -> dict[str, Any] | None:
        """The instance `number`; nothing when it is gone. Raises `VastError`.

        https://docs.vast.ai/api-reference/instances/show-instance: an object; null and a list have been seen.
        """
        try:
            answer = self.api.send(LOOK, number)
        except Refused as error:
            if _names_nothing(error):
                return None
            raise
        if "instances" not in answer:
            raise VastError(f"Vast.ai: expected 'instances', got {_brief(answer)}; by hand: {_by_hand(LOOK, number)}")
        found = answer["instances"]
        if isinstance(found, list):
            found = next((raw for raw in found if isinstance(raw, dict) and raw.get("id") == number), None)
        if found is not None and not (isinstance(found, dict) and found.get("id", number) == number):
            raise VastError(f"Vast.ai: expected instance {number}, got {_brief(answer)}")
        return found or None

    def price_increases(self) -> dict[int, float]:
        """Instances whose hosts ask for a higher price, and the dollars an hour they ask for. They are to be shown;
        nothing here ever agrees to one. Raises `VastError`."""
        asked = self.api.send(DEARER).get("pending_price_increases")
        prices: dict[int, float] = {}
        for one in asked if isinstance(asked, list) else []:
            number = one.get("contract_id") if isinstance(one, dict) else None
            parts = [amount(one.get(f"new_{part}_costpersec")) for part in ("gpu", "disk_ram")] if number else []
            if _is_number(number) and None not in parts:
                prices[number] = sum(part * 3600 for part in parts if part is not None)
        return prices

    def label(self, number: int, text: str) -> None:
        """Give instance `number` the label `text`. Raises `NotThere`, `VastError`."""
        self._change(number, {"label": text})

    def set_state(self, number: int, state: str) -> None:
        """Start ("running") or stop ("stopped") instance `number`. Raises `NotThere`, `VastError`."""
        self._change(number, {"state": state})

    def _change(self, number: int, body: Mapping[str, object]) -> None:
        self._about(CHANGE, number, body)

    def attach_key(self, number: int, public_key: str) -> None:
        """Let `public_key` into instance `number`. Raises `NotThere`, `VastError`; a key that is there is no error."""
        try:
            self._about(ATTACH, number, {"ssh_key": public_key.strip()})
        except Refused as error:
            if not error.says("already"):
                raise

    def _about(self, call: Call, number: int, body: Mapping[str, object]) -> dict[str, Any]:
        try:
            return self.api.send(call, number, body=body)
        except Refused as error:
            if _names_nothing(error):
                raise NotThere(f"Vast.ai: there is no instance {number} (any more)") from None
            raise

    def destroy(self, number: int) -> None:
        """Ask for the end of instance `number`, again and again where that helps. One that is gone is a success.

        Its disappearing takes a while: `end` waits for it. Raises `VastError` when Vast refuses.
        """
        try:
            self.api.send(DESTROY, number)
        except Refused as error:
            if not _names_nothing(error):
                raise

    def end(self, number: int) -> None:
        """Destroy instance `number` and wait until the list of instances, the one authority, has it no more.

        Raises `StillThere` with the command that a person has to run, whatever the reason: never in silence.
        """
        reason = ""
        try:
            self.destroy(number)
        except VastError as error:
            reason = _reason(error)
        try:
            for look in range(1 if reason else LOOKS_FOR_THE_END):
                if look:
                    self.api.sleep(BETWEEN_LOOKS_FOR_THE_END)
                if self.gone(number):
                    return
        except VastError as error:
            reason = reason or _reason(error)
        reason = reason or f"still there after {LOOKS_FOR_THE_END * BETWEEN_LOOKS_FOR_THE_END:.0f} s"
        lives = f"instance {number} lives on and is billed: {reason}"
        raise StillThere(f"Vast.ai: {lives}; end it by hand: {_by_hand(DESTROY, number)}")

    def gone(self, number: int) -> bool:
        """Whether the whole list of instances is without `number`. Raises `VastError` when there is no whole list."""
        return all(not isinstance(raw, dict) or raw.get("id") != number for raw in self.instances())

    def logs(self, number: int, lines: int = 100) -> str:
        """The last `lines` of the container's log, as its program wrote it. Raises `NotThere`, `VastError`.

        Vast puts them at an address of another server, which does not get the key.
        """
        answer = self._about(LOGS, number, {"tail": str(lines)})
        url = answer.get("result_url")
        if not isinstance(url, str) or not url.startswith(("https://", "http://127.0.0.1:")):
            raise VastError(f"Vast.ai: expected 'result_url', got {_brief(answer)}; by hand: {_by_hand(LOGS, number)}")
        for _ in range(LOG_TRIES):
            self.api.sleep(LOGS.spacing)
            text = _fetch(url)
            if text is not None:
                return text
        raise VastError(f"Vast.ai: no log of instance {number} came; by hand: {_by_hand(LOGS, number)}")


def _fetch(url: str) -> str | None:
    """What is at `url`; nothing when it is not there yet."""
    try:
        with requests.get(url, timeout=TIMEOUT, stream=True, allow_redirects=False, auth=_nobody) as response:
            if response.status_code != 200:
                return None
            return next(response.iter_content(LARGEST_LOG), b"").decode("utf-8", errors="replace")
    except (requests.RequestException, OSError):
        return None


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials, also none of ~/.netrc."""
    return request


def _names_nothing(error: Refused) -> bool:
    """Whether the answer says that there is no such instance, in Vast's words: a page that is no longer served and a
    gateway answer 410 and 404 too, and a wrong key is `KeyRefused` before this."""
    return error.says("no_such_instance", "not_found", "nstance not found", "nvalid instance")


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _by_hand(call: Call, number: int) -> str:
    return call.by_hand.format(id=number)


def _reason(error: VastError) -> str:
    """The reason without what is said around it."""
    return str(error).removeprefix("Vast.ai: ").partition("; by hand")[0]


def _brief(answer: object) -> str:
    return repr(json.dumps(answer)[:80])
