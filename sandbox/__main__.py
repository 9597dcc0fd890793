"""Command line of the sandbox: `python3 -m sandbox --help`."""

from __future__ import annotations

import argparse
import sys

from sandbox import apt, engine
from sandbox.shell import SandboxError, say


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar; every command is quick when there is nothing to do."""
    top = argparse.ArgumentParser(prog="python3 -m sandbox", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("engine", help="get a Docker engine going and print the client to use")
    for name, text in (("base", "make the base image and print its tag"), ("rented", "the same with sshd")):
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "release", nargs="?", default="bookworm", choices=list(apt.RELEASES), metavar="RELEASE"
        )
    commands.add_parser("channel", help="make the Conda channel and print its folder")
    assets = commands.add_parser(
        "assets", help="start (up) or remove (down) the asset server; up prints its URL"
    )
    assets.add_argument("action", choices=["up", "down"])
    assets.add_argument(
        "--rate", type=int, default=0, metavar="BYTES", help="bytes per second and connection"
    )
    commands.add_parser("clean", help="remove every container and image with the sandbox's label")
    return top


def main() -> int:
    """Run one command; the result goes to standard output, what is done to standard error."""
    options = parser().parse_args()
    try:
        print(*_run(options), sep="\n", end="\n")
    except SandboxError as error:
        say(f"error: {error}")
        return 1
    return 0


def _run(options: argparse.Namespace) -> list[str]:
    # Imported here: these modules need each other's results only for their own command.
    from sandbox import assets, base, channel

    client = engine.ensure_engine()
    match options.command:
        case "engine":
            return [client]
        case "base":
            return [base.base_image(options.release)]
        case "rented":
            return [base.rented_image(options.release)]
        case "channel":
            return [str(channel.channel())]
        case "assets" if options.action == "up":
            return [assets.up(rate=options.rate)]
        case "assets":
            assets.down()
        case "clean":
            engine.remove_all()
    return []


if __name__ == "__main__":
    sys.exit(main())
