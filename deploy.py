"""The host as a table of contents.

`pyinfra INVENTORY deploy.py --data variant=default [--data layers=system,desktop] [--data application=sandbox]`

The only reader of `host.data`: it becomes typed settings here, and each part gets its own slice of them.
"""

from functools import partial

from pyinfra import host
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.server import OsRelease
from visomaster_host.text import brief

from connectors import ahead, bake, shell, stock_docker
from controller import terminal, way_in
from controller.host_data import project_data
from spec.beside import beside
from spec.distribution import Release
from spec.layer import IMAGE_LAYERS, Layer
from spec.published import published_image
from spec.settings import read_settings
from spec.slices import slice_of
from tasks.access import access
from tasks.application import application
from tasks.beside import first, models_begun, models_waited, packages_begun, packages_waited
from tasks.desktop import desktop
from tasks.environment import environment
from tasks.models import models
from tasks.programs import programs
from tasks.services import running_configuration, services
from tasks.start import has_systemd, refuse_neighbours, require_root, start
from tasks.system import refuse_strangers, system

TASKS = {
    Layer.PROGRAMS: programs,
    Layer.ENVIRONMENT: environment,
    Layer.SYSTEM: system,
    Layer.DESKTOP: desktop,
    Layer.ACCESS: access,
    Layer.APPLICATION: application,
    Layer.MODELS: models,
    Layer.SERVICES: services,
    Layer.START: start,
}
ASKED_FIRST = {
    Layer.SYSTEM: refuse_strangers,
    Layer.SERVICES: running_configuration,
    Layer.START: has_systemd,
}
"""What tasks ask while the run is planned."""

terminal.guard()
shell.attend()
ahead.attend()
data = host.data.dict()
try:
    # Nothing starts in an image: a host that one of Docker's connectors made is complete without the last layer.
    settings = read_settings(project_data(data), IMAGE_LAYERS if "docker_identifier" in data else tuple(Layer))
    image, variant = published_image(settings), settings.variant
    system_of = partial(host.get_fact, OsRelease)
    checks = [require_root]
    if Layer.START in settings.layers:
        checks.append(
            partial(refuse_neighbours, variant.access, variant.models, settings.screen, settings.public_ports)
        )
    ahead.ask(system_of, *checks, *(ask for layer, ask in ASKED_FIRST.items() if layer in settings.layers))
    release = Release.of(system_of())
    for check in checks:
        check()
except ValueError as error:
    raise DeployError(brief(error)) from None  # it may name what the box says of itself

stock_docker.attend(host)
bake.describe(host, image)
if Layer.START in settings.layers:
    way_in.attend(host)

early = beside(settings, release)
if early.first:
    first(early.first)
if early.packages:
    packages_begun(early.packages, early.unpacked)
for layer, task in host.loop(TASKS.items()):  # all of them: a layer has the same place on each host of a run
    if layer is Layer.MODELS and early.models:
        models_waited()
    if layer in settings.layers:
        waiting = layer is Layer.ENVIRONMENT and early.packages
        task(**slice_of(layer, settings, release), **({"before_loader": packages_waited} if waiting else {}))
    if layer is Layer.PROGRAMS and early.models:
        models_begun(settings.application.manifest, settings.mirrors)
