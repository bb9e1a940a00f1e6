# The image of a session's proxy, for engines that cannot reach a socket of this machine, as Docker
# Desktop. Build: docker build -t cairn-proxy -f docker/proxy.Dockerfile dist
# Any image with node 22.15 or newer can be the base. Cairn compares the program in it with its own.
ARG BASE=node:24-trixie-slim
FROM ${BASE}

COPY proxy.js /cairn/proxy.mjs

USER 1000:1000
WORKDIR /
ENTRYPOINT ["node", "/cairn/proxy.mjs"]
