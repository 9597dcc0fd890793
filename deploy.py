"""The host as a table of contents.

`pyinfra INVENTORY deploy.py --data variant=default [--data layers=system,desktop] [--data application=sandbox]`

The only reader of `host.data`: it becomes typed settings here, and each part gets its own slice of them.
"""

from collections.abc import Callable, Iterator
from functools import partial

from pyinfra import host, logger
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.server import OsRelease
from visomaster_host.text import brief

from connectors import ahead, bake, shell, stock_docker
from controller import names, terminal, way_in
from controller.host_data import project_data
from operations.facts.described import DescribedHost
from spec.as_before import as_before
from spec.as_before import told as stays
from spec.beside import beside
from spec.distribution import Release
from spec.layer import IMAGE_LAYERS, Layer
from spec.published import published_image
from spec.settings import Settings, read_settings
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


def checks_of(settings: Settings) -> Iterator[Callable[[], None]]:
    """What keeps a host with these `settings` from being made, each of which raises then."""
    yield require_root
    if Layer.START in settings.layers:
        variant = settings.variant
        yield partial(refuse_neighbours, variant.access, variant.models, settings.screen, settings.public_ports)


names.require_host()
terminal.guard()
shell.attend()
ahead.attend()
data = host.data.dict()
given = project_data(data)
# Nothing starts in an image: a host that one of Docker's connectors made is complete without the last layer.
read = partial(read_settings, default_layers=IMAGE_LAYERS if "docker_identifier" in data else tuple(Layer))
system_of, described_of = partial(host.get_fact, OsRelease), partial(host.get_fact, DescribedHost)
try:
    kept = {}
    try:
        settings = read(given)
    except ValueError:
        if not (kept := as_before(described_of(), given)):
            raise
        settings = read({**given, **kept})
    first_asked = (ask for layer, ask in ASKED_FIRST.items() if layer in settings.layers)
    ahead.ask(system_of, described_of, *checks_of(settings), *first_asked)
    release = Release.of(system_of())
    if not kept and (kept := as_before(described_of(), given)):
        settings = read({**given, **kept})
    if kept:
        host.log_styled(stays(kept), log_func=logger.info)
    image = published_image(settings)
    for check in checks_of(settings):
        check()
except ValueError as error:
    raise DeployError(brief(error)) from None  # it may name what the box says of itself

stock_docker.attend(host)
bake.describe(host, image)
is_started = Layer.START in settings.layers
if is_started or set(IMAGE_LAYERS) <= set(settings.layers):
    made = way_in.Made(access=settings.variant.access, port=settings.port, is_started=is_started, image=image.tags[0])
    way_in.attend(host, made)

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
