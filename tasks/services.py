"""The services: what supervisord runs, and what the host says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyinfra import host
from pyinfra.api import deploy
from visomaster_host import paths, users
from visomaster_host.choices import PORT, TLS_PORT, ModelsAt
from visomaster_host.host import Host
from visomaster_host.service import Service
from visomaster_host.services import known, services_of, source_of

from operations import file, models, supervisor, tree
from operations.facts.supervisor import RunningConfiguration
from spec.closure import closure
from spec.folder import LocalFile, digest, local_files
from spec.here import GUIDE, TEMPLATES, local

PROGRAM = TEMPLATES / "etc/supervisor/conf.d/program.conf.j2"
SUPERVISORD = local(paths.SUPERVISORD_CONFIG)
KERNEL = local(paths.GUIDE_KERNEL)
READS = (
    *(PROGRAM, SUPERVISORD, GUIDE, KERNEL, local(paths.PACKAGE)),
    *(local(folder) for service in known().values() for folder in service.reads),
)


@deploy("Services")
def services(description: Host, mirrors: Mapping[str, str]) -> None:
    """Everything the host so described needs to start: nothing is started here, but a running supervisord takes up what
    changed."""
    wanted = services_of(description)
    configured = {service.name: configuration(service, description) for service in wanted}
    _warn_of_restarts([service for service in wanted if service.holds_work], configured)
    file.written(
        name="Describe the host",
        text=description.as_json(),
        dest=str(paths.HOST),
        user="root",
        group="root",
        mode="644",
    )
    file.written(
        name="Configure supervisord",
        text=SUPERVISORD.read_text(encoding="utf-8"),
        dest=str(paths.SUPERVISORD_CONFIG),
        user="root",
        group="root",
        mode="644",
    )
    for service in host.loop(wanted):
        file.written(
            name=f"Configure {service.name}",
            text=configured[service.name],
            dest=f"{paths.SUPERVISOR_PROGRAMS}/{paths.PROGRAM_PREFIX}{service.name}.conf",
            user="root",
            group="root",
            mode="644",
        )
    if description.models is ModelsAt.BUILD:
        models.fetched(
            name="Link the models into the program",
            manifest=str(paths.MANIFEST),
            link=True,
            mirrors=mirrors,
        )
    _guide()
    supervisor.only_programs(
        name="Remove programs of other variants",
        folder=str(paths.SUPERVISOR_PROGRAMS),
        prefix=paths.PROGRAM_PREFIX,
        names=tuple(service.name for service in wanted),
    )
    supervisor.updated(
        name="Take up what changed",
        names=tuple(service.name for service in wanted),
        holding_work=tuple(service.name for service in wanted if service.holds_work),
    )


def running_configuration() -> Mapping[str, str]:
    """The digest of what supervisord runs of each of our services by, by its name; empty where it does not run."""
    return host.get_fact(RunningConfiguration, folder=str(paths.SUPERVISOR_PROGRAMS), prefix=paths.PROGRAM_PREFIX)


def _warn_of_restarts(services: Sequence[Service], configured: Mapping[str, str]) -> None:
    """Say it in the plan where a running one of `services`, which is configured otherwise now, will be stopped."""
    running = running_configuration()
    wanted = {one.name: hashlib.sha256(configured[one.name].encode()).hexdigest() for one in services}
    supervisor.warn_of_restarts([name for name, digest in wanted.items() if running.get(name, digest) != digest])


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
    tree.copied(name="Bring the guide's kernel", source=KERNEL, dest=str(paths.GUIDE_KERNEL), own=True)
    file.linked(
        name="Lead from the program to the guide",
        path=str(paths.GUIDE_LINK),
        target=str(paths.GUIDE),
        user=users.DESKTOP,
    )


def configuration(service: Service, description: Host) -> str:
    """What supervisord is told of `service` on the host so described."""
    return file.rendered(PROGRAM, service=service, made_from=started_from(service, description))


def started_from(service: Service, description: Host) -> str:
    """`made_from` of `service` on the host so described. Another public port is nothing to one that is not given it,
    such as the program a person works with; another state of the program is something to that alone."""
    given_port = service.public == description.access
    tls_port = TLS_PORT if description.tls_port else 0
    given = description if given_port else replace(description, port=PORT[description.access], tls_port=tls_port)
    if service.directory != paths.PROGRAM:
        given = replace(given, commit="")
    return made_from(service, given.as_json(), given.public_ports)


def made_from(service: Service, facts: str, ports: Sequence[int]) -> str:
    """A digest of what `service` is started from. As part of its configuration it makes supervisord start the service
    anew when a newer playbook or another variant brings other code, pages or `facts`; a steady one with other public
    `ports` alone, and what it reads by itself."""
    whole = hashlib.sha256(" ".join(map(str, ports)).encode() if service.steady else facts.encode())
    whole.update(digest(_sources(service)).encode())
    return whole.hexdigest()[:16]


def _sources(service: Service) -> Mapping[str, LocalFile]:
    """What `service` is started from: its own file and its programs, all that these import, and what they read."""
    code = [] if service.steady else [local(paths.PACKAGE) / "run_service.py", source_of(service)]
    found: dict[str, LocalFile] = {}
    for path in map(local, service.reads):
        if path.is_dir():
            found |= {f"{path.name}/{name}": file for name, file in local_files(path, own=True).items()}
        elif path.suffix == ".py":
            code.append(path)
        else:
            found[path.name] = LocalFile(path=path, executable=True, own=True)
    for path in closure(*code):
        name = path.as_posix().rpartition(f"/{paths.PACKAGE.name}/")[2]
        found[name] = LocalFile(path=path, executable=False, own=True)
    return found
