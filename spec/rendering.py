"""Files that are rendered from a template of `templates/` and the tables here, and committed."""

from __future__ import annotations

import jinja2

from spec.here import TEMPLATES


def rendered(name: str, **values: object) -> str:
    """The template `name` (a path below `templates/`) with `values`; a name that it lacks is an error of jinja2's."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - no HTML, and our own tables
    )
    return environment.get_template(name).render(**values)
