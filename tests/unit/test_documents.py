"""README and guide: every command is run by a test or listed with why not; words are explained, links lead on."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from spec.here import ROOT
from tests.documents import DOCUMENTS, block, blocks, filled

GUIDE = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
FOLLOWED = "tests/drills/test_guide.py::"
RENTED = "tests/drills/test_rent.py::test_from_nothing_to_a_desktop_and_back"
ACCOUNT = "tests/drills/test_guide_account.py::test_what_there_is_and_what_one_has"
COMPOSED = "tests/drills/test_compose.py::test_a_portal_profile_takes_its_token_from_a_file"
FOLDER_OF_ONES_OWN = "tests/drills/test_compose.py::test_a_folder_of_ones_own_is_the_workspace"
BUILT = "tests/e2e/test_dockerfile.py::test_the_host_tests_pass"

RUN: Mapping[str, str] = MappingProxyType(
    {
        # As it stands in the guide.
        "sudo apt-get update": f"{FOLLOWED}machine",
        "sudo apt-get install -y git python3-venv openssh-client rsync openssl make": f"{FOLLOWED}machine",
        "git clone https://github.com/YOUR_NAME/YOUR_REPOSITORY": f"{FOLLOWED}machine",
        "cd YOUR_REPOSITORY": f"{FOLLOWED}machine",
        "make help": f"{FOLLOWED}machine",
        "ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519": f"{FOLLOWED}machine",
        "cat ~/.ssh/id_ed25519.pub": f"{FOLLOWED}machine",
        "ssh-keygen -R '[203.0.113.7]:20022'": f"{FOLLOWED}test_an_old_box_is_forgotten",
        "ssh-keygen -f .state/known_hosts -R '[203.0.113.7]:20022'": f"{FOLLOWED}test_an_old_box_is_forgotten",
        "visomaster-credentials": f"{FOLLOWED}test_the_login_is_told_and_changed",
        "visomaster-credentials --new": f"{FOLLOWED}test_the_login_is_told_and_changed",
        "visomaster-credentials --set <file": f"{FOLLOWED}test_the_login_is_told_and_changed",
        "ssh -p SSH_PORT -L 5901:127.0.0.1:5901 root@ADDRESS": f"{FOLLOWED}test_a_tunnel_brings_a_port_of_the_box",
        "rsync --append-verify --progress -e 'ssh -p SSH_PORT' video.mp4 root@ADDRESS:/workspace/in/": (
            f"{FOLLOWED}test_a_video_goes_up_and_a_result_comes_home"
        ),
        "rsync --append-verify --progress -e 'ssh -p SSH_PORT' root@ADDRESS:/workspace/out/result.mp4 .": (
            f"{FOLLOWED}test_a_video_goes_up_and_a_result_comes_home"
        ),
        "visomaster-state save --out /workspace/home.zip": f"{FOLLOWED}test_all_to_take_home_is_in_one_file",
        "python3 -m sandbox venv": f"{FOLLOWED}deployed",
        ".venv/bin/pyinfra my-box deploy.py -y --data variant=alt": f"{FOLLOWED}deployed",
        ".venv/bin/pyinfra my-box deploy.py -y": f"{FOLLOWED}test_a_second_deploy_without_data_keeps_the_variant",
        "make verify HOST=paramiko://my-box": f"{FOLLOWED}test_the_tests_of_every_image_pass",
        "(umask 077 && mkdir -p secrets && openssl rand -hex 16 >secrets/portal_token)": (
            f"{FOLLOWED}test_a_secret_and_a_folder_for_compose"
        ),
        "sudo install -d -o 3717 -g 3717 work": f"{FOLLOWED}test_a_secret_and_a_folder_for_compose",
        ".venv/bin/pyinfra @local deploy.py -y --data variant=alt": f"{FOLLOWED}test_a_machine_that_is_nothing_else",
        "read -rs VAST_API_KEY && export VAST_API_KEY": ACCOUNT,
        "make offers VARIANT=alt MAX_PRICE=0.40 HOURS=4": ACCOUNT,
        "make boxes": ACCOUNT,
        # The same with other values, as the tests need them.
        "make up": "tests/drills/test_up.py::test_the_address_that_is_printed_opens",
        "python3 -m sandbox venv && . .venv/bin/activate": f"{FOLLOWED}deployed",
        "pyinfra @bake/debian:bookworm deploy.py -y --data variant=alt": (
            "tests/e2e/test_dockerfile.py::test_the_metadata_is_that_of_bake"
        ),
        "docker build --target alt --tag visomaster:portal-latest .": BUILT,
        "make image VARIANT=alt": "tests/drills/test_release.py::test_every_name_leads_to_what_was_tested",
        "pyinfra my-box deploy.py -y --data variant=alt": f"{FOLLOWED}deployed",
        "pyinfra @local deploy.py -y --data variant=alt": f"{FOLLOWED}test_a_machine_that_is_nothing_else",
        ".venv/bin/pyinfra inventories/vast.py deploy.py -y": (
            "tests/drills/test_live_boxes.py::test_two_boxes_of_an_account_become_their_variants"
        ),
        "make rent VARIANT=alt MAX_PRICE=0.40 HOURS=4": RENTED,
        "make open BOX=7012345": RENTED,
        "make open BOX=12345678": RENTED,
        "make end BOX=7012345": RENTED,
        "make end BOX=12345678": RENTED,
        "make verify HOST=paramiko://root@203.0.113.7:20022": (
            "tests/drills/test_live_boxes.py::test_a_host_is_verified_in_plain_words"
        ),
        "make verify HOST=local://": "tests/drills/test_live_boxes.py::test_a_host_verifies_itself",
        "make verify HOST=docker://NAME": (
            "tests/drills/test_live_boxes.py::test_args_mode_runs_our_entrypoint_as_process_1"
        ),
        "docker compose --profile alt up --detach": COMPOSED,
        "WORKSPACE=./work docker compose --profile alt up --detach": FOLDER_OF_ONES_OWN,
        "docker compose --profile alt exec alt visomaster-credentials": FOLDER_OF_ONES_OWN,
        "docker compose --profile alt down": COMPOSED,
    }
)
"""The test, or the fixture of tests, that runs a command."""

NOT_RUN: Mapping[str, str] = MappingProxyType(
    {
        "make test": "it is what runs the tests",
        "sudo nvidia-ctk runtime configure --runtime=docker": "needs NVIDIA's packages, and changes the engine",
        "sudo systemctl restart docker": "it would end the containers of all other tests",
        "sudo docker run --rm --gpus all debian nvidia-smi": "needs a GPU, and Docker Hub",
        "make image VARIANT=alt APPLICATION=fusion": "7 GB from PyPI and 8 of models; the sandbox's is built",
        ".venv/bin/pyinfra my-box deploy.py -y --data variant=alt --data application=fusion": "as above",
    }
)
"""Why no test runs a command."""

SHOWN: Mapping[str, str] = MappingProxyType(
    {
        "The authenticity of host '[203.0.113.7]:20022' can't be established.": "what ssh asks",
        "Host my-box": "a part of ~/.ssh/config",
        "FAULT  xtigervnc is STOPPED → run cell 'Repair: services'": "what a cell of the notebook shows",
    }
)
"""Blocks that are no commands, by their first lines."""


def commands() -> set[str]:
    """All that is to be typed."""
    typed = [one for name in DOCUMENTS for one in blocks(name) if one.first not in SHOWN]
    return {command for one in typed for command in one.commands()}


def test_every_command_is_run_or_said_why_not() -> None:
    assert len(commands()) > 40
    assert commands() - set(RUN) - set(NOT_RUN) == set(), "run it by a test, or say in NOT_RUN why not"


def test_what_is_listed_stands_in_the_documents() -> None:
    first = {one.first for name in DOCUMENTS for one in blocks(name)}
    assert (set(RUN) | set(NOT_RUN)) - commands() == set()
    assert set(SHOWN) <= first
    assert not set(RUN) & set(NOT_RUN)


@pytest.mark.parametrize("test", sorted(set(RUN.values())))
def test_who_runs_it_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_a_block_is_found_by_its_beginning() -> None:
    assert block("docs/guide.md", "git clone").splitlines()[-1] == "make help"
    assert block("docs/guide.md", "python3 -m sandbox venv\n") == "python3 -m sandbox venv\n"
    with pytest.raises(ValueError, match="unpack"):
        block("docs/guide.md", "make frobnicate")
    with pytest.raises(AssertionError):
        filled("ssh ADDRESS", {"PORT": "22"})


# -- words

TERM = re.compile(r"\*\*([^*]+)\*\*")


def glossary() -> str:
    """The chapter that explains the words."""
    (found,) = re.findall(r"(?ms)^## 3\. Words\n(.*?)^## ", GUIDE)
    return str(found)


def terms() -> list[str]:
    """What it explains."""
    found = [part for bold in TERM.findall(glossary()) for part in re.split(r" and |,", bold.strip(".:"))]
    return [term.strip() for term in found if term.strip() != "One word for one thing"]


def elsewhere() -> str:
    """What a person reads beside it: the guide's other chapters and README, without code."""
    text = GUIDE.replace(glossary(), "") + (ROOT / "README.md").read_text(encoding="utf-8")
    return re.sub(r"(?s)```.*?```", "", text)


def test_the_glossary_is_read() -> None:
    assert len(terms()) > 25 and {"Box", "Machine", "container", "supervisord"} <= set(terms())


@pytest.mark.parametrize("term", terms())
def test_a_word_that_is_explained_is_used(term: str) -> None:
    assert re.search(rf"(?i)\b{re.escape(term)}(?:s|ed)?\b", elsewhere()), f"{term} is explained and never used"


# -- links


def heading_anchors(text: str) -> set[str]:
    """As GitHub makes them of headings: lower case, no punctuation, dashes for spaces."""
    headings = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?ms)^ *```.*?^ *```", "", text))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    text = re.sub(r"(?ms)^ *```.*?^ *```|`[^`\n]+`", "", (ROOT / page).read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        leads = (ROOT / page).parent / file if file else ROOT / page
        assert leads.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in heading_anchors(leads.read_text(encoding="utf-8")), f"{page}: {target}"


BEGINNERS = (*DOCUMENTS, *(f"docs/{name}.md" for name in ("files", "lease", "renting", "screen", "vast")))
"""Pages on which one thing has one word, as the glossary says."""

OF_OTHERS = ("say *host* for it", "jump hosts", '"Host tests" fails', "the host tests")
"""Where *host* is somebody else's word: SSH's, a workflow's step's, the name of a folder of tests."""


@pytest.mark.parametrize("page", BEGINNERS)
def test_a_box_is_called_a_box(page: str) -> None:
    text = re.sub(r"(?ms)^ *```.*?^ *```|`[^`\n]+`|\]\([^)]*\)", "", (ROOT / page).read_text(encoding="utf-8"))
    for allowed in OF_OTHERS:
        text = re.sub(re.escape(allowed).replace(r"\ ", r"\s+"), "", text)
    assert re.findall(r"(?i).*\bhosts?\b.*", text) == []
