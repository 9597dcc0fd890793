"""The host as a table of contents.

`pyinfra INVENTORY deploy.py --data variant=default [--data layers=system,desktop] [--data application=sandbox]`

The only reader of `host.data`: it becomes typed settings here, and each part gets its own slice of them.
"""

from pyinfra import host
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.server import OsRelease
from visomaster_host.choices import INTERNAL_PORTS
from visomaster_host.services import services_for
from visomaster_host.text import brief

from connectors import bake, docker_notice, terminal
from connectors.data import project_data
from operations.facts.neighbours import FoundNeighbours
from spec.distribution import Release
from spec.layer import IMAGE_LAYERS, Layer
from spec.published import published_image
from spec.settings import read_settings

terminal.guard()
data = host.data.dict()
# Nothing starts in an image: a host that one of Docker's connectors made is complete without the last layer.
default_layers = IMAGE_LAYERS if "docker_identifier" in data else tuple(Layer)

try:
    settings = read_settings(project_data(data), default_layers)
    image = published_image(settings)
    release = Release.of(host.get_fact(OsRelease))
    if Layer.START in settings.layers:  # on a machine that runs, others may have taken what the services need
        variant, internal = settings.variant, INTERNAL_PORTS[settings.variant.access]
        host.get_fact(FoundNeighbours, ports=(settings.port, *internal)).refuse(
            port=settings.port,
            internal=internal,
            services=[service.name for service in services_for(variant.access, variant.models)],
        )
except ValueError as error:
    raise DeployError(brief(error)) from None  # it may name what the box says of itself

docker_notice.announce(host)
bake.describe(host, image)

application, variant = settings.application, settings.variant

# Tasks are imported where they are used: a stage of the Dockerfile mounts, and so depends on, its own task alone.
for layer in host.loop(settings.layers):
    match layer:
        case Layer.SYSTEM:
            from tasks.system import system

            system(release, application.system)
        case Layer.ENVIRONMENT:
            from tasks.environment import environment

            environment(application.environment, settings.accelerator, settings.mirrors)
        case Layer.DESKTOP:
            from tasks.desktop import desktop

            desktop(release)
        case Layer.ACCESS:
            from tasks.access import access

            access(release, variant.access, settings.mirrors)
        case Layer.APPLICATION:
            from tasks.application import application as application_task

            application_task(application, settings.mirrors)
        case Layer.PROGRAMS:
            from tasks.programs import programs

            programs(application.manifest)
        case Layer.MODELS:
            from tasks.models import models

            models(application.manifest, variant.models, settings.mirrors)
        case Layer.SERVICES:
            from tasks.services import services

            services(settings)
        case Layer.START:
            from tasks.start import start

            start(variant)
