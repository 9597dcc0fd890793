"""What the engines' own code says of files: runs in their environment, prints a line of JSON for each file it is given.

`python -I engines.py ENGINE=FILE...`; `error` is null where the engine takes the file.
"""

import json
import sys
from pathlib import Path


def kubernetes(text):
    """Every document by the schemas that Kubernetes publishes, none of whose fields may be unknown."""
    import kubernetes_validate
    import yaml

    for document in yaml.safe_load_all(text):
        kubernetes_validate.validate(document, "1.37", strict=True)


def dstack(text):
    """The parser of `dstack apply`."""
    import yaml
    from dstack._internal.core.models.configurations import parse_apply_configuration

    parse_apply_configuration(yaml.safe_load(text))


def skypilot(text):
    """The parser of `sky launch`, which is given the secrets."""
    import sky
    import yaml

    names = yaml.safe_load(text).get("secrets", {})
    config = yaml.safe_load(text)
    sky.Task.from_yaml_config(config, secrets_overrides=[(name, "x") for name in names])


def main(arguments):
    """A line for each file."""
    for argument in arguments:
        engine, _, path = argument.partition("=")
        try:
            {"kubernetes": kubernetes, "dstack": dstack, "skypilot": skypilot}[engine](Path(path).read_text())
            error = None
        except Exception as found:
            error = f"{type(found).__name__}: {found}"
        print(json.dumps({"file": argument, "error": error}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
