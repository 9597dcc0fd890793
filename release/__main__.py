"""Command line of the release: `python -m release --help`. The Makefile's targets call it."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from visomaster_host.text import brief, printable

from release import image
from release.image import Compression, Release, ReleaseError
from spec.image import own_repository
from spec.published import state
from spec.variant import VARIANTS


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(prog="python -m release", description="Build, check and push the image of a variant.")
    top.add_argument("--variant", required=True, choices=list(VARIANTS))
    top.add_argument("--repository", required=True, help="the image's name before its tag")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="say what a push would refuse")
    build = commands.add_parser("image", help="build it")
    cache = commands.add_parser(
        "cache", help="keep the cache of what was built, with the same options, at the registry"
    )
    for command in (check, build, cache):
        command.add_argument("--base", required=True, help="the base image")
        command.add_argument("--compression", choices=["", *Compression], default="", help="of its layers (gzip)")
    for command in (build, cache):
        command.add_argument("--application", required=True)
        command.add_argument("--options", default="", type=shlex.split, help="more options of `docker build`")
    build.add_argument("--cache", choices=["", "registry"], help="read the caches that are kept at the registry")
    build.add_argument("--attest", choices=["", "yes"], help="add SBOM and provenance")
    build.add_argument("--scanner", default="", help="the image that makes the SBOM")
    verify = commands.add_parser("verify", help="run the host tests on a container of it")
    verify.add_argument("--gpu", choices=["", "all", "none"])
    commands.add_parser("push", help="push what was verified")
    return top


def main() -> int:
    """Run one command; exit status 1 with one line when it fails."""
    options = parser().parse_args()
    try:
        run(options)
    except (OSError, ReleaseError, ValueError) as error:
        print(brief(f"release: {error}"), file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Run the command of `options`. Raises `ReleaseError` or `ValueError`."""
    own_repository(options.repository)  # before git is asked: a wrong name is wrong in any checkout
    commit, changed = state()
    compression = Compression(getattr(options, "compression", "") or Compression.GZIP)
    release = Release(variant=VARIANTS[options.variant], repository=options.repository, commit=commit, changed=changed)
    match options.command:
        case "check":
            image.check(release, options.base, compression)
        case "cache":
            image.export_cache(release, options.application, options.base, options.options, compression)
        case "image":
            more = (
                *(release.cache_sources if options.cache else ()),
                *(image.attest_options(options.scanner) if options.attest else ()),
            )
            image.build(release, options.application, options.base, (*more, *options.options), compression)
        case "verify":
            image.verify(release, options.gpu)
        case "push":
            digest = image.push(release)
            print(printable(digest))
            if "GITHUB_STEP_SUMMARY" in os.environ:
                with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as file:
                    file.write(image.summary(release, digest))


if __name__ == "__main__":
    sys.exit(main())
