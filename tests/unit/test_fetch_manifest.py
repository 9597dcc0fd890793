"""The model manifest: what is accepted, what is refused and how, and where it is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from visomaster_host.fetch.manifest import (
    ManifestError,
    apply_mirrors,
    load_manifest,
    parse_manifest,
    parse_mirrors,
)

from spec.application import PROFILES
from spec.manifest import as_text, main, make_manifest, read_models

MANIFESTS = Path(__file__).resolve().parents[2] / "VisoMaster/models"
GOOD = {
    "path": "model_assets/lp/x.onnx",
    "url": "https://example.com/x",
    "sha256": "ab" * 32,
    "size": None,
    "group": "required",
}


@pytest.mark.parametrize(("name", "count"), [("visomaster", 57), ("fusion", 64)])
def test_the_committed_manifests_hold_what_the_applications_name(name: str, count: int) -> None:
    manifest = load_manifest(MANIFESTS / f"{name}.json")
    assert len(manifest.group("required")) == count
    assert all(file.url.startswith("https://github.com/") for file in manifest.files)


def test_every_committed_manifest_is_good() -> None:
    for path in MANIFESTS.glob("*.json"):
        assert load_manifest(path).group("required"), path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "../etc/passwd"}, "files[0].path: expected a path like"),
        ({"path": "model_assets/../../x"}, "files[0].path"),
        ({"path": "/model_assets/x"}, "files[0].path"),
        ({"path": "model_assets"}, "files[0].path"),
        ({"path": "model_assets/.downloaded"}, "files[0].path"),
        ({"path": "model_assets//x"}, "files[0].path"),
        ({"path": "model_assets/x\n"}, "files[0].path"),
        ({"path": "model_assets/x.part"}, "files[0].path: names ending in .part"),
        ({"path": 7}, "files[0].path"),
        ({"url": "ftp://example.com/x"}, "files[0].url: expected an http(s) URL, got 'ftp://example.com/x'"),
        ({"url": "https:///x"}, "files[0].url"),
        ({"url": "http://[x/y"}, "files[0].url"),
        ({"url": "https://example.com:99999/x"}, "files[0].url"),
        ({"url": "https://example.com:8O/x"}, "files[0].url"),
        ({"url": "https://user:secret@example.com/x"}, "files[0].url: a manifest holds no credentials"),
        ({"sha256": "abc"}, "files[0].sha256: expected 64 hexadecimal digits, got 'abc'"),
        ({"sha256": None}, "files[0].sha256"),
        ({"size": -1}, "files[0].size: expected a number of bytes or null, got -1"),
        ({"size": True}, "files[0].size"),
        ({"size": "5 MB"}, "files[0].size"),
        ({"group": "extra"}, "files[0].group: expected one of required, optional, dependencies, got 'extra'"),
        ({"checksum": "x"}, "files[0].checksum: unknown field"),
        ({"url": "https://example.com/a b"}, "files[0].url: expected an http(s) URL, got 'https://example.com/a b'"),
        ({"url": "https://example.com/\x1b"}, "files[0].url"),
        (
            {"url": "ftp://user:secret@example.com/x"},
            "files[0].url: expected an http(s) URL, got 'ftp://…@example.com/x'",
        ),
        ({"url": "https://user:secret@example.com/a b"}, "files[0].url: expected an http(s) URL, got 'https://…@"),
        ({"size": 2**63}, "files[0].size"),
        ({"size": 1.5}, "files[0].size"),
        ({"path": f"model_assets/{'n' * 250}"}, "files[0].path: expected names of 240 bytes or less"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_manifest({"schema": 1, "files": [{**GOOD, **change}]})
    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)


def test_two_files_at_one_place_are_refused() -> None:
    with pytest.raises(ManifestError, match="listed twice"):
        parse_manifest({"schema": 1, "files": [GOOD, GOOD]})
    with pytest.raises(ManifestError, match="is a file and a folder of"):
        parse_manifest({"schema": 1, "files": [GOOD, {**GOOD, "path": "model_assets/lp"}]})


def test_an_unreadable_manifest_is_named(tmp_path: Path) -> None:
    for text, message in (("{", "expected JSON"), ("[]", "schema: expected 1"), ('{"schema": 1}', "files: expected")):
        (tmp_path / "m.json").write_text(text)
        with pytest.raises(ManifestError, match=message):
            load_manifest(tmp_path / "m.json")
    with pytest.raises(ManifestError, match="No such file"):
        load_manifest(tmp_path / "none.json")


def test_a_manifest_of_an_editor_of_windows_is_read(tmp_path: Path) -> None:
    text = json.dumps({"schema": 1, "files": [{**GOOD, "sha256": "AB" * 32}]}, indent=1).replace("\n", "\r\n")
    (tmp_path / "m.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert [file.sha256 for file in load_manifest(tmp_path / "m.json").files] == ["ab" * 32]


def test_the_longest_mirror_wins_and_hosts_are_whole() -> None:
    pairs = ["https://github.com=http://a:1/gh", "https://github.com/visomaster/=http://b/viso/"]
    mirrors = parse_mirrors(pairs)
    assert apply_mirrors("https://github.com/x/y", mirrors) == "http://a:1/gh/x/y"
    assert apply_mirrors("https://github.com/visomaster/z", mirrors) == "http://b/viso/z"
    assert apply_mirrors("https://github.com.evil/x", mirrors) == "https://github.com.evil/x"


@pytest.mark.parametrize("pair", ["https://x", "x=https://y", "https://x=secret", "https://x=", "=https://x"])
def test_a_wrong_mirror_is_refused_without_showing_its_target(pair: str) -> None:
    with pytest.raises(ManifestError, match="mirror: expected FROM=TO") as caught:
        parse_mirrors([pair])
    assert "secret" not in str(caught.value)


# -- made from a checkout

UPSTREAM = """
models_dir = './model_assets'
assets_repo = "https://github.com/x/y"
try:
    import tensorrt as trt
    models_trt_list = [{'local_path': f'{models_dir}/a.' + trt.__version__ + '.trt'}]
except ModuleNotFoundError:
    models_trt_list = []
models_list = [
    {"model_name": "A", "local_path": f"{models_dir}/a.onnx", "hash": "AB" * 1, "url": f"{assets_repo}/v1/a"},
]
""".replace('"AB" * 1', f'"{"AB" * 32}"')
FUSION = """
import os
from pathlib import Path
import numpy as np
models_dir = Path(__file__).resolve().parent.parent.parent / "model_assets"
os.makedirs(models_dir / "x", exist_ok=True)
POINTS = np.array([[1.0, 2.0]])
models_list: list = [
    {"model_name": "A", "local_path": f"{models_dir}/lp/a.onnx", "hash": "HASH", "url": "https://h/a"},
    {"model_name": "B", "local_path": os.path.join(models_dir, "b.onnx"), "hash": "HASH"},
]
models_list += [{"model_name": "C", "local_path": str(models_dir / "c"), "hash": "HASH", "url": "https://h/" + "c"}]
""".replace("HASH", "cd" * 32)


def test_both_ways_of_writing_the_list_are_read() -> None:
    manifest, left_out = make_manifest(read_models(UPSTREAM))
    entry = {"path": "model_assets/a.onnx", "url": "https://github.com/x/y/v1/a", "sha256": "ab" * 32}
    assert manifest["files"] == [{**entry, "size": None, "group": "required"}]
    assert not left_out
    manifest, left_out = make_manifest(
        read_models(FUSION), optional=frozenset({"model_assets/c"}), sizes={"cd" * 32: 5}
    )
    assert [(f["path"], f["group"], f["size"]) for f in manifest["files"]] == [
        ("model_assets/lp/a.onnx", "required", 5),
        ("model_assets/c", "optional", 5),
    ]
    assert left_out == ["B"]
    parse_manifest(json.loads(as_text(manifest)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "expected a list of dictionaries named models_list"),
        ("models_list = load()", "line 1: models_list: line 1: not plain data: load()"),
        ("models_list = []\nmodels_list.append({})", "line 2: models_list is changed by a call"),
        ("if True:\n    models_list = []", "line 2: models_list is assigned conditionally"),
        ("models_list = [__import__('os').system('true')]", "not plain data"),
    ],
)
def test_a_list_that_is_not_plain_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="models_data") as caught:
        read_models(text)
    assert message in str(caught.value)


def test_a_new_release_is_one_command_and_keeps_what_people_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "checkout/app/processors/models_data.py"
    source.parent.mkdir(parents=True)
    source.write_text(FUSION)
    output = tmp_path / "models.json"
    assert main([str(tmp_path / "checkout"), "--output", str(output)]) == 0
    assert capsys.readouterr().err == "manifest: left out, no URL or hash: B\n"
    data = json.loads(output.read_text())
    data["files"][0].update(size=9, group="optional")
    data["files"].append({**GOOD, "path": "dependencies/ffmpeg.exe", "group": "dependencies"})
    output.write_text(json.dumps(data))
    assert main([str(tmp_path / "checkout"), "--output", str(output)]) == 0
    files = load_manifest(output).files
    assert [(f.path, f.group, f.size) for f in files] == [
        ("model_assets/lp/a.onnx", "optional", 9),
        ("model_assets/c", "required", 9),
        ("dependencies/ffmpeg.exe", "dependencies", None),
    ]
    good = output.read_text()
    for text, new in (("https://h/a", "https://h/a b"), ("lp/a.onnx", "lp/a.part")):
        source.write_text(FUSION.replace(text, new))
        capsys.readouterr()
        assert main([str(tmp_path / "checkout"), "--output", str(output)]) == 1
        assert capsys.readouterr().err.startswith("manifest: files[0].") and output.read_text() == good
    source.write_text(FUSION)
    output.write_text("{")
    assert main([str(tmp_path / "checkout"), "--output", str(output)]) == 1
    assert (output.read_text(), capsys.readouterr().err.count("expected JSON")) == ("{", 1)


@pytest.mark.parametrize(
    ("checkout", "application", "said"),
    [
        ("", "sandbox", "say where the program is: make manifest APP=NAME CHECKOUT=FOLDER"),
        ("{}/nothing", "sandbox", "CHECKOUT={}/nothing: there is no such folder"),
        ("{}/file", "sandbox", "CHECKOUT={}/file: there is no such folder"),
        ("{}", "sandbox", "CHECKOUT={}: no checkout of VisoMaster or Fusion, it has no app/processors/models_data.py"),
        ("{}/checkout", "", "say for which program: make manifest APP=NAME CHECKOUT=FOLDER"),
        ("{}/checkout", "visomastr", "APP=visomastr: expected one of: fusion, "),
        ("{}/checkout", "../x", "APP=../x: expected one of: fusion, "),
    ],
)
def test_a_wrong_folder_or_program_is_one_line(
    checkout: str, application: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is written, nor made."""
    (tmp_path / "file").touch()
    source = tmp_path / "checkout/app/processors/models_data.py"
    source.parent.mkdir(parents=True)
    source.write_text(FUSION)
    before = {path: path.read_bytes() for path in (PROFILES / "models").iterdir()}
    assert main([checkout.format(tmp_path), "--application", application]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"manifest: {said.format(tmp_path)}") and shown.err.count("\n") == 1
    assert shown.out == "" and before == {path: path.read_bytes() for path in (PROFILES / "models").iterdir()}
