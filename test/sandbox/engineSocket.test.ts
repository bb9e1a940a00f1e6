import assert from "node:assert/strict";
import { test } from "node:test";
import { engineSocket } from "../../src/sandbox/engineSocket.ts";

const docker = "/var/run/docker.sock";
const rootless = "/run/user/1000/podman/podman.sock";
const rootful = "/run/podman/podman.sock";
const environment = { XDG_RUNTIME_DIR: "/run/user/1000" };

test("the engine is the one of the setting, of DOCKER_HOST, or the first usual one that answers", () => {
  const among = (...sockets: string[]) =>
    engineSocket(null, environment, (path) => sockets.includes(path));
  assert.deepEqual(
    [
      engineSocket("/my.sock", { DOCKER_HOST: "unix:///other.sock" }, () => true),
      engineSocket(null, { DOCKER_HOST: "unix:///other.sock" }, () => true),
      among(docker, rootless, rootful),
      among(rootless, rootful),
      among(rootful),
      engineSocket(null, {}, (path) => path !== docker),
      among(),
    ],
    ["/my.sock", null, docker, rootless, rootful, rootful, null],
  );
});
