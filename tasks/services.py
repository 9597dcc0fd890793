"""The services: what supervisord runs, and what the host says of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pyinfra import host
from pyinfra.api import deploy

from operations import file, models, supervisor, tree
from spec import paths
from spec.here import FILES, GUIDE, TEMPLATES
from spec.service import Service, services_for
from spec.variant import Access, ModelsAt

PROGRAM = TEMPLATES / "etc/supervisor/conf.d/program.conf.j2"
SUPERVISORD = FILES / "etc/visomaster/supervisord.conf"
KERNEL = FILES / paths.GUIDE_KERNEL.removeprefix("/")
PACKAGE = "usr/local/lib/visomaster/visomaster_host"
EVERY = services_for(Access.PORTAL, ModelsAt.START)
READS = (
    *(PROGRAM, SUPERVISORD, GUIDE, KERNEL, FILES / PACKAGE),
    *(FILES / folder for service in EVERY for folder in service.reads),
)


@deploy("Services")
def services(
    access: Access, models_at: ModelsAt, port: int, facts: Mapping[str, object], mirrors: Mapping[str, str]
) -> None:
    """Everything a host needs to start: nothing is started here, but a running supervisord takes up what changed.

    `facts` are what the host says of itself.
    """
    wanted = services_for(access, models_at)
    description = json.dumps(facts, indent=2) + "\n"
    file.written(
        name="Describe the host",
        text=description,
        dest=paths.HOST_FACTS,
        user="root",
        group="root",
        mode="644",
    )
    file.written(
        name="Configure supervisord",
        text=SUPERVISORD.read_text(encoding="utf-8"),
        dest=paths.SUPERVISORD_CONF,
        user="root",
        group="root",
        mode="644",
    )
    for service in host.loop(wanted):
        file.written(
            name=f"Configure {service.name}",
            text=file.rendered(PROGRAM, service=service, made_from=made_from(service, description, port)),
            dest=f"{paths.SUPERVISOR_PROGRAMS}/{paths.PROGRAM_PREFIX}{service.name}.conf",
            user="root",
            group="root",
            mode="644",
        )
    if models_at is ModelsAt.BUILD:
        models.fetched(
            name="Link the models into the program",
            manifest=paths.MANIFEST,
            link=True,
            mirrors=mirrors,
        )
    _guide()
    supervisor.only_programs(
        name="Remove programs of other variants",
        folder=paths.SUPERVISOR_PROGRAMS,
        prefix=paths.PROGRAM_PREFIX,
        names=tuple(service.name for service in wanted),
    )
    supervisor.updated(name="Take up what changed", names=tuple(service.name for service in wanted))


def _guide() -> None:
    """The notebook with help. It is root who runs its cells: it and the folder it lies in are root's, and in the
    program's folder, where people look for it, is a link."""
    file.folders(name="Make room for the guide", owners=dict.fromkeys(paths.GUIDE_FOLDERS, "root"), mode="755")
    file.written(
        name="Bring the guide",
        text=GUIDE.read_text(encoding="utf-8"),
        dest=paths.GUIDE,
        user="root",
        group="root",
        mode="644",
    )
    tree.copied(
        name="Bring the guide's kernel",
        source=KERNEL,
        dest=paths.GUIDE_KERNEL,
    )
    file.linked(name="Lead from the program to the guide", path=paths.GUIDE_LINK, target=paths.GUIDE, user=paths.USER)


def made_from(service: Service, facts: str, port: int) -> str:
    """A digest of what `service` is started from. As part of its configuration it makes supervisord start the service
    anew when a newer playbook or another variant brings other code, pages or `facts`; a steady one with another public
    `port` alone, and what it reads by itself."""
    whole = hashlib.sha256(str(port).encode() if service.steady else facts.encode())
    package = () if service.steady else (PACKAGE,)
    for folder in (*package, *service.reads):
        whole.update(tree.digest(tree.local_files(FILES / folder)).encode())
    return whole.hexdigest()[:16]
