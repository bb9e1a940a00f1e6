# The image of a session's container. Build: docker build -t cairn-sandbox - < docker/sandbox.Dockerfile
# Nothing in it decides what a session may do: that is the container's policy, in src/sandbox/.
# Its python3 is 3.13 and its node 20.
FROM debian:trixie-slim

RUN apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    bash build-essential ca-certificates coreutils curl diffutils file findutils gawk git jq less \
    nodejs npm patch pkg-config procps python3 python3-pip python3-venv ripgrep sed tar unzip xz-utils \
  && rm -rf /var/lib/apt/lists/*

RUN groupadd --gid 1000 agent \
  && useradd --uid 1000 --gid 1000 --home-dir /agent/runtime --no-create-home --shell /bin/bash agent \
  && mkdir -p /agent/runtime /agent/logs /agent/secrets /workspace \
  && chown agent:agent /agent/runtime /agent/logs /workspace

ENV LANG=C.UTF-8 PAGER=cat GIT_PAGER=cat
USER 1000:1000
WORKDIR /workspace
CMD ["bash"]
