"""The services: what supervisord runs, and what the host says of itself."""

from __future__ import annotations

import hashlib

from pyinfra import host
from pyinfra.api import deploy
from visomaster_host import paths, users
from visomaster_host.choices import ModelsAt
from visomaster_host.host import Host
from visomaster_host.service import Service
from visomaster_host.services import services_for

from operations import file, models, supervisor, tree
from spec.application import GitSource
from spec.here import GUIDE, TEMPLATES, local
from spec.settings import Settings

PROGRAM = TEMPLATES / "etc/supervisor/conf.d/program.conf.j2"


@deploy("Services")
def services(settings: Settings) -> None:
    """Everything a host needs to start: nothing is started here, but a running supervisord takes up what changed."""
    wanted = services_for(settings.variant.access, settings.variant.models)
    facts = host_facts(settings, wanted).as_json()
    file.written(
        name="Describe the host",
        text=facts,
        dest=str(paths.HOST),
        user="root",
        group="root",
        mode="644",
    )
    file.written(
        name="Configure supervisord",
        text=local(paths.SUPERVISORD_CONFIG).read_text(encoding="utf-8"),
        dest=str(paths.SUPERVISORD_CONFIG),
        user="root",
        group="root",
        mode="644",
    )
    for service in host.loop(wanted):
        file.written(
            name=f"Configure {service.name}",
            text=file.rendered(PROGRAM, service=service, made_from=made_from(service, facts, settings.port)),
            dest=f"{paths.SUPERVISOR_PROGRAMS}/{paths.PROGRAM_PREFIX}{service.name}.conf",
            user="root",
            group="root",
            mode="644",
        )
    if settings.variant.models is ModelsAt.BUILD:
        models.fetched(
            name="Link the models into the program",
            manifest=str(paths.MANIFEST),
            link=True,
            mirrors=settings.mirrors,
        )
    _guide()
    supervisor.only_programs(
        name="Remove programs of other variants",
        folder=str(paths.SUPERVISOR_PROGRAMS),
        prefix=paths.PROGRAM_PREFIX,
        names=tuple(service.name for service in wanted),
    )
    supervisor.updated(name="Take up what changed", names=tuple(service.name for service in wanted))


def _guide() -> None:
    """The notebook with help. It is root who runs its cells: it and the folder it lies in are root's, and in the
    program's folder, where people look for it, is a link."""
    file.folders(name="Make room for the guide", owners={str(paths.GUIDE.parent): "root"}, mode="755")
    file.written(
        name="Bring the guide",
        text=GUIDE.read_text(encoding="utf-8"),
        dest=str(paths.GUIDE),
        user="root",
        group="root",
        mode="644",
    )
    tree.copied(name="Bring the guide's kernel", source=local(paths.GUIDE_KERNEL), dest=str(paths.GUIDE_KERNEL))
    file.linked(
        name="Lead from the program to the guide",
        path=str(paths.GUIDE_LINK),
        target=str(paths.GUIDE),
        user=users.DESKTOP,
    )


def made_from(service: Service, facts: str, port: int) -> str:
    """A digest of what `service` is started from. As part of its configuration it makes supervisord start the service
    anew when a newer playbook or another variant brings other code, pages or `facts`; a steady one with another public
    `port` alone, and what it reads by itself."""
    whole = hashlib.sha256(str(port).encode() if service.steady else facts.encode())
    package = () if service.steady else (paths.PACKAGE,)
    for folder in (*package, *service.reads):
        whole.update(tree.digest(tree.local_files(local(folder))).encode())
    return whole.hexdigest()[:16]


def host_facts(settings: Settings, wanted: tuple[Service, ...]) -> Host:
    """What /etc/visomaster/host.json says of a host with the services `wanted`."""
    application, variant = settings.application, settings.variant
    return Host(
        application=application.name,
        commit=source.commit if isinstance(source := application.source, GitSource) else "local",
        window_title=application.title,
        access=variant.access,
        models=variant.models,
        port=settings.port,
        services=tuple(service.name for service in wanted),
        cuda_libraries=settings.accelerator.cuda_libraries,
    )
