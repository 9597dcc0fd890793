"""The desktop's stream in a browser: what is heard, and what a program has copied."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from visomaster_host import paths, users

from sandbox.engine import docker_command

if TYPE_CHECKING:
    from playwright.sync_api import Page

LISTEN = """(() => {
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode) {
      globalThis.heard = new AnalyserNode(target.context, { fftSize: 8192 });
      connect.call(this, globalThis.heard);
    }
    return connect.call(this, target, ...rest);
  };
})()"""
"""Has what the page plays also go to where it can be measured."""

HEARD = """(() => {
  const meter = globalThis.heard;
  if (!meter) return [0, 0];
  const wave = new Float32Array(meter.fftSize), tones = new Float32Array(meter.frequencyBinCount);
  meter.getFloatTimeDomainData(wave);
  meter.getFloatFrequencyData(tones);
  const loudest = tones.indexOf(Math.max(...tones));
  const power = wave.reduce((sum, value) => sum + value * value, 0) / wave.length;
  return [Math.sqrt(power), (loudest * meter.context.sampleRate) / meter.fftSize];
})()"""

TONE = """
import math, struct, sys
for i in range(48000 * 6):
    sys.stdout.buffer.write(struct.pack("<h", int(12000 * math.sin(2 * math.pi * 440 * i / 48000))))
"""
"""Six seconds of 440 Hz, at 0.366 of what there is: 0.259 is its root mean square."""


def play_a_tone(container: str) -> subprocess.Popen[bytes]:
    """Have the desktop's user play `TONE`, as the program would."""
    play = f"/usr/bin/python3 -c '{TONE}' | pacat --rate=48000 --channels=1 --format=s16le"
    sound = f"--env=PULSE_SERVER=unix:{paths.SOUND_SOCKET}"
    command = [docker_command(), "exec", f"--user={users.DESKTOP}", sound, container, "sh", "-c", play]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def heard(page: Page) -> tuple[float, float]:
    """How loud it is in the page (root mean square), and which frequency is the loudest."""
    loudness, tone = page.evaluate(HEARD)
    return float(loudness), float(tone)


def copy_here(page: Page, text: str) -> None:
    """Copy `text` on the visitor's own computer, and come back to the page."""
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.evaluate("dispatchEvent(new Event('focus'))")


def copied_here(page: Page) -> str:
    """What the visitor's own computer would paste."""
    return str(page.evaluate("navigator.clipboard.readText()"))
