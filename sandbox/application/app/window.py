"""The main window."""

from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QColor, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.canvas import Canvas
from app.cuda import runtime_version
from app.models import Model, find_models, readable_size
from app.state import State
from app.theme import ACCENT, DIM, WARNING

TITLE = "VisoMaster Sandbox"
# Models may still be on their way when the window opens.
LOOK_AGAIN_MS = 2000


def tell(line: str) -> None:
    """Say what happened on standard output, at once."""
    print(line, flush=True)


class MainWindow(QWidget):
    """A header, the models on the left, a canvas and a text field on the right."""

    def __init__(self, program: Path) -> None:
        """Build the window for the program in the folder `program`."""
        super().__init__()
        self._program = program
        self._kept = State(program)
        self._shown: list[Model] | None = None
        self._ready = False
        self.setObjectName("window")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setWindowTitle(TITLE)
        self.resize(1280, 760)
        body = QHBoxLayout()
        body.setContentsMargins(24, 24, 24, 24)
        body.setSpacing(24)
        body.addWidget(self._make_models(), 4)
        body.addLayout(self._make_studio(), 7)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._make_header())
        layout.addLayout(body, 1)
        self._field.setFocus()
        QShortcut(QKeySequence.StandardKey.Open, self, self._open)
        self._tell_kept()
        self._look()
        timer = QTimer(self, interval=LOOK_AGAIN_MS)
        timer.timeout.connect(self._look)
        timer.start()

    def _make_header(self) -> QFrame:
        header = QFrame(objectName="header")
        layout = QHBoxLayout(header)
        layout.setContentsMargins(24, 16, 24, 16)
        layout.setSpacing(16)
        layout.addWidget(QLabel(TITLE, objectName="title"))
        layout.addWidget(QLabel("a stand-in for the real program", objectName="dim"))
        layout.addStretch()
        version = runtime_version()
        chip = QLabel(f"CUDA runtime {version}" if version else "no CUDA runtime", objectName="chip")
        chip.setProperty("good", version is not None)
        layout.addWidget(chip)
        return header

    def _make_models(self) -> QFrame:
        card = QFrame(objectName="card")
        card.setMinimumWidth(400)
        self._count = QLabel(objectName="count")
        self._bar = QProgressBar(textVisible=False)
        self._list = QTreeWidget(columnCount=3, rootIsDecorated=False, headerHidden=True)
        self._list.setSelectionMode(QTreeWidget.SelectionMode.NoSelection)
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self._list.header()
        header.setStretchLastSection(False)
        for column, mode in enumerate(("ResizeToContents", "Stretch", "ResizeToContents")):
            header.setSectionResizeMode(column, getattr(QHeaderView.ResizeMode, mode))
        layout = QVBoxLayout(card)
        layout.setContentsMargins(24, 20, 24, 20)
        layout.setSpacing(14)
        layout.addWidget(QLabel("MODELS", objectName="section"))
        layout.addWidget(self._count)
        layout.addWidget(self._bar)
        layout.addWidget(self._list, 1)
        return card

    def _make_studio(self) -> QVBoxLayout:
        self._canvas = Canvas()
        self._canvas.clicked.connect(self._clicked)
        self._canvas.painted.connect(self._painted)
        self._field = QLineEdit(placeholderText="Type here")
        self._field.textChanged.connect(lambda text: tell(f"TEXT {text!r}"))
        self._field.returnPressed.connect(self._apply)
        button = QPushButton("Apply")
        button.clicked.connect(self._apply)
        self._state = QLabel("Click on the picture, or type below.", objectName="dim")
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self._field, 1)
        row.addWidget(button)
        layout = QVBoxLayout()
        layout.setSpacing(14)
        layout.addWidget(self._canvas, 1)
        layout.addWidget(self._state)
        layout.addLayout(row)
        return layout

    def _tell_kept(self) -> None:
        """Say what was found of what is kept, and show what was open last."""
        last = self._kept.last_workspace()
        if last is not None:
            self._field.setText(last)
        tell(f"KEPT presets={self._kept.presets()} results={self._kept.results()!r} last={last!r}")
        tell(f"ENGINE {self._kept.engine()}")

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 (Qt's name)
        """Keep what is open."""
        self._kept.save_workspace(self._field.text())
        event.accept()

    def _open(self) -> None:
        """Let a file be chosen, as by a menu's *Open*."""
        path, _ = QFileDialog.getOpenFileName(self, "Open")
        tell(f"OPENED {path!r}")

    def _look(self) -> None:
        """Look for the models again and show them when something has changed."""
        models = find_models(self._program)
        if models == self._shown:
            return
        self._shown = models
        found = sum(model.found for model in models)
        self._count.setText(f"{found} of {len(models)} models found")
        self._bar.setRange(0, max(len(models), 1))
        self._bar.setValue(found)
        self._list.clear()
        self._list.addTopLevelItems([_row(model) for model in models])
        tell(f"MODELS {found} of {len(models)}")

    def _painted(self) -> None:
        if not self._ready:
            self._ready = True
            tell("READY")

    def _clicked(self, x: int, y: int) -> None:
        self._state.setText(f"Clicked at {x}, {y}")
        tell(f"CLICK {x} {y}")

    def _apply(self) -> None:
        self._state.setText(f"Applied “{self._field.text()}”")
        self._kept.save_preset("Applied", self._field.text())
        tell(f"APPLY {self._field.text()!r}")


def _row(model: Model) -> QTreeWidgetItem:
    mark, colour = ("✓", ACCENT) if model.found else ("·", DIM if model.optional else WARNING)
    size = readable_size(model.size) if model.size else "missing"
    row = QTreeWidgetItem([mark, model.name, f"optional · {size}" if model.optional else size])
    row.setForeground(0, QColor(colour))
    row.setForeground(2, QColor(DIM))
    row.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    row.setSizeHint(0, QSize(34, 40))
    if not model.found:
        row.setForeground(1, QColor(DIM))
    return row
