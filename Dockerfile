# VisoMaster. Rendered by `make dockerfile` from templates/Dockerfile.j2 and the tables in spec/: edit those.
#
#   docker build --target alt --tag visomaster:portal-latest .
#
# One layer for each part of the host, the part that changes least first. A layer's stage mounts a folder with pyinfra
# and what that layer reads, nothing else: an edit rebuilds from that layer on. The mount is under /dev/shm, the one
# place where it leaves no empty folder behind, so neither pyinfra nor this repository enters the image.
ARG BASE=debian:bookworm-slim@sha256:3783cc01769c7b2b1b83a5c5ad96c815348e28ed7da68e2e3687004faa906251

# pyinfra runs on the image's own Python, which the services need as well.
FROM ${BASE} AS base
USER root
RUN export DEBIAN_FRONTEND=noninteractive \
    && apt-get update -qq \
    && apt-get install -qq -y --no-install-recommends ca-certificates python3 >/dev/null \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
       /var/log/apt/* /var/log/*.log

FROM base AS playbook
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends python3-venv >/dev/null
COPY requirements.txt /playbook/
RUN python3 -m venv /playbook/venv \
    && /playbook/venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes \
       --only-binary :all: -r /playbook/requirements.txt
COPY connectors /playbook/connectors
COPY operations /playbook/operations
COPY spec /playbook/spec
COPY deploy.py /playbook/deploy.py
COPY tasks/__init__.py /playbook/tasks/__init__.py
COPY files/usr/local/lib/visomaster/visomaster_host/__init__.py /playbook/files/usr/local/lib/visomaster/visomaster_host/__init__.py
COPY files/usr/local/lib/visomaster/visomaster_host/text.py /playbook/files/usr/local/lib/visomaster/visomaster_host/text.py
COPY VisoMaster/visomaster.toml /playbook/VisoMaster/visomaster.toml

FROM playbook AS playbook-system
COPY tasks/system.py /playbook/tasks/system.py

FROM playbook AS playbook-environment
COPY VisoMaster/requirements/visomaster-cpu-torch.txt /playbook/VisoMaster/requirements/visomaster-cpu-torch.txt
COPY VisoMaster/requirements/visomaster-cpu.txt /playbook/VisoMaster/requirements/visomaster-cpu.txt
COPY VisoMaster/requirements/visomaster-cu118-tensorrt.txt /playbook/VisoMaster/requirements/visomaster-cu118-tensorrt.txt
COPY VisoMaster/requirements/visomaster-cu118-torch.txt /playbook/VisoMaster/requirements/visomaster-cu118-torch.txt
COPY VisoMaster/requirements/visomaster-cu118.txt /playbook/VisoMaster/requirements/visomaster-cu118.txt
COPY VisoMaster/requirements/visomaster-cu124-tensorrt.txt /playbook/VisoMaster/requirements/visomaster-cu124-tensorrt.txt
COPY VisoMaster/requirements/visomaster-cu124.txt /playbook/VisoMaster/requirements/visomaster-cu124.txt
COPY tasks/environment.py /playbook/tasks/environment.py

FROM playbook AS playbook-desktop
COPY files/etc/visomaster/fluxbox /playbook/files/etc/visomaster/fluxbox
COPY tasks/desktop.py /playbook/tasks/desktop.py

FROM playbook AS playbook-access
COPY tasks/access.py /playbook/tasks/access.py

FROM playbook AS playbook-application
COPY VisoMaster /playbook/VisoMaster
COPY tasks/application.py /playbook/tasks/application.py
RUN rm -f /playbook/VisoMaster/Install_Guide.ipynb

FROM playbook AS playbook-programs
COPY VisoMaster/models/visomaster.json /playbook/VisoMaster/models/visomaster.json
COPY files/usr/local /playbook/files/usr/local
COPY tasks/programs.py /playbook/tasks/programs.py

FROM playbook AS playbook-models
COPY VisoMaster/models/visomaster.json /playbook/VisoMaster/models/visomaster.json
COPY files/usr/local /playbook/files/usr/local
COPY tasks/models.py /playbook/tasks/models.py
COPY tasks/programs.py /playbook/tasks/programs.py

FROM playbook AS playbook-services
COPY VisoMaster/Install_Guide.ipynb /playbook/VisoMaster/Install_Guide.ipynb
COPY files /playbook/files
COPY tasks/services.py /playbook/tasks/services.py
COPY templates/etc /playbook/templates/etc

FROM base AS system
ARG DATA=""
RUN --mount=type=bind,from=playbook-system,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=system --data application=visomaster ${DATA}

FROM system AS environment
ARG DATA=""
RUN --mount=type=bind,from=playbook-environment,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=environment --data application=visomaster ${DATA}

FROM environment AS desktop
ARG DATA=""
RUN --mount=type=bind,from=playbook-desktop,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=desktop --data application=visomaster ${DATA}

FROM system AS models
ARG DATA=""
RUN --mount=type=bind,from=playbook-models,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=programs,models --data application=visomaster ${DATA}


FROM desktop AS access-vnc
ARG DATA=""
RUN --mount=type=bind,from=playbook-access,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=access --data application=visomaster --data variant=default ${DATA}


FROM desktop AS access-portal
ARG DATA=""
RUN --mount=type=bind,from=playbook-access,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=access --data application=visomaster --data variant=alt ${DATA}


FROM access-vnc AS models-default
COPY --from=models /app/models /app/models
COPY --from=models /app/dependencies /app/dependencies

FROM models-default AS application-default
ARG DATA=""
RUN --mount=type=bind,from=playbook-application,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=application --data application=visomaster ${DATA}

FROM application-default AS programs-default
ARG DATA=""
RUN --mount=type=bind,from=playbook-programs,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=programs --data application=visomaster ${DATA}

FROM programs-default AS services-default
ARG DATA=""
RUN --mount=type=bind,from=playbook-services,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=services --data application=visomaster --data variant=default ${DATA}


FROM access-portal AS models-alt
COPY --from=models /app/models /app/models
COPY --from=models /app/dependencies /app/dependencies

FROM models-alt AS application-alt
ARG DATA=""
RUN --mount=type=bind,from=playbook-application,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=application --data application=visomaster ${DATA}

FROM application-alt AS programs-alt
ARG DATA=""
RUN --mount=type=bind,from=playbook-programs,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=programs --data application=visomaster ${DATA}

FROM programs-alt AS services-alt
ARG DATA=""
RUN --mount=type=bind,from=playbook-services,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=services --data application=visomaster --data variant=alt ${DATA}


FROM access-portal AS models-s-def

FROM models-s-def AS application-s-def
ARG DATA=""
RUN --mount=type=bind,from=playbook-application,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=application --data application=visomaster ${DATA}

FROM application-s-def AS programs-s-def
ARG DATA=""
RUN --mount=type=bind,from=playbook-programs,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=programs --data application=visomaster ${DATA}

FROM programs-s-def AS services-s-def
ARG DATA=""
RUN --mount=type=bind,from=playbook-services,source=/playbook,target=/dev/shm/playbook \
    cd /dev/shm/playbook && PYTHONDONTWRITEBYTECODE=1 PYINFRA_PROGRESS=off venv/bin/python venv/bin/pyinfra @local deploy.py -y \
    --data layers=services --data application=visomaster --data variant=s-def ${DATA}


FROM services-default AS default
ARG REVISION=""
LABEL org.opencontainers.image.revision="${REVISION}"
ENV LANG="C.UTF-8"
ENV NVIDIA_DRIVER_CAPABILITIES="compute,utility,graphics,video,display"
ENV NVIDIA_VISIBLE_DEVICES="all"
LABEL org.opencontainers.image.description="VisoMaster on a remote desktop, vnc access"
LABEL org.opencontainers.image.title="VisoMaster (default)"
LABEL org.visomaster.application="visomaster"
LABEL org.visomaster.application.commit="429cc08f1d0e6cc4d64a2f6e2c2070167b0b5db6"
LABEL org.visomaster.variant="default"
EXPOSE 5901/tcp
WORKDIR /
USER root
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 CMD ["visomaster-ready"]
ENTRYPOINT ["visomaster-start"]
CMD []

FROM services-alt AS alt
ARG REVISION=""
LABEL org.opencontainers.image.revision="${REVISION}"
ENV LANG="C.UTF-8"
ENV NVIDIA_DRIVER_CAPABILITIES="compute,utility,graphics,video,display"
ENV NVIDIA_VISIBLE_DEVICES="all"
LABEL org.opencontainers.image.description="VisoMaster on a remote desktop, portal access"
LABEL org.opencontainers.image.title="VisoMaster (alt)"
LABEL org.visomaster.application="visomaster"
LABEL org.visomaster.application.commit="429cc08f1d0e6cc4d64a2f6e2c2070167b0b5db6"
LABEL org.visomaster.variant="alt"
EXPOSE 11111/tcp
WORKDIR /
USER root
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 CMD ["visomaster-ready"]
ENTRYPOINT ["visomaster-start"]
CMD []

FROM services-s-def AS s-def
ARG REVISION=""
LABEL org.opencontainers.image.revision="${REVISION}"
ENV LANG="C.UTF-8"
ENV NVIDIA_DRIVER_CAPABILITIES="compute,utility,graphics,video,display"
ENV NVIDIA_VISIBLE_DEVICES="all"
LABEL org.opencontainers.image.description="VisoMaster on a remote desktop, portal access"
LABEL org.opencontainers.image.title="VisoMaster (s-def)"
LABEL org.visomaster.application="visomaster"
LABEL org.visomaster.application.commit="429cc08f1d0e6cc4d64a2f6e2c2070167b0b5db6"
LABEL org.visomaster.variant="s-def"
EXPOSE 11111/tcp
WORKDIR /
USER root
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 CMD ["visomaster-ready"]
ENTRYPOINT ["visomaster-start"]
CMD []

FROM services-s-def AS s-alt
ARG REVISION=""
LABEL org.opencontainers.image.revision="${REVISION}"
ENV LANG="C.UTF-8"
ENV NVIDIA_DRIVER_CAPABILITIES="compute,utility,graphics,video,display"
ENV NVIDIA_VISIBLE_DEVICES="all"
LABEL org.opencontainers.image.description="VisoMaster on a remote desktop, portal access"
LABEL org.opencontainers.image.title="VisoMaster (s-alt)"
LABEL org.visomaster.application="visomaster"
LABEL org.visomaster.application.commit="429cc08f1d0e6cc4d64a2f6e2c2070167b0b5db6"
LABEL org.visomaster.variant="s-alt"
EXPOSE 11111/tcp
WORKDIR /
USER root
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 CMD ["visomaster-ready"]
ENTRYPOINT ["visomaster-start"]
CMD []
