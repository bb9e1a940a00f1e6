import assert from "node:assert/strict";
import { test } from "node:test";
import { containerBody, type ContainerParts, systemCalls } from "../../src/sandbox/policy.ts";
import { DockerSandbox } from "../../src/sandbox/dockerSandbox.ts";
import type { DockerSandboxOptions } from "../../src/sandbox/dockerSandboxOptions.ts";
import { proxyBody } from "../../src/sandbox/proxyContainer.ts";
import { processLimit } from "../../src/sandbox/processLimit.ts";
import { testKeeper, testProxy } from "./dockerPlace.ts";

const parts: ContainerParts = {
  name: "cairn-one",
  image: "sha256:1",
  user: { uid: 1000, gid: 1000 },
  labels: { cairn: "1" },
  tree: "/host/tree",
  state: "/host/state",
  proxy: null,
  network: null,
  runtime: null,
  gpus: null,
  seccomp: systemCalls,
  env: [],
};

const options: DockerSandboxOptions = {
  session: "one",
  tree: "/host/tree",
  state: "/host/state",
  image: "image",
  recipe: "sandbox.Dockerfile",
  runtime: null,
  gpus: null,
  dev: null,
  egress: null,
  proxy: testProxy,
  socketPath: null,
  keeper: testKeeper,
  marks: "/host/marks",
  log: () => undefined,
};

const dangerous = `
  io_uring_setup io_uring_enter io_uring_register unshare setns mount umount2 pivot_root
  move_mount fsopen open_tree chroot ptrace keyctl add_key request_key bpf userfaultfd
  perf_event_open process_vm_readv process_vm_writev pidfd_getfd open_by_handle_at
  kexec_load init_module finit_module reboot swapon syslog acct quotactl kcmp vhangup
`;

test("the whole of what the engine is asked for, whatever image and workspace want", () => {
  const { Entrypoint: entrypoint, HostConfig: host = {}, ...body } = containerBody(parts);
  const [noNewPrivileges, seccomp = ""] = host.SecurityOpt ?? [];
  assert.deepEqual(entrypoint?.slice(0, 4), ["bash", "--noprofile", "--norc", "-c"]);
  assert.equal(noNewPrivileges, "no-new-privileges:true");
  assert.match(seccomp, /^seccomp=\{"defaultAction":"SCMP_ACT_ERRNO"/u);
  assert.deepEqual(body, {
    name: "cairn-one",
    Image: "sha256:1",
    User: "1000:1000",
    Labels: { cairn: "1" },
    Cmd: [],
    Healthcheck: { Test: ["NONE"] },
    WorkingDir: "/workspace",
    Env: ["HOME=/agent/runtime", "LANG=C.UTF-8", "PAGER=cat", "GIT_PAGER=cat"],
    OpenStdin: true,
    StdinOnce: true,
  });
  const bind = { Type: "bind", ReadOnly: false };
  assert.deepEqual(
    { ...host, SecurityOpt: [] },
    {
      AutoRemove: true,
      Privileged: false,
      CapDrop: ["ALL"],
      SecurityOpt: [],
      ReadonlyRootfs: true,
      NetworkMode: "none",
      IpcMode: "private",
      CgroupnsMode: "private",
      NanoCpus: 1_000_000_000,
      Memory: 536_870_912,
      MemorySwap: 536_870_912,
      PidsLimit: 256,
      Ulimits: [
        { Name: "nofile", Soft: 1024, Hard: 4096 },
        { Name: "core", Soft: 0, Hard: 0 },
        { Name: "nproc", Soft: processLimit(), Hard: processLimit() },
      ],
      LogConfig: { Type: "none", Config: {} },
      Tmpfs: {
        "/tmp": "rw,exec,nosuid,nodev,size=128m,mode=1777",
        "/dev/shm": "rw,noexec,nosuid,nodev,size=64m,mode=1777",
        "/dev/mqueue": "ro,noexec,nosuid,nodev,size=4k,mode=555",
        "/run/cairn": "rw,noexec,nosuid,nodev,size=1m,mode=1777",
      },
      Mounts: [
        { ...bind, Source: "/host/tree", Target: "/workspace" },
        { ...bind, Source: "/host/state/logs", Target: "/agent/logs" },
        { ...bind, Source: "/host/state/runtime", Target: "/agent/runtime" },
        { ...bind, Source: "/host/state/secrets", Target: "/agent/secrets", ReadOnly: true },
      ],
    },
  );
});

test("a network is the session's own, with nobody to ask for names, and changes nothing else", () => {
  const plain = containerBody(parts).HostConfig ?? {};
  const network = { id: "abc", names: "/host/state/proxy/resolv.conf" };
  const { Mounts: mounts = [], ...chosen } = containerBody({ ...parts, network }).HostConfig ?? {};
  const { Mounts: usual = [], ...rest } = plain;
  assert.deepEqual(chosen, { ...rest, NetworkMode: "abc", Dns: ["127.0.0.1"] });
  assert.deepEqual(mounts, [
    ...usual,
    { Type: "bind", Source: network.names, Target: "/etc/resolv.conf", ReadOnly: true },
  ]);
});

test("the proxy's container has the same walls, less room, and no directory of the host", () => {
  const worker = containerBody(parts).HostConfig ?? {};
  const { seccomp, labels } = parts;
  const { HostConfig: host = {}, ...body } = proxyBody({
    name: "cairn-one-proxy",
    imageId: "sha256:2",
    proxy: testProxy,
    seccomp,
    labels,
  });
  assert.deepEqual(body, {
    name: "cairn-one-proxy",
    Image: "sha256:2",
    User: "1000:1000",
    Labels: { cairn: "1" },
    Entrypoint: ["node", "--max-semi-space-size=1", "/cairn/proxy.mjs"],
    Cmd: [],
    Healthcheck: { Test: ["NONE"] },
    WorkingDir: "/",
    Env: ["MALLOC_ARENA_MAX=1"],
    OpenStdin: true,
    StdinOnce: true,
  });
  const { Mounts: _mounts, Tmpfs: _tmpfs, ...walls } = worker;
  const { Tmpfs: volatile = {}, ...own } = host;
  assert.deepEqual(own, {
    ...walls,
    NetworkMode: "bridge",
    Memory: 268_435_456,
    MemorySwap: 268_435_456,
    PidsLimit: 64,
  });
  assert.ok(Object.values(volatile).every((each) => each.startsWith("ro,")));
});

test("a runtime and GPUs are asked for when they are chosen, and change nothing else", () => {
  const plain = containerBody(parts).HostConfig ?? {};
  const chosen = containerBody({ ...parts, runtime: "runsc", gpus: "all" }).HostConfig ?? {};
  assert.deepEqual(chosen, {
    ...plain,
    Runtime: "runsc",
    DeviceRequests: [{ Driver: "", Count: -1, Capabilities: [["gpu"]] }],
  });
  const [two] = containerBody({ ...parts, gpus: 2 }).HostConfig?.DeviceRequests ?? [];
  assert.equal(two?.Count, 2);
});

test("no system call that opens a way around the walls is on our list", () => {
  const [, seccomp = ""] = containerBody(parts).HostConfig?.SecurityOpt ?? [];
  const listed: string = seccomp;
  for (const call of dangerous.trim().split(/\s+/u)) {
    assert.equal(listed.includes(`"${call}"`), false, call);
  }
});

test("text that is a command, an option or a mount is never a name of anything", () => {
  for (const name of ["x; touch /tmp/p", "$(id)", "--privileged", "-v/:/h", "a b", ""]) {
    for (const field of ["session", "image", "runtime"]) {
      assert.throws(() => new DockerSandbox({ ...options, [field]: name }), {
        code: "usage.invalid",
      });
    }
  }
  for (const image of [
    "cairn-sandbox",
    "a/b:1.2",
    "host.example:5000/a/b@sha256:" + "0".repeat(64),
  ])
    assert.doesNotThrow(() => new DockerSandbox({ ...options, image }));
});
