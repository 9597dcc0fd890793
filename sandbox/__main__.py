"""Command line of the sandbox: `python3 -m sandbox --help`."""

from __future__ import annotations

import argparse
import sys

import spec.here  # noqa: F401 - before any virtual environment is made, the on-host package is found through it

# isort: split
from visomaster_host.text import printable

from sandbox import apt, assets, base, channel, engine, tools, venv
from sandbox.shell import SandboxError, complain


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar; every command is quick when there is nothing to do."""
    top = argparse.ArgumentParser(prog="python3 -m sandbox", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("engine", help="get a Docker engine going and print the client to use")
    for name, text in (("base", "make the base image and print its tag"), ("rented", "the same with sshd")):
        command = commands.add_parser(name, help=text)
        command.add_argument("release", nargs="?", default="bookworm", choices=list(apt.RELEASES), metavar="RELEASE")
    commands.add_parser("channel", help="make the Conda channel and print its folder")
    server = commands.add_parser("assets", help="start (up) or remove (down) the asset server; up prints its URL")
    server.add_argument("action", choices=["up", "down"])
    server.add_argument("--rate", type=int, default=0, metavar="BYTES", help="bytes per second and connection")
    desktop = commands.add_parser("up", help="bake a variant, run it and wait until it is ready")
    desktop.add_argument("--variant", default="default")
    commands.add_parser("down", help="remove what up runs, and the asset server")
    commands.add_parser("logs", help="follow the output of what up runs")
    commands.add_parser("shell", help="a root shell in what up runs")
    commands.add_parser("credentials", help="tell how to log in to what up runs")
    commands.add_parser("tools", help="install what the tests look with: a browser, an X server, …")
    commands.add_parser("venv", help="make .venv with the locked packages and this project")
    commands.add_parser("clean", help="remove every container and image with the sandbox's label, or made from one")
    return top


def main() -> int:
    """Run one command; the result goes to standard output, what is done to standard error."""
    options = parser().parse_args()
    try:
        for line in _run(options):
            print(printable(line))
    except SandboxError as error:
        for line in error.last_lines:
            print(printable(line), file=sys.stderr)
        complain(str(error))
        return 1
    return 0


def _run(options: argparse.Namespace) -> list[str]:
    if options.command == "venv":
        return [str(venv.make())]
    if options.command == "tools":
        tools.provide()
        return []
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
        case _:
            _run_desktop(options)
    return []


def _run_desktop(options: argparse.Namespace) -> None:
    # Imported here: this one reads the project's tables, which have dependencies beyond the standard library.
    from sandbox import desktop

    match options.command:
        case "up":
            desktop.up(options.variant)
        case "down":
            desktop.down()
        case "logs":
            desktop.show("logs", "--follow", desktop.running_container())
        case "shell":
            desktop.attach("exec", "--interactive", "--tty", desktop.running_container(), "bash", "--login")
        case "credentials":
            desktop.show("exec", desktop.running_container(), "visomaster-credentials")


if __name__ == "__main__":
    sys.exit(main())
