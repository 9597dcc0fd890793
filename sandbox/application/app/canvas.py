"""The picture area: a face made of a few lines, and a ring where one clicks."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen, QRadialGradient
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.theme import ACCENT, DIM, LINE, PANEL, RAISED

MOST_CLICKS = 12


class Canvas(QWidget):
    """Shows the last clicks; `clicked` tells where on the screen, `painted` that there is a picture."""

    clicked = Signal(int, int)
    painted = Signal()

    def __init__(self) -> None:
        """Start without clicks."""
        super().__init__()
        self._clicks: list[QPointF] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Return the smallest size at which the face is a face."""
        return QSize(320, 240)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Keep the click, tell it, draw it."""
        self._clicks = [*self._clicks, event.position()][-MOST_CLICKS:]
        place = event.globalPosition().toPoint()
        self.clicked.emit(place.x(), place.y())
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Draw background, face and clicks."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        clip = QPainterPath()
        clip.addRoundedRect(area, 10, 10)
        painter.setClipPath(clip)
        glow = QRadialGradient(area.center(), max(area.width(), area.height()) * 0.6)
        glow.setColorAt(0, QColor(RAISED))
        glow.setColorAt(1, QColor(PANEL))
        painter.fillRect(area, glow)
        self._draw_face(painter, area)
        self._draw_clicks(painter)
        painter.setPen(QPen(QColor(LINE), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(area, 10, 10)
        painter.end()
        self.painted.emit()

    def _draw_face(self, painter: QPainter, area: QRectF) -> None:
        unit = min(area.width(), area.height()) / 100
        painter.save()
        painter.translate(area.center())
        painter.scale(unit, unit)
        painter.setPen(QPen(QColor(LINE), 0.5))
        painter.drawEllipse(QPointF(0, 0), 25, 33)
        pen = QPen(QColor(ACCENT), 0.5)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        for side in (-1, 1):
            painter.drawEllipse(QPointF(side * 10, -7), 4.4, 2)
            painter.drawArc(QRectF(side * 10 - 6, -17, 12, 8), 40 * 16, 100 * 16)
        nose = QPainterPath(QPointF(0, -5))
        nose.lineTo(-3.6, 8)
        nose.lineTo(2.4, 9)
        painter.drawPath(nose)
        painter.drawArc(QRectF(-9, 8, 18, 12), 205 * 16, 130 * 16)
        painter.setBrush(QColor(DIM))
        painter.setPen(Qt.PenStyle.NoPen)
        for x, y in ((-25, 0), (25, 0), (0, 33), (0, -33), (-18, 23), (18, 23), (-18, -23), (18, -23)):
            painter.drawEllipse(QPointF(x, y), 0.8, 0.8)
        painter.restore()

    def _draw_clicks(self, painter: QPainter) -> None:
        for age, place in enumerate(reversed(self._clicks)):
            colour = QColor(ACCENT)
            colour.setAlphaF(1 - age / MOST_CLICKS)
            painter.setPen(QPen(colour, 3))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(place, 13, 13)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawEllipse(place, 3.5, 3.5)
