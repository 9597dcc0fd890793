"""Print which pairs of letters a program would draw as the same picture, or as none: boxes are all alike."""

import os
import sys

os.environ["QT_QPA_PLATFORM"] = "offscreen"
from PySide6.QtGui import QFont, QGuiApplication, QImage, QPainter

PAIRS = {"Latin": "Aß", "Cyrillic": "Жд", "Chinese": "中文", "Japanese": "あカ", "Korean": "한국", "emoji": "😀🦊"}
application = QGuiApplication(sys.argv)


def picture(letter):
    """The letter as the program would draw it."""
    image = QImage(40, 40, QImage.Format.Format_RGB32)
    image.fill(0)
    painter = QPainter(image)
    painter.setFont(QFont("sans-serif", 18))
    painter.setPen(0xFFFFFF)
    painter.drawText(4, 30, letter)
    painter.end()
    return bytes(image.constBits())


for name, (one, other) in PAIRS.items():
    if picture(one) == picture(other) or not any(picture(one)):
        print(name)
