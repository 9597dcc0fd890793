"""The program and its models."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from visomaster_host import paths, users

from operations.as_user import as_user
from operations.checkout import pattern_of
from operations.facts.checkout import CheckoutIgnores

# Models that are fetched at first start are there when the desktop is ready.
pytestmark = pytest.mark.usefixtures("running")


def test_the_program_belongs_to_its_user(host: Any) -> None:
    """The program may write in its own folder.

    It keeps thumbnails, outputs and TensorRT engines beside its own code.

    If not: chown -R visomaster: /app/VisoMaster
    """
    others = host.check_output(f"find {paths.PROGRAM} -not -user {users.DESKTOP} -not -type l | head -n 5")
    assert others == ""


def test_the_workspace_has_its_folders(host: Any) -> None:
    """What you bring, what comes of it and what the program keeps have their folders, which the program can write.

    If not: start the container anew; a folder of somebody else's is told by visomaster-ready.
    """
    for path in (paths.INPUT, paths.OUTPUT, paths.KEPT):
        found = host.run(as_user(users.DESKTOP, 'test -d "$1" && test ! -L "$1" && test -w "$1"', str(path)))
        assert found.rc == 0, path


def test_what_the_program_keeps_outlives_it(host: Any) -> None:
    """What the program keeps lives in /workspace/state; links lead there from where it looks.

    If not: /var/log/portal/visomaster_app.log says why, at the program's last start.
    """
    facts = json.loads(host.file(str(paths.HOST)).content_string)
    for entry in facts["state"]:
        target = host.check_output(as_user(users.DESKTOP, 'readlink "$1" || true', f"{paths.PROGRAM}/{entry['path']}"))
        home = f"{paths.KEPT}/{facts['application']}/{entry['path']}"
        assert target == home or (entry["by"] and target.startswith(f"{home}/")), entry["path"]
        if entry["folder"]:
            assert host.run(as_user(users.DESKTOP, 'test -d "$1" && test -w "$1"', target)).rc == 0, target


def test_the_guide_is_there_and_no_change_of_the_program(host: Any) -> None:
    """The notebook with help is there, and git does not take it for a change of the program.

    Whoever updates the program by git is not stopped by it, and `git status` shows their own changes alone.
    """
    assert host.check_output(as_user(users.DESKTOP, 'readlink "$1"', str(paths.GUIDE_LINK))) == str(paths.GUIDE)
    hidden = (pattern_of(paths.GUIDE_LINK.name),)
    question = CheckoutIgnores().command(path=str(paths.PROGRAM), patterns=hidden, user=users.DESKTOP)
    assert host.check_output(question.get_raw_value()) == "\n".join(hidden)


def test_the_guide_is_nobodys_but_roots(host: Any) -> None:
    """The notebook with help cannot be changed by the program.

    Root runs its cells; what they find beside them is root's too.

    If not: chown -R root: /app/guide
    """
    for path, mode in ((str(paths.GUIDE), 0o644), (str(paths.GUIDE.parent), 0o755), ("/app", 0o755)):
        file = host.file(path)
        assert (file.user, file.group, file.mode) == ("root", "root", mode), path


def test_the_program_has_its_models(host: Any) -> None:
    """Every model is there and undamaged.

    Every required file is in the store with its sha256, and the program's tree leads to it.

    If not: visomaster-fetch --verify fetches what is missing or damaged.
    """
    for entry in json.loads(host.file(str(paths.MANIFEST)).content_string)["files"]:
        if entry["group"] == "required":
            path = f"{paths.PROGRAM}/{entry['path']}"
            found = host.run(as_user(users.DESKTOP, 'test -f "$1" && sha256sum <"$1"', path))
            assert found.rc == 0, entry["path"]
            assert found.stdout.split()[0] == entry["sha256"], entry["path"]


def test_ffmpeg_records(host: Any) -> None:
    """Videos can be recorded with sound, read again, and encoded by a graphics card that can.

    The program calls ffmpeg by its name, and ffplay where the distribution's is installed for it; the Windows programs
    among the assets are of no use here.

    If not: deploy.py once more, or apt-get install --reinstall ffmpeg where /usr/local/lib/visomaster/ffmpeg is missing
    """
    path = f"PATH={paths.DEPENDENCIES}:{paths.FFMPEG}:/usr/bin:/bin"
    encoders = host.check_output(f"env {path} ffmpeg -hide_banner -encoders")
    for encoder in ("libx264", "libx265", "h264_nvenc", "hevc_nvenc", "aac"):
        assert f" {encoder} " in encoders
    source = "ffmpeg -v error -f lavfi -i testsrc=d=1:s=320x240 -f lavfi -i sine=d=1"
    record = f"{source} -vf format=yuvj420p -c:v libx264 -crf 18 -c:a aac -f matroska -"
    read = "ffmpeg -v error -i - -map 0:v -map 0:a -f framecrc -"
    lines = host.check_output(as_user(users.DESKTOP, f"export {path}\n{record} | {read}")).splitlines()
    frames = {stream: sum(line.startswith(f"{stream},") for line in lines) for stream in (0, 1)}
    assert frames[0] == 25 and frames[1] > 40, frames
    if not host.file(str(paths.FFMPEG)).exists:
        assert host.run("/usr/bin/ffplay -version").rc == 0


def test_letters_of_all_the_world_are_drawn(host: Any) -> None:
    """The program shows letters of Europe and of East Asia, and emoji, rather than boxes.

    File names have them, whatever the language of the program.

    If not: apt-get install fonts-wqy-microhei fonts-noto-color-emoji, then fc-cache
    """
    script = (Path(__file__).parent / "remote/letters.py").read_text(encoding="utf-8")
    assert host.check_output(as_user(users.DESKTOP, f"{paths.PYTHON} -c {shlex.quote(script)}")) == ""


def test_latin_letters_look_as_ever(host: Any) -> None:
    """A font that was added for other letters does not take over those of Europe."""
    families = [host.check_output(f"fc-match --format=%{{family}} {kind}") for kind in ("sans-serif", "monospace")]
    assert families == ["DejaVu Sans", "DejaVu Sans Mono"]


def test_links_lead_into_the_store(host: Any) -> None:
    """The program finds its models in the models' folder.

    The store is a layer, or a volume, of its own: the tree only points to it.

    If not: visomaster-fetch --link
    """
    links = host.check_output(f"find {paths.PROGRAM}/model_assets -type l -printf '%l\\n'").split()
    # Where MODELS_DIR of this start says that it is, or where it always is.
    store = host.check_output(f"readlink /run/visomaster/models || echo {paths.MODELS}")
    assert links and all(link.startswith(f"{store}/") for link in links)
