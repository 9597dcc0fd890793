"""How an image's metadata is checked and written down; what engines make of it is seen end to end."""

from __future__ import annotations

from typing import Any

import pytest

from spec.image import Healthcheck, ImageConfig, own_repository, repository

CHECK = Healthcheck(command=("ready", "--all"), interval=30, timeout=10, start_period=120, retries=3)


def image(**changes: Any) -> ImageConfig:
    """A valid image, changed."""
    return ImageConfig(**{"tags": ("desk:latest",), "entrypoint": ("/start",), **changes})


def test_every_field_becomes_an_instruction() -> None:
    """Nothing that the description says gets lost, and the order is the same in every run."""
    described = image(
        cmd=("--now",),
        env={"B": "2", "A": "1"},
        labels={"org.opencontainers.image.title": "Desk"},
        exposed_ports=(5901, 11111),
        volumes=("/var/own", "/run/own"),
        healthcheck=CHECK,
        workdir="/workspace",
        user="visomaster:video",
    )
    assert described.instructions() == (
        'ENV A="1"',
        'ENV B="2"',
        'LABEL org.opencontainers.image.title="Desk"',
        "EXPOSE 5901/tcp",
        "EXPOSE 11111/tcp",
        'VOLUME ["/var/own", "/run/own"]',
        "WORKDIR /workspace",
        "USER visomaster:video",
        'HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 CMD ["ready", "--all"]',
        'ENTRYPOINT ["/start"]',
        'CMD ["--now"]',
    )


def test_both_routes_share_the_instructions() -> None:
    """`docker commit` and the Dockerfile cannot drift apart."""
    described = image(env={"A": "1"}, healthcheck=CHECK)
    assert described.commit_changes()[::2] == ("--change",) * len(described.instructions())
    assert described.commit_changes()[1::2] == described.instructions()
    assert tuple(described.dockerfile_lines().splitlines()) == described.instructions()


def test_the_least_description_resets_what_a_container_had() -> None:
    """A baked container ran `sleep` as root: its entrypoint, command, user and folder must not stay."""
    assert image().instructions() == ("WORKDIR /", "USER root", 'ENTRYPOINT ["/start"]', "CMD []")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", '""'),
        ("two words", '"two words"'),
        ('say "hi"', r'"say \"hi\""'),
        ("$HOME ${X:-y}", r'"\$HOME \${X:-y}"'),
        ("C:\\dir\\", r'"C:\\dir\\"'),
        ("it's # = `x` é", '"it\'s # = `x` é"'),
    ],
)
def test_values_keep_every_character(value: str, written: str) -> None:
    """Backslash, quote and dollar mean something between a Dockerfile's double quotes; nothing else does."""
    described = image(env={"A": value}, labels={"a.b": value})
    assert described.instructions()[:2] == (f"ENV A={written}", f"LABEL a.b={written}")


def test_commands_are_in_exec_form() -> None:
    """Words reach the program as they are, without a shell between."""
    assert image(entrypoint=("/a b", 'q"$X\n')).instructions()[-2] == r'ENTRYPOINT ["/a b", "q\"$X\n"]'


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tags": ()}, "image tags: expected at least one"),
        ({"tags": ("desk",)}, "image tag: expected name:tag in lower case, got 'desk'"),
        ({"tags": ("Desk:latest",)}, "image tag: "),
        ({"tags": ("desk:a b",)}, "image tag: "),
        ({"tags": ("--all:x",)}, "image tag: "),
        ({"entrypoint": ()}, "image entrypoint: "),
        ({"env": {"A-B": "1"}}, "image env: expected a variable's name, got 'A-B'"),
        ({"env": {"A": "1\nUSER x"}}, "image env A: expected one line"),
        ({"labels": {"a b": "1"}}, "image label: "),
        ({"labels": {"a": "1\n2"}}, "image label a: expected one line"),
        ({"labels": {"a": "1\r"}}, "image label a: expected one line"),
        ({"exposed_ports": (0,)}, "image exposed port: expected 1 to 65535, got 0"),
        ({"workdir": "work"}, "image workdir: expected an absolute path, got 'work'"),
        ({"workdir": "/$HOME"}, "image workdir: "),
        ({"user": "a b"}, "image user: "),
    ],
)
def test_what_an_engine_would_misread_is_refused(changes: dict[str, Any], message: str) -> None:
    """The mistake is named before an hour of baking, in one line."""
    with pytest.raises(ValueError, match=message) as caught:
        image(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "tag",
    ["desk:latest", "a/b/c:1", "registry.example:5000/team/d:s-0a1b", "Example.com/x:Y", "a__b-c.d:_"],
)
def test_names_of_every_registry_are_accepted(tag: str) -> None:
    """A reference may begin with a registry's host and port."""
    assert image(tags=(tag,)).tags == (tag,)


REFUSED = [
    *("JaneDoe/visomaster", "jane/Visomaster", "jane@example.org/visomaster", "a b/c", "", "/x", "x/", "a//b", "-a/b"),
    *(
        "a..b/c",
        "a___b",
        "a._b/c",
        "a/-b",
        "a/b-",
        "x:latest",
        "x/y:1",
        "x\n",
        "https://x/y",
        "localhost:5000/X",
        "a;b/c",
    ),
    *("registry.example:port/x", "-registry.example/x", "é/x", "a" * 256, "0" * 64, "x@sha256:" + "0" * 64),
]
GOOD = [
    *("visomaster", "jane/visomaster", "jane--doe/x", "a__b.c-d", "registry.example:5000/team/d", "Example.com/x"),
    *("localhost/x", "localhost:5000/x", "[::1]:5000/x", "127.0.0.1:5000/a/b/c"),
]


@pytest.mark.parametrize("name", REFUSED)
def test_a_repository_that_no_engine_takes_is_refused(name: str) -> None:
    """An engine says so after the bake."""
    with pytest.raises(
        ValueError, match=r"^repository: expected an image's name in lower case, without a tag"
    ) as refused:
        repository(name)
    assert repr(name) in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["YOUR_NAME/visomaster", "your_name/visomaster", "registry.example/Your-Name/x"])
def test_a_name_of_the_guide_s_own_is_to_be_replaced(name: str) -> None:
    """Whether it is copied as it stands or brought into lower case."""
    with pytest.raises(
        ValueError, match=r"^repository: \S+ stands for your own name at Docker Hub: write that instead"
    ):
        own_repository(name)
    assert own_repository("jane/visomaster") == "jane/visomaster"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("My_Name/visomaster", " (names at Docker Hub are lower case: my_name/visomaster)"),
        ("jane/visomaster ", " (there is a blank at its end or beginning)"),
        ("jane@example.org/visomaster", " (is DOCKERHUB_USERNAME an e-mail address? It is the account's name)"),
    ],
)
def test_what_is_meant_is_said(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match="repository: ") as refused:
        own_repository(name)
    assert str(refused.value).endswith(f"got {name!r}{hint}")


@pytest.mark.parametrize("name", GOOD)
def test_a_repository_that_engines_take_is_taken(name: str) -> None:
    assert repository(name) == name


@pytest.mark.parametrize("field", ["interval", "timeout", "start_period", "retries"])
def test_a_healthcheck_says_its_times(field: str) -> None:
    """0 would mean the engine's default, not zero."""
    times = {"interval": 30, "timeout": 10, "start_period": 120, "retries": 3, field: 0}
    with pytest.raises(ValueError, match=f"healthcheck {field}: expected 1 or more, got 0"):
        Healthcheck(command=("ready",), **times)
