"""The test picture, drawn as the application draws: a Qt window that is painted again so many times a second.

Runs inside the container, in the application's environment. Reads one command a line: `show WIDTH HEIGHT RATE` opens
a window with moving, photograph-like content and the present time in two corners; rate 0 paints only when a key is
pressed. `hide` closes it.
"""

from __future__ import annotations

import os
import random
import select
import sys

from PySide6.QtCore import QPoint, QPointF, QRect, QSocketNotifier, Qt, QTimer
from PySide6.QtGui import (
    QColor,
    QGuiApplication,
    QImage,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QRadialGradient,
    QRasterWindow,
)

from bench import marker

FRAMES = 8
_NONES = [None] * 1_000_000
"""PySide6 6.12 on a Python before 3.12 gives back one reference to None too many for each call that returns nothing;
without these the interpreter ends with "deallocating None" within seconds.
"""


def frames() -> list[QImage]:
    """Return the pictures that follow one another: soft shapes, fine grain, and something that moves."""
    numbers = random.Random(1)
    soft, grain = _noise(numbers, 32, 18), _noise(numbers, 640, 360)
    return [_frame(number, soft, grain) for number in range(FRAMES)]


def _noise(numbers: random.Random, width: int, height: int) -> QImage:
    image = QImage(numbers.randbytes(width * height * 4), width, height, QImage.Format.Format_RGB32)
    return image.scaled(*marker.SCREEN, mode=Qt.TransformationMode.SmoothTransformation)


def _frame(number: int, soft: QImage, grain: QImage) -> QImage:
    image = QImage(*marker.SCREEN, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    shift = number * 24
    for offset in (-shift, marker.SCREEN[0] - shift):
        painter.drawImage(offset, 0, soft)
    painter.setOpacity(0.2)
    painter.drawImage(QPoint(-number * 7 % 64 - 64, 0), grain)
    painter.setOpacity(1)
    for ball in range(6):
        centre = QPointF(150 + 300 * ball + shift, 540 + 60 * (ball + number) % 400)
        light = QRadialGradient(centre, 180)
        light.setColorAt(0, QColor.fromHsv(ball * 60, 160, 255))
        light.setColorAt(1, QColor.fromHsv(ball * 60, 220, 90))
        painter.setBrush(light)
        painter.drawEllipse(centre, 180, 180)
    painter.end()
    return image


class Picture(QRasterWindow):
    """One window with the picture; `rate` paints a second, 0 for one at each key press."""

    def __init__(self, pictures: list[QImage], width: int, height: int, rate: int) -> None:
        super().__init__()
        self._pictures, self._number = pictures, 0
        self.setFlags(Qt.WindowType.BypassWindowManagerHint | Qt.WindowType.FramelessWindowHint)
        self.setGeometry(QRect(*marker.place_of(width, height), width, height))
        self._timer = QTimer(self, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.update)
        if rate:
            self._timer.start(round(1000 / rate))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - the name is Qt's
        """Paint the next picture with the present time in the first and in the last corner."""
        self._number += 1
        painter = QPainter(self)
        painter.drawImage(0, 0, self._pictures[self._number % len(self._pictures)])
        stamp = bytes(255 * white for white in marker.cells(marker.now()))
        cells = QImage(stamp, marker.COLUMNS, marker.ROWS, marker.COLUMNS, QImage.Format.Format_Grayscale8)
        for left, top in ((0, 0), (self.width() - marker.WIDTH, self.height() - marker.HEIGHT)):
            painter.drawImage(QRect(left, top, marker.WIDTH, marker.HEIGHT), cells)
        painter.end()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - the name is Qt's
        """Answer a key with another picture."""
        self.update()


def main() -> None:
    """Follow the commands on standard input until it ends."""
    application = QGuiApplication(sys.argv[:1])
    pictures = frames()
    shown: list[Picture] = []

    def obey() -> None:
        # Not readline(): it would keep a second line to itself, and the notifier would not tell of it.
        lines = os.read(sys.stdin.fileno(), select.PIPE_BUF).decode().splitlines()
        for word, *numbers in map(str.split, lines):
            for window in shown:
                window.close()
            shown.clear()
            if word == "show":
                shown.append(Picture(pictures, *map(int, numbers)))
                shown[-1].show()
        if not lines:
            application.quit()

    application.setQuitOnLastWindowClosed(False)
    commands = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Type.Read)
    commands.activated.connect(obey)
    application.exec()


if __name__ == "__main__":
    main()
