# VisoMaster. Rendered by `make dockerfile` from templates/Dockerfile.j2 and the tables in spec/: edit those.
#
#   docker build --target alt --tag visomaster:portal-latest .
#
# One layer for each part of the host, the part that changes least first. The stage `stages` writes a folder for each
# with just what it reads, and a layer mounts its own: an edit rebuilds from the first layer on whose folder differs.
# Mounts are under /dev/shm, the one place where they leave no empty folder behind, so neither pyinfra nor this
# repository enters the image.
ARG BASE=debian:bookworm-slim@sha256:3783cc01769c7b2b1b83a5c5ad96c815348e28ed7da68e2e3687004faa906251

# pyinfra and the programs of the first layers run on the image's own Python, which the services need as well.
FROM ${BASE} AS base
USER root
RUN export DEBIAN_FRONTEND=noninteractive \
    && (apt-get update -qq || echo "going on with the sources of packages that can be read") \
    && apt-get install -qq -y --no-install-recommends \
       ca-certificates python3 python3-requests >/dev/null \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
       /var/log/apt/* /var/log/*.log

FROM base AS playbook
COPY operations/remote/uv_venv.py /playbook/__main__.py
COPY operations/remote/pinned_wheel.py operations/remote/uv_environment.py operations/remote/uv_program.py operations/remote/uv_said.py operations/remote/uv_settings.py /playbook/operations/remote/
COPY requirements.txt operations/remote/uv.txt /playbook/
RUN /usr/bin/python3 -I -B /playbook /playbook/venv /playbook/requirements.txt /playbook/uv.txt

FROM playbook AS stages
COPY VisoMaster /sources/VisoMaster
COPY connectors /sources/connectors
COPY controller /sources/controller
COPY files /sources/files
COPY layers /sources/layers
COPY operations /sources/operations
COPY spec /sources/spec
COPY tasks /sources/tasks
COPY templates/etc /sources/templates/etc
ARG DATA=""
WORKDIR /sources
RUN PYTHONPATH=files/usr/local/lib/visomaster /playbook/venv/bin/python -B -m layers.stages /stages \
    --data application=visomaster ${DATA}

FROM base AS environment-cuda
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/environment-cuda,target=/dev/shm/environment-cuda \
    cd /dev/shm/environment-cuda && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y


FROM environment-cuda AS environment-torch
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/environment-torch,target=/dev/shm/environment-torch \
    cd /dev/shm/environment-torch && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y


FROM environment-torch AS environment
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/environment,target=/dev/shm/environment \
    cd /dev/shm/environment && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y

FROM environment AS system
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/system,target=/dev/shm/system \
    cd /dev/shm/system && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y

FROM system AS desktop
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/desktop,target=/dev/shm/desktop \
    cd /dev/shm/desktop && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y

FROM base AS models
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/models,target=/dev/shm/models \
    cd /dev/shm/models && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y


FROM desktop AS access-vnc
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/access-vnc,target=/dev/shm/access-vnc \
    cd /dev/shm/access-vnc && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y


FROM desktop AS access-portal
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/access-portal,target=/dev/shm/access-portal \
    cd /dev/shm/access-portal && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y


FROM access-vnc AS models-default
COPY --from=models /app/models /app/models
COPY --from=models /app/dependencies /app/dependencies

FROM models-default AS application-default
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/application,target=/dev/shm/application \
    cd /dev/shm/application && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y

FROM application-default AS programs-default
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/programs,target=/dev/shm/programs \
    cd /dev/shm/programs && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y

FROM programs-default AS services-default
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/services-default,target=/dev/shm/services-default \
    cd /dev/shm/services-default && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y


FROM access-portal AS models-alt
COPY --from=models /app/models /app/models
COPY --from=models /app/dependencies /app/dependencies

FROM models-alt AS application-alt
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/application,target=/dev/shm/application \
    cd /dev/shm/application && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y

FROM application-alt AS programs-alt
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/programs,target=/dev/shm/programs \
    cd /dev/shm/programs && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y

FROM programs-alt AS services-alt
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/services-alt,target=/dev/shm/services-alt \
    cd /dev/shm/services-alt && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y


FROM access-portal AS models-s-def

FROM models-s-def AS application-s-def
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/application,target=/dev/shm/application \
    cd /dev/shm/application && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y

FROM application-s-def AS programs-s-def
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/programs,target=/dev/shm/programs \
    cd /dev/shm/programs && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y

FROM programs-s-def AS services-s-def
RUN --mount=type=bind,from=playbook,source=/playbook/venv,target=/dev/shm/venv \
    --mount=type=bind,from=stages,source=/stages/services-s-def,target=/dev/shm/services-s-def \
    cd /dev/shm/services-s-def && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=files/usr/local/lib/visomaster PYINFRA_PROGRESS=off \
    ../venv/bin/python ../venv/bin/pyinfra @local layer.py -y


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
VOLUME ["/var/lib/visomaster", "/run/visomaster"]
WORKDIR /
USER root
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 CMD ["visomaster-ready", "--health"]
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
EXPOSE 11443/tcp
VOLUME ["/var/lib/visomaster", "/run/visomaster"]
WORKDIR /
USER root
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 CMD ["visomaster-ready", "--health"]
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
EXPOSE 11443/tcp
VOLUME ["/var/lib/visomaster", "/run/visomaster"]
WORKDIR /
USER root
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 CMD ["visomaster-ready", "--health"]
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
EXPOSE 11443/tcp
VOLUME ["/var/lib/visomaster", "/run/visomaster"]
WORKDIR /
USER root
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 CMD ["visomaster-ready", "--health"]
ENTRYPOINT ["visomaster-start"]
CMD []
