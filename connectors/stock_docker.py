"""What the stock `@docker/…` connector does not say about the image, or the container, that it leaves."""

from __future__ import annotations

from pyinfra import logger
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State
from pyinfra.connectors.docker import DockerConnector


class DockerNotice(BaseStateCallback):
    """Speaks when a host is left: the last thing that pyinfra does."""

    @staticmethod
    def host_disconnect(state: State, host: Host) -> None:
        """Say what the image of `@docker/IMAGE` lacks, and how to get it."""
        connector = host.connector
        if type(connector) is not DockerConnector or connector.no_stop:
            return
        variant = host.data.get("variant", "default")
        logger.warning(
            f"{host.print_prefix}pyinfra's @docker leaves an untagged image without an entrypoint;"
            f" for a finished one run: pyinfra @bake/{connector.data['docker_identifier']} deploy.py"
            f" --data variant={variant}"
        )


def attend(host: Host) -> None:
    """Keep a container of the user's own, and have the notice printed at the end of the run, once for each image that
    `@docker/IMAGE` makes."""
    connector = host.connector
    if type(connector) is not DockerConnector:
        return
    if connector.container_id == connector.data["docker_identifier"]:
        # A container of the user's own. pyinfra 3.10 removes one that it found stopped.
        connector.no_stop = True
    if not any(isinstance(handler, DockerNotice) for handler in host.state.callback_handlers):
        host.state.add_callback_handler(DockerNotice())
