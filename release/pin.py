"""Renew the digests in `spec/pins/Dockerfile` where the registry can be reached: `make pin`."""

from __future__ import annotations

import re
import subprocess
import sys

from visomaster_host.text import brief, lines

from spec import pins

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(name: str) -> str:
    """The digest that a registry has for `name` (NAME:TAG) now. Raises `RuntimeError` in one line."""
    command = ["docker", "buildx", "imagetools", "inspect", name, "--format", "{{.Manifest.Digest}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RuntimeError(f"docker: {error.strerror}") from None
    found = done.stdout.strip()
    if done.returncode or not _DIGEST.fullmatch(found):
        said = (done.stderr.strip() or found or "no answer").splitlines()[0]
        if "buildx" in said or "unknown flag" in said:  # what clients without it say of its words
            raise RuntimeError("docker: this client has no buildx, which asks registries: install docker-buildx")
        raise RuntimeError(f"{name}: its registry gives no digest: {said}")
    return found


def main() -> int:
    """Write the file; exit status 1 with one line, and nothing written, when a digest cannot be had."""
    text = pins.FILE.read_text(encoding="utf-8")
    try:
        for image in pins.images(text).values():
            name = image.partition("@")[0]
            text = text.replace(image, f"{name}@{digest_of(name)}")
    except RuntimeError as error:
        print(brief(f"pin: {error}"), file=sys.stderr)
        return 1
    pins.FILE.write_text(text, encoding="utf-8")
    print(lines("\n".join(pins.images(text).values())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
