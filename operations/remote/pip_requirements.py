"""Run pip on the target for one requirement set: calm lines while it works, one line when it fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from operations.remote.pip_environment import pip_environment

SITE = "import sysconfig; print(sysconfig.get_path('purelib'))"


def run(request: Mapping[str, Any]) -> int:
    """Install what the request lists; 0, or 1 after one line on stderr.

    Keys: python, lines (of the set), missing (their number), locked, constraints (lines), index (the one they come
    from: a URL, or `default`), build (names of packages that are built from source).
    """
    os.umask(0o022)
    python = request["python"]
    try:
        site = subprocess.run([python, "-I", "-c", SITE], capture_output=True, text=True, check=True)
        environment = pip_environment(python, request["index"])
        remove_remains(Path(site.stdout.strip()))
        print(f"packages: {request['missing']} to install", flush=True)
        with tempfile.TemporaryDirectory(prefix="visomaster-pip.") as work:
            status, output = follow(pip_command(request, Path(work)), environment)
    except subprocess.CalledProcessError as error:
        status, output = 1, f"{error.stdout}\n{error.stderr}".splitlines()
    except OSError as error:
        status, output = 1, [f"ERROR: {error}"]
    if status:
        print(f"packages: {reason(output)}", file=sys.stderr, flush=True)
    return 1 if status else 0


def remove_remains(site: Path) -> None:
    """Remove what a killed pip left: `~…` are packages it had moved aside (gigabytes of CUDA libraries,
    perhaps); a `.dist-info` with neither INSTALLER nor RECORD is a package it had not finished, which it
    refuses to replace."""
    for path in site.glob("~*"):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for info in site.glob("*.dist-info"):
        if not (info / "RECORD").exists() and not (info / "INSTALLER").exists():
            shutil.rmtree(info)


def pip_command(request: Mapping[str, Any], work: Path) -> list[str]:
    """The call of pip, its files written to the folder `work`.

    A wheel is unpacked; the source of a package is a program that runs as root, so only those named in `build` are
    built, with what is installed instead of what an index has. A locked set is installed as it is, without a look at
    dependencies.
    """
    listed, constraints = work / "requirements.txt", work / "constraints.txt"
    listed.write_text("\n".join(request["lines"]) + "\n", encoding="utf-8")
    constraints.write_text("\n".join(request["constraints"]) + "\n", encoding="utf-8")
    command = [request["python"], "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    command += ["--no-cache-dir", "--progress-bar", "off", "--no-warn-script-location", "--root-user-action", "ignore"]
    command += ["--only-binary", ":all:"]
    if request["build"]:
        command += ["--no-build-isolation", "--no-binary", ",".join(request["build"])]
    command += ["--require-hashes", "--no-deps"] if request["locked"] else ["--constraint", str(constraints)]
    return [*command, "--requirement", str(listed)]


def follow(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, list[str]]:
    """Run pip and pass on what a person waits for; its status and all its lines."""
    lines = []
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            progress = progress_of(line)
            if progress:
                print(f"packages: {progress}", flush=True)
    return process.returncode, lines


def progress_of(line: str) -> str | None:
    """What a line of pip's tells somebody who waits, or None."""
    download = re.match(r"\s*Downloading (?:\S*/)?([^/\s]+) \((.+)\)", line)
    if download:
        return f"downloading {download[1]}, {download[2]}"
    if line.startswith("Installing collected packages:"):
        return f"installing {line.count(',') + 1}"
    return None


def reason(lines: Sequence[str]) -> str:
    """Why pip failed, in one line."""
    text = "\n".join(lines)
    mismatch = re.search(r"^\s*(\S+).* from .*\n\s*Expected sha", text, re.MULTILINE)
    if mismatch:
        return f"{mismatch[1]}: its sha256 is not the one in the requirement set"
    if "No space left on device" in text:
        return "no space left on device: free some and run again"
    if "No module named pip" in text:
        return "the environment has no pip: add it to the profile's specs"
    nothing = re.search(r"^ERROR: (No matching distribution found for .*)$", text, re.MULTILINE)
    if nothing:
        unreachable = re.search(r"(Failed to establish a new connection|Name or service not known)", text)
        return f"{nothing[1]} (its index {'cannot be reached' if unreachable else 'has no wheel for this Python'})"
    errors = [line for line in lines if line.startswith("ERROR:")] or [line for line in lines if line.strip()]
    return errors[-1].removeprefix("ERROR:").strip() if errors else "pip failed without a message"
