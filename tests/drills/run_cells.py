"""Run cells of a notebook in a kernel of this machine: run_cells.py NOTEBOOK CELL…

Runs in a container, on the container's own Python, with nbclient and ipykernel on PYTHONPATH. The cells, named by their
ids, run one after another in one kernel, a cell as often as it is named. Prints the notebook of them with its outputs.
"""

from __future__ import annotations

import copy
import json
import os
import sys

import nbformat
from nbclient import NotebookClient

CELL_WITHIN = 150
"""Seconds; the longest wait of a repair cell is 120."""


def main(path: str, *names: str) -> None:
    """Run the cells of the notebook at `path`. Raises what nbclient raises when one ends with an exception."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - also on a Python without much
        notebook = nbformat.read(file, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    notebook.cells = [copy.deepcopy(cells[name]) for name in names or cells]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{number}-{cell.id}"
    # The kernel gets no more from this test than a kernel of anybody's: not the path of its packages.
    NotebookClient(notebook, timeout=CELL_WITHIN, kernel_name="python3").execute(env=dict(os.environ))
    json.dump(notebook, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
