"""Runs in a container of the bookworm base image: makes the channel's packages from Debian's and PyPI's.

    python3 -m sandbox.repack WHEELS.txt DESTINATION

Needs python3.11, python3-pip and patchelf. Debian's Python is taken as installed, moved so that it finds its
standard library and its shared libraries relative to itself, and given back the folder names that every Conda
package relies on.
"""

from __future__ import annotations

import configparser
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from sandbox.conda import Package, write_channel

PYTHON_PACKAGES = ("python3.11-minimal", "python3.11", "libpython3.11-minimal", "libpython3.11-stdlib")
STDLIB = Path("/usr/lib/python3.11")
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
# glibc's own: every system has them, and they must be the ones of its dynamic loader.
SYSTEM_LIBRARIES = re.compile(r"(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util))\.so\.\d")
# Debian's ways that only fit /usr: its dist-packages layout, its refusal of pip, its crash reports.
DEBIAN_ONLY = {"EXTERNALLY-MANAGED", "_distutils_system_mod.py", "sitecustomize.py"}
# What Debian changed in sysconfig -> what an environment needs. (For `site` see packages/sitecustomize.py.)
SYSCONFIG = (
    ("os.environ.get('DEB_PYTHON_INSTALL_LAYOUT', 'posix_local')", "None"),
    ("            prefix_scheme = 'posix_local'", "            prefix_scheme = 'posix_prefix'"),
)
SITECUSTOMIZE = Path(__file__).parent / "packages" / "sitecustomize.py"


def main() -> int:
    """Make every package from the wheels and this system's Python, and print what is in the channel."""
    wheels, destination = Path(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        packages = [*python_packages(work), *wheel_packages(wheels, work)]
        write_channel(destination, packages)
    for package in packages:
        print(f"{package.subdir}/{package.file_name}")
    return 0


def python_packages(work: Path) -> list[Package]:
    """Return Debian's Python, and the shared libraries it needs, as two packages."""
    tree, libraries = work / "python", work / "libraries"
    _copy_python(tree)
    binaries = [tree / "bin/python3.11", *sorted(tree.glob("lib/python3.11/lib-dynload/*.so"))]
    owners = _copy_libraries(binaries, libraries / "lib")
    for binary in binaries:
        _set_rpath(binary, "$ORIGIN/../lib" if binary.parent.name == "bin" else "$ORIGIN/../..")
    glibc = f"__glibc >={_newest_glibc([*binaries, *libraries.rglob('*.so*')])}"
    upstream, _, revision = _version("python3.11-minimal").partition("-")
    build = f"debian{_word(revision)}_cpython"
    versions = " ".join(f"{name}={_version(name)}" for name in owners)
    runtime = Package(
        name="debian-libraries",
        version="12",
        build=f"h{hashlib.sha256(versions.encode()).hexdigest()[:7]}",
        subdir="linux-64",
        tree=libraries,
        depends=(glibc,),
        license="various",
        summary=f"Shared libraries of Debian 12: {versions}",
    )
    python = Package(
        name="python",
        version=upstream,
        build=build,
        subdir="linux-64",
        tree=tree,
        depends=(glibc, f"debian-libraries 12 {runtime.build}"),
        license="Python-2.0",
        summary=f"Debian's python3.11 {upstream}-{revision}, relocatable",
    )
    return [runtime, python]


def wheel_packages(requirements: Path, work: Path) -> list[Package]:
    """Download the wheels that `requirements` pins by hash and return each as a package."""
    downloads = work / "wheels"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
    ]
    subprocess.run([*pip, "--dest", str(downloads), "--requirement", str(requirements)], check=True)
    return [_wheel_package(wheel, work / wheel.stem) for wheel in sorted(downloads.glob("*.whl"))]


def _wheel_package(wheel: Path, tree: Path) -> Package:
    name, version, *_, platform = wheel.stem.split("-")
    noarch = platform == "any"
    site_packages = tree / ("site-packages" if noarch else "lib/python3.11/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site_packages)
    (information,) = site_packages.glob("*.dist-info")
    (information / "INSTALLER").write_text("conda\n")
    return Package(
        name={"nvidia_cuda_runtime_cu12": "cuda-cudart"}.get(name, name),
        version=version,
        build="py_0" if noarch else "py311_0",
        subdir="noarch" if noarch else "linux-64",
        tree=tree,
        depends=("python >=3.9",) if noarch else ("python 3.11.*", "__glibc >=2.17"),
        license="see the wheel's metadata",
        summary=f"The wheel {wheel.name}",
        noarch_python=noarch,
        entry_points=_console_scripts(information),
    )


def _console_scripts(information: Path) -> tuple[str, ...]:
    """Return a wheel's commands as Conda writes them: `name = module:function`."""
    declared = configparser.ConfigParser(delimiters=("=",))
    declared.read(information / "entry_points.txt")
    section = declared["console_scripts"] if declared.has_section("console_scripts") else {}
    return tuple(f"{name} = {target}" for name, target in section.items())


def _copy_python(tree: Path) -> None:
    """Copy what Debian's packages put into the standard library, and the interpreter, below `tree`."""
    listed = _output("dpkg", "--listfiles", *PYTHON_PACKAGES).splitlines()
    for path in sorted({Path(line) for line in listed if line.startswith(f"{STDLIB}/")}):
        outside = path.is_symlink() and path.readlink().is_absolute()
        if path.name in DEBIAN_ONLY or outside or (path.is_dir() and not path.is_symlink()):
            continue
        target = tree / "lib/python3.11" / path.relative_to(STDLIB)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)
    for old, new in SYSCONFIG:
        _edit(tree / "lib/python3.11/sysconfig.py", old, new)
    shutil.copy2(SITECUSTOMIZE, tree / "lib/python3.11/sitecustomize.py")
    # Compiled here: the environment's user may not write there. Unchecked: a package's times may change.
    compiler = [
        sys.executable,
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode=unchecked-hash",
        "-s",
        str(tree),
    ]
    subprocess.run([*compiler, str(tree / "lib/python3.11")], check=True)
    (tree / "lib/python3.11/site-packages").mkdir()
    (tree / "lib/python3.11/site-packages/README.txt").write_text("Packages of this environment.\n")
    (tree / "bin").mkdir()
    shutil.copy2("/usr/bin/python3.11", tree / "bin/python3.11")
    for alias in ("python", "python3"):
        (tree / "bin" / alias).symlink_to("python3.11")


def _edit(path: Path, old: str, new: str) -> None:
    """Replace one text; fails when Debian's file has changed, rather than ship a Python that is lost."""
    text = path.read_text()
    if text.count(old) != 1:
        raise SystemExit(f"{path.name}: expected once, found {text.count(old)} times: {old}")
    path.write_text(text.replace(old, new))


def _copy_libraries(binaries: Iterable[Path], destination: Path) -> list[str]:
    """Copy every shared library that `binaries` need, by the name asked for; return the owning packages."""
    destination.mkdir(parents=True)
    missing = {name for binary in binaries for name in _needed(binary)}
    seen: set[str] = set()
    while missing:
        name = missing.pop()
        seen.add(name)
        found = next(path for path in (LIBRARIES / name, Path("/lib/x86_64-linux-gnu") / name) if path.exists())
        shutil.copy2(found, destination / name)
        _set_rpath(destination / name, "$ORIGIN")
        missing |= set(_needed(found)) - seen
    resolved = {str((LIBRARIES / name).resolve()) for name in seen}
    candidates = {path.replace("/usr/lib/", "/lib/") for path in resolved} | resolved
    listed = subprocess.run(["dpkg", "--search", *candidates], capture_output=True, text=True, check=False).stdout
    return sorted({line.partition(":")[0] for line in listed.splitlines()})


def _needed(binary: Path) -> list[str]:
    names = _output("patchelf", "--print-needed", str(binary)).split()
    return [name for name in names if not SYSTEM_LIBRARIES.fullmatch(name)]


def _set_rpath(binary: Path, rpath: str) -> None:
    # DT_RPATH, not DT_RUNPATH: LD_LIBRARY_PATH must not put another OpenSSL in front of this one.
    subprocess.run(["patchelf", "--force-rpath", "--set-rpath", rpath, str(binary)], check=True)


def _newest_glibc(binaries: Iterable[Path]) -> str:
    """Return the newest version of glibc's symbols that `binaries` ask for."""
    found = {match for binary in binaries for match in re.findall(rb"GLIBC_(\d+)\.(\d+)", binary.read_bytes())}
    return ".".join(map(str, max((int(major), int(minor)) for major, minor in found)))


def _version(package: str) -> str:
    return _output("dpkg-query", "--show", "--showformat", "${Version}\n", package).split()[0]


def _word(text: str) -> str:
    """Return `text` with nothing in it that a Conda build string may not have."""
    return re.sub(r"[^A-Za-z0-9.]", "", text)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
