"""VisoMaster Sandbox: run me with the environment's Python, in this folder."""

import sys
from pathlib import Path

from app.theme import apply_theme
from app.window import MainWindow
from PySide6.QtWidgets import QApplication


def main() -> int:
    """Open the window and run until it is closed."""
    application = QApplication(sys.argv)
    apply_theme(application)
    window = MainWindow(Path(__file__).resolve().parent)
    window.show()
    return application.exec()


if __name__ == "__main__":
    sys.exit(main())
