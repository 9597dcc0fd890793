"""What watches over the screen of Xtigervnc: python3 -m visomaster_host.screen_minder

- It loads a layout that leaves many keycodes free, and frees the oldest that were given to letters.
- It lets go of keys that nobody holds any more.
- It makes the screen smaller again when a viewer has made it larger than SCREEN_MAX.

It sleeps until the X server has something to tell, and looks every other second while a key is down.
"""

from __future__ import annotations

import importlib
import os
import select
import subprocess
import sys
import time
from typing import Any

from visomaster_host import paths
from visomaster_host.minding import Spare, Symbols, left_behind
from visomaster_host.problems import complain, say
from visomaster_host.screen_size import USUAL_MOST, Size, parse

LAYOUT = """xkb_keymap {
    xkb_keycodes { include "evdev+aliases(qwerty)" };
    xkb_types { include "complete" };
    xkb_compat { include "complete" };
    xkb_symbols { include "pc+us" };
};
"""
"""The server's own without the keys of media and browsers (`inet`), which take 112 keycodes."""

LOOK_AGAIN = 2.0
"""Seconds between two looks at keys that are down."""

_FIRST_CODE, _CODES = 8, 248
_LOAD_WITHIN = 10.0


def xlib(name: str) -> Any:
    """The module `name` of python-xlib, which has no types and is not where the project is developed."""
    return importlib.import_module(f"Xlib.{name}")


class Minder:
    """The X server's display as it is minded."""

    def __init__(self, largest: Size) -> None:
        self._x, self._xtest = xlib("X"), xlib("ext.xtest")
        self._xinput, self._randr = xlib("ext.xinput"), xlib("ext.randr")
        self._display = xlib("display").Display()
        self._display.set_error_handler(lambda error, request: say(f"screen_minder: refused by the X server: {error}"))
        self._root = self._display.screen().root
        self._largest = largest
        load_layout()
        self._spare = Spare(self._codes())
        self._last_key = time.monotonic()
        self._look_at: float | None = self._last_key
        """When to look at the keys that are down; None while there are none."""
        self._ask_for_events()

    def _ask_for_events(self) -> None:
        """Changes of the screen, and every key of every device, whoever has grabbed it. The key map's come anyway."""
        xinput = self._xinput
        opcode = self._display.display.get_extension_major(xinput.extname)
        # python-xlib's own says 2.0, with which a grab, such as a menu's, hides keys.
        xinput.XIQueryVersion(display=self._display.display, opcode=opcode, major_version=2, minor_version=2)
        self._root.xinput_select_events(
            [(xinput.AllMasterDevices, xinput.RawKeyPressMask | xinput.RawKeyReleaseMask)],
        )
        self._root.change_attributes(event_mask=self._x.StructureNotifyMask)

    def mind(self) -> None:
        """Do all this for as long as the X server is there."""
        self._keep_codes_free()
        self._keep_size()
        while True:
            self._wait()
            kinds = self._kinds_that_came()
            if self._x.MappingNotify in kinds:
                self._keep_codes_free()
            if self._x.ConfigureNotify in kinds:
                self._keep_size()
            if self._look_at is not None and time.monotonic() >= self._look_at:
                self._let_go()

    def _wait(self) -> None:
        """Return when an event is there, or it is time to look at keys."""
        if self._display.pending_events():
            return
        left = None if self._look_at is None else max(0.0, self._look_at - time.monotonic())
        select.select([self._display.fileno()], [], [], left)

    def _kinds_that_came(self) -> set[int]:
        """What kinds of events there are; keys are noted."""
        kinds = set()
        for _ in range(self._display.pending_events()):
            event = self._display.next_event()
            kinds.add(event.type)
            if event.type == self._display.extension_event.GenericEvent:
                self._last_key = time.monotonic()
                self._look_at = self._look_at or self._last_key + LOOK_AGAIN
        return kinds

    def _codes(self) -> dict[int, Symbols]:
        mapping = self._display.get_keyboard_mapping(_FIRST_CODE, _CODES)
        return {_FIRST_CODE + place: tuple(symbols) for place, symbols in enumerate(mapping)}

    def _down(self) -> frozenset[int]:
        """The keycodes that are down."""
        bits = int.from_bytes(bytes(self._display.query_keymap()), "little")
        return frozenset(code for code in range(_FIRST_CODE, _FIRST_CODE + _CODES) if bits >> code & 1)

    def _keep_codes_free(self) -> None:
        codes = self._codes()
        levels = len(codes[_FIRST_CODE])
        for run in self._spare.to_free(codes, self._down()):
            self._display.change_keyboard_mapping(run.start, [[self._x.NoSymbol] * levels] * len(run))
        self._display.flush()

    def _let_go(self) -> None:
        """Release keys that nobody holds; look again later while any is down."""
        down = self._down()
        self._look_at = time.monotonic() + LOOK_AGAIN if down else None
        modifiers = {code for codes in self._display.get_modifier_mapping() for code in codes if code}
        idle = self._root.screensaver_query_info().idle / 1000
        left = left_behind(down, modifiers, keys_idle=time.monotonic() - self._last_key, idle=idle)
        for code in left:
            self._xtest.fake_input(self._display, self._x.KeyRelease, code)
        self._display.flush()
        if left:
            names = ", ".join(map(str, sorted(left)))
            say(f"screen_minder: let go of the keys {names}: down for {idle:.0f} s, and nobody holds them")

    def _keep_size(self) -> None:
        now = self._root.get_geometry()
        size = Size(width=now.width, height=now.height)
        if not size.fits(self._largest):
            wanted = size.within(self._largest)
            say(f"screen_minder: {size} is larger than SCREEN_MAX={self._largest}: set to {wanted}")
            self._set_size(wanted)

    def _set_size(self, size: Size) -> None:
        """By RandR: fewer pixels are followed by everybody in one step. The mode first, so that no monitor ever is
        larger than the screen."""
        resources = self._root.xrandr_get_screen_resources()
        output = resources.outputs[0]
        found = self._display.xrandr_get_output_info(output, resources.config_timestamp)
        mode = self._mode(size, resources.modes)
        if mode not in found.modes:
            self._display.xrandr_add_output_mode(output, mode)
        with_time = resources.config_timestamp
        turn = self._randr.Rotate_0
        self._display.xrandr_set_crtc_config(found.crtc, with_time, 0, 0, mode, turn, [output])
        millimetres = [pixels * 254 // 960 for pixels in (size.width, size.height)]  # at 96 dpi
        self._root.xrandr_set_screen_size(size.width, size.height, *millimetres)
        self._display.sync()

    def _mode(self, size: Size, modes: Any) -> int:
        """The number of the mode of that size, made where there is none."""
        for each in modes:
            if (each.width, each.height) == (size.width, size.height):
                return int(each.id)
        name, (width, height) = str(size).encode(), (size.width, size.height)
        timing = (width * height * 60, width, width, width, 0, height, height, height)  # 60 Hz, as the server's own
        return int(self._root.xrandr_create_mode((0, width, height, *timing, len(name), 0), name).mode)


def load_layout() -> None:
    """Have the X server take `LAYOUT`. Where it cannot, fewer letters fit, and that is said."""
    command = [str(paths.XKBCOMP), "-w0", "-", os.environ["DISPLAY"]]
    try:
        done = subprocess.run(command, input=LAYOUT, capture_output=True, text=True, timeout=_LOAD_WITHIN, check=False)
        failed = "" if done.returncode == 0 else " ".join(done.stderr.split()) or f"status {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        failed = str(error)
    if failed:
        say(f"screen_minder: {paths.XKBCOMP.name}: {failed}; going on: with the server's own layout")


def main() -> int:
    """Mind the display of the environment until it is gone; returns the exit status."""
    error = xlib("error")
    try:
        Minder(parse(os.environ.get("SCREEN_MAX", "")) or USUAL_MOST).mind()
    except (error.DisplayError, error.ConnectionClosedError, OSError) as reason:
        complain(f"screen_minder: the X server is gone: {reason}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
