"""Base images made from the distribution's own packages, so that no image registry is needed."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from pathlib import Path

from sandbox import apt
from sandbox.engine import build, docker, label_of
from sandbox.shell import (
    CACHE,
    INPUTS_LABEL,
    LABEL,
    REPOSITORY,
    SandboxError,
    apt_install,
    as_root,
    fingerprint,
    lock,
    run,
    step,
)

EXTRA_CERTIFICATES = Path("/usr/local/share/ca-certificates")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# OpenSSL's users, python3-requests and pip each have a variable of their own for the authorities they trust.
BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
# mmdebstrap copies the machine's resolver and name into the tree; neither belongs into an image.
LEFTOVERS = ("etc/machine-id", "etc/hostname", "etc/resolv.conf", "var/lib/dbus/machine-id")


def base_image(release: str = "bookworm") -> str:
    """Make `visomaster-sandbox/base:RELEASE` unless it is there already, and return its tag.

    Raises SandboxError for a release this project does not know, or when the image cannot be made.
    """
    if release not in apt.RELEASES:
        raise SandboxError(f"release: expected one of {', '.join(apt.RELEASES)}, got {release!r}")
    tag = f"visomaster-sandbox/base:{release}"
    sources = apt.lines_for(release, apt.machine_sources(), apt.machine_release())
    certificates = sorted(EXTRA_CERTIFICATES.rglob("*.crt"))
    recipe = bootstrap_command(release, sources, Path("-"), extra_certificates=bool(certificates))
    changes = ['CMD ["bash"]', f"LABEL {LABEL}=1"]
    if certificates:
        changes += [f"ENV {variable}={BUNDLE}" for variable in BUNDLE_VARIABLES]
    inputs = fingerprint(*recipe, *changes, *certificates)
    with lock("base"):
        if label_of("image", tag, INPUTS_LABEL) != inputs:
            _install_tools(apt.RELEASES[release])
            _import(tag, recipe, [*changes, f"LABEL {INPUTS_LABEL}={inputs}"])
    return tag


def rented_image(release: str = "bookworm") -> str:
    """Make `visomaster-sandbox/rented:RELEASE`, a bare box with sshd as rented ones are, and return its tag.

    A container of it takes root's public key from the variable AUTHORIZED_KEY and listens on port 22.
    """
    return derived_image("rented", release)


def machine_image(release: str = "bookworm") -> str:
    """Make `visomaster-sandbox/machine:RELEASE`, a machine with systemd and sshd, and return its tag."""
    return derived_image("machine", release)


def derived_image(name: str, release: str) -> str:
    """Build `sandbox/images/NAME/Dockerfile` on the base image unless that is done; return its tag."""
    base = base_image(release)
    tag = f"visomaster-sandbox/{name}:{release}"
    context = REPOSITORY / "sandbox" / "images" / name
    inputs = fingerprint(label_of("image", base, INPUTS_LABEL), context)
    with lock(name):
        if label_of("image", tag, INPUTS_LABEL) != inputs:
            with step(f"building {tag}"):
                build(context, tag, labels={LABEL: "1", INPUTS_LABEL: inputs}, arguments={"BASE": base})
    return tag


def _import(tag: str, recipe: list[str], changes: list[str]) -> None:
    """Run the recipe, which writes a tarball to standard output ("-"), and import it as an image."""
    with tempfile.TemporaryDirectory(prefix="visomaster-base-") as folder:
        tarball = Path(folder) / "root.tar"
        command = [str(tarball) if word == "-" else word for word in recipe]
        with step(f"making {tag} from the distribution's packages"):
            run(as_root(command), timeout=1200, log=CACHE / f"{tag.rpartition(':')[2]}.log")
        options = [word for change in changes for word in ("--change", change)]
        with step(f"importing {tag}"):
            docker("import", *options, tarball, tag, timeout=300)


def _install_tools(distribution: str) -> None:
    missing = []
    if not shutil.which("mmdebstrap"):
        missing.append("mmdebstrap")
    if not Path(apt.keyring(distribution)).exists():
        missing.append({"debian": "debian-archive-keyring", "ubuntu": "ubuntu-keyring"}[distribution])
    if missing:
        apt_install(missing)


def bootstrap_command(release: str, sources: list[str], tarball: Path, *, extra_certificates: bool) -> list[str]:
    """Return the mmdebstrap call that writes the release's minimal system, apt ready to use, to `tarball`.

    Without `sources` mmdebstrap takes the distribution's public archive, with updates and security.
    """
    components = ",".join(apt.COMPONENTS[apt.RELEASES[release]])
    command = ["mmdebstrap", "--variant=minbase", "--include=ca-certificates", f"--components={components}"]
    if extra_certificates:
        authorities = shlex.quote(str(EXTRA_CERTIFICATES))
        command += [
            f"--customize-hook=copy-in {authorities} {EXTRA_CERTIFICATES.parent}",
            '--customize-hook=chroot "$1" update-ca-certificates',
        ]
    command.append('--customize-hook=cd "$1" && rm -f ' + " ".join(LEFTOVERS))
    return [*command, release, str(tarball), *sources]
