"""What counts as following: system calls as strace writes them, and whether their path could have been led astray."""

from __future__ import annotations

import pytest

from tests.drills.followed import Judge, Offence, Tree
from tests.drills.tracing import Reader

TREE = Tree(
    writable={"/app/VisoMaster": 0o755, "/app/VisoMaster/app": 0o755, "/tmp": 0o1777},
    links={"/run/program": "/app/VisoMaster", "/bin": "usr/bin", "/app/VisoMaster/link": "/etc"},
    users=frozenset({"/tmp/theirs"}),
    present=frozenset({"/tmp/roots"}),
)


def offences(*calls: str) -> list[Offence]:
    """What root is found to follow in `calls`, made one after another by one process that stands in /root."""
    lines = [f"7<sh> {number}.5 {call}" for number, call in enumerate(calls)]
    return list(Judge(tree=TREE).offences(Reader().read(lines)))


FOLLOW = {
    'openat(AT_FDCWD</root>, "/app/VisoMaster/x", O_RDONLY|O_CLOEXEC) = 3</app/VisoMaster/x>': "reads",
    'openat(AT_FDCWD</root>, "/app/VisoMaster/x", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 3</app/VisoMaster/x>': "changes",
    'openat(AT_FDCWD</root>, "/app/VisoMaster/app/x", O_RDONLY|O_NOFOLLOW) = -1 ENOENT (No such file)': "reads",
    'openat(3</app/VisoMaster>, "app/x", O_RDONLY|O_NOFOLLOW) = 4</app/VisoMaster/app/x>': "reads",
    'openat(3</app/VisoMaster/app>, "..", O_RDONLY|O_NOFOLLOW) = 4</app/VisoMaster>': "reads",
    'openat(AT_FDCWD</root>, "/run/program/x.py", O_RDONLY) = 3</app/VisoMaster/x.py>': "loads",
    'openat(3</app/VisoMaster>, "x.so.1", O_RDONLY|O_NOFOLLOW) = 4</app/VisoMaster/x.so.1>': "loads",
    'openat(AT_FDCWD</app/VisoMaster>, "x", O_RDONLY) = 3</app/VisoMaster/x>': "reads",
    'chmod("/app/VisoMaster/x", 0644) = 0': "changes",
    'mkdir("/app/VisoMaster/new/x", 0755) = -1 ENOENT (No such file or directory)': "changes",
    'rename("/root/x", "/app/VisoMaster/app/x") = 0': "changes",
    'symlink("/etc/x", "/app/VisoMaster/app/x") = 0': "changes",
    'execve("/app/VisoMaster/x", ["x"], 0x1 /* 2 vars */) = 0': "runs",
    'connect(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path="/app/VisoMaster/socket"}, 20) = 0': "reads",
    'newfstatat(AT_FDCWD</root>, "/app/VisoMaster/x", {st_mode=S_IFREG|0644, ...}, 0) = 0': "looks",
    'openat(AT_FDCWD</root>, "/tmp/foretold", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 3</tmp/foretold>': "changes",
    'openat(AT_FDCWD</root>, "/tmp/theirs", O_RDONLY) = 3</tmp/theirs>': "reads",
}

HOLD = (
    'openat(AT_FDCWD</root>, "/bin/sh", O_RDONLY) = 3</usr/bin/dash>',
    'openat(3</app/VisoMaster>, "x", O_RDONLY|O_NOFOLLOW) = 4</app/VisoMaster/x>',
    'openat(AT_FDCWD</root>, "/app/VisoMaster", O_RDONLY|O_DIRECTORY) = 3</app/VisoMaster>',
    'openat2(3</app>, "VisoMaster/app/x", {flags=O_RDONLY, resolve=RESOLVE_BENEATH}, 24) = 4</app/VisoMaster/app/x>',
    'newfstatat(3</app/VisoMaster>, "", {st_mode=S_IFREG|0644, ...}, AT_EMPTY_PATH) = 0',
    'unlink("/app/VisoMaster/x") = 0',
    'unlinkat(3</app/VisoMaster>, "x", 0) = 0',
    'lchown("/app/VisoMaster/x", 1000, 1000) = 0',
    'fchownat(3</app/VisoMaster>, "x", 1000, 1000, AT_SYMLINK_NOFOLLOW) = 0',
    'openat(AT_FDCWD</root>, "/proc/self/fd/3", O_RDONLY) = 4</app/VisoMaster/x>',
    'openat(AT_FDCWD</root>, "/tmp/roots", O_RDONLY) = 3</tmp/roots>',
    'symlink("/app/VisoMaster/x", "/run/link") = 0',
    'connect(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path=@"/tmp/abstract"}, 20) = 0',
)


@pytest.mark.parametrize("call", FOLLOW)
def test_a_call_that_could_be_led_astray(call: str) -> None:
    """By its path, by its working folder, or because the user's file would be run."""
    assert [found.kind for found in offences(call)] == [FOLLOW[call]]


@pytest.mark.parametrize("call", HOLD)
def test_a_call_that_holds(call: str) -> None:
    """By descriptor, or told to follow nothing, or in nobody else's folder."""
    assert offences(call) == []


def test_a_file_of_roots_in_a_folder_of_everybodys_stays_roots() -> None:
    """A name that nobody had before is made, then used by its path."""
    made = 'openat(AT_FDCWD</root>, "/tmp/random", O_RDWR|O_CREAT|O_EXCL, 0600) = 3</tmp/random>'
    assert offences(made, 'openat(AT_FDCWD</root>, "/tmp/random", O_RDONLY) = 4</tmp/random>') == []
    folder = 'mkdir("/tmp/random", 0700) = 0'
    assert offences(folder, 'openat(AT_FDCWD</root>, "/tmp/random/x", O_RDONLY) = 4</tmp/random/x>') == []


def test_who_gave_up_root_may_follow() -> None:
    """A child that became the user goes by its rights, the parent stays root; in whatever order they are seen."""
    read = 'openat(AT_FDCWD</>, "/app/VisoMaster/x", O_RDONLY'
    lines = [
        "7<sh> 1.0 vfork( <unfinished ...>",
        "8<sh> 1.1 setresuid(1000, 1000, 1000) = 0",
        f"8<sh> 1.2 {read} <unfinished ...>",
        "7<sh> 1.3 <... vfork resumed>) = 20<sh> /* 8 in strace's PID NS */",
        f"7<sh> 1.4 {read}) = 3</app/VisoMaster/x>",
        "8<sh> 1.5 <... openat resumed>) = 3</app/VisoMaster/x>",
    ]
    calls = list(Reader().read(lines))
    assert [call.uid for call in calls] == [1000, 0]
    assert [found.call.when for found in Judge(tree=TREE).offences(calls)] == [1.4]
