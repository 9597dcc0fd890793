"""Vast.ai templates, one a variant: the fields of its API, and docs/vast.md for those who paste them.

`python -m vast.template VARIANT REPOSITORY` prints the JSON for `POST /api/v0/template/`; without arguments the page.
Fields: https://docs.vast.ai/api-reference/templates/create-template
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from visomaster_host.choices import Access
from visomaster_host.text import brief

from spec import image
from spec.application import load_application
from spec.rendering import rendered
from spec.variant import VARIANTS, Variant
from vast import fit

URL = "https://console.vast.ai/api/v0/template/"

ONSTART = "visomaster-start"
"""Run at every start of the container, as Vast replaces the image's entrypoint where it brings Jupyter and SSH."""

ONSTART_LIMIT = 4096
"""Characters that Vast accepts of an on-start line and arguments together."""

ENV_LIMIT = 1024
"""Characters of the Docker options."""

APPLICATION = "visomaster"
"""What the images of the templates have, unless they were made with another `APPLICATION`."""

BLACKWELLS = "fusion"
"""The application that RTX 50 cards need."""


def filters(application: str = APPLICATION) -> fit.Filters:
    """The machines on which images of `application` work, with its default accelerator."""
    return fit.filters(load_application(application).accelerators[0].name)


@dataclass(frozen=True, kw_only=True)
class Template:
    """The template of `variant`, whose image is in `repository`."""

    variant: Variant
    repository: str

    def __post_init__(self) -> None:
        """Refuse a name that a rented box could not pull."""
        image.published_repository(self.repository)

    @property
    def name(self) -> str:
        """What the console lists it as."""
        return f"VisoMaster {self.variant.name}"

    @property
    def tag(self) -> str:
        """The moving tag."""
        return self.variant.tags()[0]

    @property
    def env(self) -> str:
        """The console's Docker options: ports and variables. `OPEN_BUTTON_TOKEN=1` asks Vast to generate one."""
        published = " ".join(f"-p {port}:{port}" for port in self.variant.ports)
        match self.variant.access:
            case Access.VNC:
                return published
            case Access.PORTAL:
                return f"{published} -e OPEN_BUTTON_PORT={self.variant.port} -e OPEN_BUTTON_TOKEN=1"

    @property
    def disk(self) -> int:
        """GB to rent."""
        return fit.disk(fit.Way.IMAGE, self.variant.models)

    def body(self) -> dict[str, object]:
        """The request's body."""
        return {
            "name": self.name,
            "desc": f"VisoMaster on a remote desktop, {self.variant.access} access, models at {self.variant.models}",
            "image": self.repository,
            "tag": self.tag,
            "env": self.env,
            "onstart": ONSTART,
            "runtype": "jupyter",
            "use_ssh": True,
            "ssh_direct": True,
            "jup_direct": True,
            "jupyter_dir": "/",
            "extra_filters": {field: dict(condition) for field, condition in filters().items()},
            "recommended_disk_space": self.disk,
            "private": True,
        }


def cli_filters(application: str = APPLICATION) -> str:
    """The filters for `application` as Vast's CLI and its search box write them."""
    signs = {"eq": "=", "gte": ">=", "lt": "<"}
    words = []
    for field, condition in filters(application).items():
        for sign, value in condition.items():
            shown = value // 1000 if field == "gpu_ram" and isinstance(value, int) else value
            words.append(f"{field}{signs[sign]}{str(shown).lower()}")
    return " ".join(words)


def page(repository: str = "your_name/visomaster") -> str:
    """docs/vast.md."""
    templates = [Template(variant=variant, repository=repository) for variant in VARIANTS.values()]
    return rendered(
        "vast.md.j2",
        templates=templates,
        repository=repository,
        filters=cli_filters(),
        fusion=cli_filters(BLACKWELLS),
        onstart=ONSTART,
        url=URL,
    )


def main(arguments: list[str]) -> int:
    """Print the JSON or the page; exit status 1 with one line when an argument is refused."""
    if not arguments:
        sys.stdout.write(page())
        return 0
    try:
        if len(arguments) != 2:
            raise ValueError(f"template: expected VARIANT REPOSITORY, got {len(arguments)} words")
        name, repository = arguments
        if name not in VARIANTS:
            raise ValueError(f"variant: {name!r} is unknown, expected one of {', '.join(VARIANTS)}")
        body = Template(variant=VARIANTS[name], repository=image.own_repository(repository)).body()
    except ValueError as error:
        print(brief(error), file=sys.stderr)
        return 1
    print(json.dumps(body, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
