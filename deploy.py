"""The host as a table of contents.

`pyinfra INVENTORY deploy.py --data variant=default [--data layers=system,desktop] [--data application=sandbox]`

The only reader of `host.data`: it becomes typed settings here, and each part gets its own slice of them.
"""

from pyinfra import host
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.server import OsRelease
from visomaster_host.text import brief

from connectors import ahead, bake, shell, stock_docker
from controller import terminal, way_in
from controller.host_data import project_data
from spec.distribution import Release
from spec.layer import IMAGE_LAYERS, Layer
from spec.published import published_image
from spec.settings import read_settings
from spec.slices import slice_of
from tasks.access import access
from tasks.application import application
from tasks.desktop import desktop
from tasks.environment import environment
from tasks.models import models
from tasks.programs import programs
from tasks.services import services
from tasks.start import refuse_neighbours, require_root, start
from tasks.system import system

TASKS = {
    Layer.SYSTEM: system,
    Layer.ENVIRONMENT: environment,
    Layer.DESKTOP: desktop,
    Layer.ACCESS: access,
    Layer.APPLICATION: application,
    Layer.PROGRAMS: programs,
    Layer.MODELS: models,
    Layer.SERVICES: services,
    Layer.START: start,
}

terminal.guard()
shell.attend()
ahead.attend()
data = host.data.dict()
try:
    # Nothing starts in an image: a host that one of Docker's connectors made is complete without the last layer.
    settings = read_settings(project_data(data), IMAGE_LAYERS if "docker_identifier" in data else tuple(Layer))
    image, release = published_image(settings), Release.of(host.get_fact(OsRelease))
    require_root()
    if Layer.START in settings.layers:
        variant = settings.variant
        refuse_neighbours(variant.access, variant.models, settings.screen, settings.public_ports)
except ValueError as error:
    raise DeployError(brief(error)) from None  # it may name what the box says of itself

stock_docker.attend(host)
bake.describe(host, image)
if Layer.START in settings.layers:
    way_in.attend(host)

for layer, task in host.loop(TASKS.items()):  # all of them: a layer has the same place on each host of a run
    if layer in settings.layers:
        task(**slice_of(layer, settings, release))
