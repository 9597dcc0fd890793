"""What each layer's task is given of the settings: values alone, so that no layer reads how they came to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from visomaster_host import paths
from visomaster_host.choices import Access, ModelsAt, Screen
from visomaster_host.host import Host
from visomaster_host.services import services_for

from spec.distribution import Release, package_names
from spec.layer import Layer
from spec.packages import (
    CADDY,
    DESKTOP,
    DESKTOP_UNPACKED,
    DESKTOP_UNPACKED_PATHS,
    FFMPEG,
    LACKS_CADDY,
    PORTAL,
    PORTAL_UNPACKED,
    PORTAL_UNPACKED_PATHS,
    SCREEN,
    STREAM,
    STREAM_UNPACKED,
    STREAM_UNPACKED_PATHS,
    SYSTEM,
    VNC,
)
from spec.settings import Settings
from spec.wheels import SELKIES

Slice = Mapping[str, Any]
"""The keyword arguments of a task."""


def slice_of(layer: Layer, settings: Settings, release: Release) -> Slice:
    """What the task of `layer` is called with on a host with these `settings` that runs `release`."""
    return _SLICES[layer](settings, release)


def _system(settings: Settings, release: Release) -> Slice:
    return {
        "packages": package_names((*SYSTEM, *settings.application.system), release),
        "small_ffmpeg": FFMPEG not in settings.application.system,
        "index": settings.accelerator.index,
        "mirrors": settings.mirrors,
    }


def _environment(settings: Settings, release: Release) -> Slice:
    return {
        "prefix": str(paths.ENVIRONMENT),
        "host_lock": str(paths.ENVIRONMENT_LOCK),
        "conda_environment": settings.application.environment,
        "accelerator": settings.accelerator,
        "mirrors": settings.mirrors,
    }


def _desktop(settings: Settings, release: Release) -> Slice:
    return {
        "packages": package_names((*DESKTOP, *SCREEN[settings.screen]), release),
        "unpacked": package_names(DESKTOP_UNPACKED, release),
        "unpacked_paths": DESKTOP_UNPACKED_PATHS,
    }


def _access(settings: Settings, release: Release) -> Slice:
    kind = settings.variant.access
    portal = kind is Access.PORTAL
    stream = portal and settings.screen is Screen.TIGERVNC
    files = (STREAM_UNPACKED, STREAM_UNPACKED_PATHS) if stream else (PORTAL_UNPACKED, PORTAL_UNPACKED_PATHS)
    unpacked, unpacked_paths = files
    wanted = (*(PORTAL if portal else VNC), *(STREAM if stream else ()))
    return {
        "kind": kind,
        "packages": package_names(wanted, release),
        "repository": CADDY if portal and release in LACKS_CADDY else None,
        "unpacked": unpacked if portal else (),
        "unpacked_paths": unpacked_paths if portal else (),
        "streaming": SELKIES if stream else None,
        "index": settings.accelerator.index,
        "mirrors": settings.mirrors,
    }


def _application(settings: Settings, release: Release) -> Slice:
    application = settings.application
    return {
        "profile": application.name,
        "source": application.source,
        "kept": application.kept,
        "mirrors": settings.mirrors,
    }


def _programs(settings: Settings, release: Release) -> Slice:
    return {"manifest": settings.application.manifest}


def _models(settings: Settings, release: Release) -> Slice:
    return {
        "manifest": settings.application.manifest,
        "at_build": settings.variant.models is ModelsAt.BUILD,
        "mirrors": settings.mirrors,
    }


def _services(settings: Settings, release: Release) -> Slice:
    return {"description": host_facts(settings), "mirrors": settings.mirrors}


def _start(settings: Settings, release: Release) -> Slice:
    variant = settings.variant
    return {"access": variant.access, "models": variant.models, "screen": settings.screen}


_SLICES: Mapping[Layer, Callable[[Settings, Release], Slice]] = MappingProxyType(
    {
        Layer.SYSTEM: _system,
        Layer.ENVIRONMENT: _environment,
        Layer.DESKTOP: _desktop,
        Layer.ACCESS: _access,
        Layer.APPLICATION: _application,
        Layer.PROGRAMS: _programs,
        Layer.MODELS: _models,
        Layer.SERVICES: _services,
        Layer.START: _start,
    }
)


def host_facts(settings: Settings) -> Host:
    """What /etc/visomaster/host.json says; `s-def` and `s-alt` are the same host, so no variant is named."""
    application, variant = settings.application, settings.variant
    return Host(
        application=application.name,
        commit=application.commit,
        window_title=application.title,
        access=variant.access,
        models=variant.models,
        port=settings.port,
        tls_port=settings.tls_port,
        screen=settings.screen,
        services=tuple(each.name for each in services_for(variant.access, variant.models, settings.screen)),
        cuda_libraries=settings.accelerator.cuda_libraries,
        state=application.state,
    )
