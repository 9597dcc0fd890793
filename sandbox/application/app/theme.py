"""Colours and type."""

from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

BACKGROUND = "#14171c"
PANEL = "#1c2129"
RAISED = "#262d38"
LINE = "#303946"
TEXT = "#e6eaf0"
DIM = "#8d99a8"
ACCENT = "#4cc2a8"
WARNING = "#e0a458"

STYLE = f"""
QWidget {{ color: {TEXT}; font-size: 15px; }}
QWidget#window {{ background: {BACKGROUND}; }}
QLabel {{ background: transparent; }}
QFrame#header {{ background: {PANEL}; border-bottom: 1px solid {LINE}; }}
QFrame#card {{ background: {PANEL}; border: 1px solid {LINE}; border-radius: 10px; }}
QLabel#title {{ font-size: 24px; font-weight: 600; }}
QLabel#dim {{ color: {DIM}; }}
QLabel#section {{ color: {DIM}; font-size: 13px; font-weight: 600; letter-spacing: 1px; }}
QLabel#count {{ font-size: 34px; font-weight: 600; }}
QLabel#chip {{ background: {RAISED}; border: 1px solid {LINE}; border-radius: 14px; padding: 4px 14px; }}
QLabel#chip[good="true"] {{ color: {ACCENT}; }}
QLabel#chip[good="false"] {{ color: {WARNING}; }}
QProgressBar {{ background: {RAISED}; border: none; border-radius: 4px; max-height: 8px; min-height: 8px; }}
QProgressBar::chunk {{ background: {ACCENT}; border-radius: 4px; }}
QTreeWidget {{ background: transparent; border: none; outline: none; }}
QTreeWidget::item {{ height: 40px; border-bottom: 1px solid {RAISED}; }}
QLineEdit {{ background: {RAISED}; border: 1px solid {LINE}; border-radius: 8px; padding: 10px 14px;
    selection-background-color: {ACCENT}; selection-color: {BACKGROUND}; }}
QLineEdit:focus {{ border-color: {ACCENT}; }}
QPushButton {{ background: {ACCENT}; color: {BACKGROUND}; border: none; border-radius: 8px;
    padding: 11px 28px; font-weight: 600; }}
QPushButton:hover {{ background: #66d3bb; }}
QPushButton:pressed {{ background: #3aa48d; }}
"""


def apply_theme(application: QApplication) -> None:
    """Make every widget of `application` dark."""
    application.setStyle("Fusion")
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Window, QColor(BACKGROUND))
    palette.setColor(QPalette.ColorRole.Base, QColor(PANEL))
    palette.setColor(QPalette.ColorRole.Text, QColor(TEXT))
    palette.setColor(QPalette.ColorRole.PlaceholderText, QColor(DIM))
    application.setPalette(palette)
    font = QFont("DejaVu Sans")
    font.setStyleHint(QFont.StyleHint.SansSerif)
    application.setFont(font)
    application.setStyleSheet(STYLE)
