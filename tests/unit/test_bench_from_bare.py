"""What bench/from_bare.py is made of: its profile, the stages it reads from pyinfra's output, its table."""

from __future__ import annotations

import pytest

from bench import from_bare, timeline
from bench.from_bare import PROFILE
from spec import requirements
from spec.application import load_application


def test_the_profile_of_real_size_is_the_sandboxs_program_with_visomasters_requirements() -> None:
    found, sandbox, real = (load_application(name) for name in (str(PROFILE), "sandbox", "visomaster"))
    assert (found.title, found.system, found.source) == (sandbox.title, sandbox.system, sandbox.source)
    assert found.environment.channels == sandbox.environment.channels
    (wanted,) = found.accelerators
    assert wanted.cuda_libraries == real.accelerator(wanted.name).cuda_libraries
    (one,) = wanted.requirements
    assert one.file.samefile(real.accelerator(wanted.name).requirements[0].file)
    assert len(requirements.parse(one.file.read_text(), one.file.name)) > 50


OUTPUT = (
    (0.5, "--> Loading config...\n"),
    (2.0, "\x1b[34m--> Starting operation:\x1b[0m \x1b[1mSystem | Install packages\x1b[0m \n"),
    (3.0, "    apt: unpacking\n"),
    (12.0, "--> Starting operation: Environment | Install Conda environment /opt/conda/envs/visomaster \n"),
    (15.0, "--> Starting operation: Environment | Install Python packages for cu124 \n"),
    (45.0, "--> Starting operation: Environment | Put CUDA libraries on the loader path \n"),
    (46.0, "--> Starting operation: New layer | Do something \n"),
    (47.0, "--> Starting operation: Start | Start the services \n"),
    (50.0, "--> Results:\n"),
    (50.2, "--> Disconnecting from hosts...\n"),
)


def test_a_stage_lasts_until_the_next_one_begins() -> None:
    found = timeline.stages(OUTPUT, 110.0)
    expected = {"apt": 10, "Conda": 3, "packages": 31, "New layer": 1, "start": 3, timeline.COMMIT: 60}
    assert found == pytest.approx({timeline.CONNECT: 2.0, **expected})
    assert sum(found.values()) == pytest.approx(110)


def test_the_table_has_medians_and_the_goal_of_the_whole() -> None:
    slow, quick = {"apt": 20.0, from_bare.ALL: 100.0}, {"apt": 10.0, "New layer": 1.0, from_bare.ALL: 50.0}
    first, new, whole = from_bare.rows({from_bare.BESIDE: [slow], from_bare.NOW: [quick]}, 0.5)
    assert first == ["apt", "20.0 (20.0 to 20.0)", "10.0 (10.0 to 10.0)", "0.50", ""]
    assert new[3] == ""
    assert whole[3:] == ["0.50", "≤ 0.5: met"]
    assert from_bare.rows({from_bare.NOW: [quick]}, 0.5)[-1] == [from_bare.ALL, "50.0 (50.0 to 50.0)"]
