import { join } from "node:path";
import type { ContainerCreateOptions } from "dockerode";
import seccomp from "../../docker/seccomp.json" with { type: "json" };
import { proxyDirectory } from "./bridgeScript.ts";
import { pipesDirectory, wardenCommand } from "./dockerContainer.ts";
import { processLimit } from "./processLimit.ts";

const mebibyte = 1024 * 1024;

/** Places inside. */
export const workspace = "/workspace";
export const logs = "/agent/logs";
export const runtime = "/agent/runtime";
export const secrets = "/agent/secrets";

/** What every container is held to, whatever its image or the workspace asks for. */
export const limits = {
  cpus: 1,
  memoryBytes: 512 * mebibyte,
  processes: 256,
  openFiles: { soft: 1024, hard: 4096 },
  tmpBytes: 128 * mebibyte,
} as const;

/** Our own list of system calls. */
export const systemCalls = JSON.stringify(seccomp);

/** What the host gives: directories of its own, and the user they belong to. */
export interface HostPlaces {
  readonly tree: string;
  readonly state: string;
  /** Where the session's proxy is reached; null where there is none. */
  readonly proxy: string | null;
}

/** Mounted directories of the host, by where they are seen inside. */
export function boundDirectories({ tree, state, proxy }: HostPlaces): ReadonlyMap<string, string> {
  return new Map([
    ...(proxy === null ? [] : [[proxyDirectory, proxy] as const]),
    [workspace, tree],
    [logs, join(state, "logs")],
    [runtime, join(state, "runtime")],
    [secrets, join(state, "secrets")],
  ]);
}

/** In memory, gone with the container: option texts by place. */
export const volatileDirectories: Readonly<Record<string, string>> = {
  "/tmp": `rw,exec,nosuid,nodev,size=${limits.tmpBytes / mebibyte}m,mode=1777`,
  "/dev/shm": "rw,noexec,nosuid,nodev,size=64m,mode=1777",
  // The engine's own is writable for everyone.
  "/dev/mqueue": "ro,noexec,nosuid,nodev,size=4k,mode=555",
  [pipesDirectory]: "rw,noexec,nosuid,nodev,size=1m,mode=1777",
};

/** The only places that a command can write to. */
export const writablePlaces: readonly string[] = [
  workspace,
  logs,
  runtime,
  ...Object.keys(volatileDirectories).filter((place) => place !== "/dev/mqueue"),
];

/** Added to what the image sets; nothing of the host's environment goes in. */
export const environment: Readonly<Record<string, string>> = {
  HOME: runtime,
  LANG: "C.UTF-8",
  PAGER: "cat",
  GIT_PAGER: "cat",
};

/** A session's own network, for a place whose proxy is reached through it. */
export interface WorkerNetwork {
  readonly id: string;
  /** A file of the host that names who is asked for names: nobody. */
  readonly names: string;
}

/** The parts of a container that are not the same for all. */
export interface ContainerParts extends HostPlaces {
  /** Null where the proxy is reached through a socket, or there is none. */
  readonly network: WorkerNetwork | null;
  /** The list of system calls, or for Podman the path of a file with it. */
  readonly seccomp: string;
  readonly name: string;
  /** Digest of the image. */
  readonly image: string;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly labels: Readonly<Record<string, string>>;
  /** Name of the runtime as the engine lists it; null for the engine's own choice. */
  readonly runtime: string | null;
  readonly gpus: Gpus | null;
  /** Variables of the dev container, as `NAME=value`. */
  readonly env: readonly string[];
}

export type Gpus = "all" | number;

/** The body of the engine's create call. Nothing in it comes from an image, a workspace or a model, but an approved dev container's variables. */
export function containerBody(parts: ContainerParts): ContainerCreateOptions {
  const { name, image, user, labels } = parts;
  return {
    name,
    Image: image,
    User: `${user.uid}:${user.gid}`,
    Labels: { ...labels },
    Entrypoint: [...wardenCommand],
    Cmd: [],
    Healthcheck: { Test: ["NONE"] },
    WorkingDir: workspace,
    // The last one of a name counts: nothing changes ours.
    Env: [
      ...parts.env,
      ...Object.entries(environment).map(([variable, value]) => `${variable}=${value}`),
    ],
    OpenStdin: true,
    // Ends the container, and removes it, when the connection of this process ends.
    StdinOnce: true,
    HostConfig: hostConfig(parts),
  };
}

/** The types of dockerode do not know private control groups. */
type HostConfig = ContainerCreateOptions["HostConfig"] & { readonly CgroupnsMode: "private" };

/** What holds of every container that Cairn makes. */
export function walls(
  calls: string,
  { memoryBytes, processes }: { readonly memoryBytes: number; readonly processes: number },
): HostConfig {
  return {
    AutoRemove: true,
    Privileged: false,
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges:true", `seccomp=${calls}`],
    ReadonlyRootfs: true,
    IpcMode: "private",
    CgroupnsMode: "private",
    NanoCpus: limits.cpus * 1e9,
    Memory: memoryBytes,
    MemorySwap: memoryBytes,
    PidsLimit: processes,
    Ulimits: [
      { Name: "nofile", Soft: limits.openFiles.soft, Hard: limits.openFiles.hard },
      { Name: "core", Soft: 0, Hard: 0 },
      { Name: "nproc", Soft: processLimit(), Hard: processLimit() },
    ],
    LogConfig: { Type: "none", Config: {} },
  };
}

function hostConfig(parts: ContainerParts): HostConfig {
  const { network } = parts;
  return {
    ...walls(parts.seccomp, limits),
    // A network is one of the session's own, or none.
    NetworkMode: network?.id ?? "none",
    Tmpfs: { ...volatileDirectories },
    Mounts: [
      ...[...boundDirectories(parts)].map(([Target, Source]) => ({
        Type: "bind" as const,
        Source,
        Target,
        ReadOnly: Target === secrets || Target === proxyDirectory,
      })),
      ...(network === null ? [] : [namesMount(network)]),
    ],
    // The engine answers names on networks, and would ask its own servers for the rest: it is given
    // the worker's own loopback to ask.
    ...(network === null ? {} : { Dns: ["127.0.0.1"] }),
    ...(parts.runtime === null ? {} : { Runtime: parts.runtime }),
    ...(parts.gpus === null ? {} : { DeviceRequests: [deviceRequest(parts.gpus)] }),
  };
}

/** Nobody is asked for a name, and so the answer is there at once. */
function namesMount({ names }: WorkerNetwork) {
  return { Type: "bind" as const, Source: names, Target: "/etc/resolv.conf", ReadOnly: true };
}

function deviceRequest(gpus: Gpus) {
  return { Driver: "", Count: gpus === "all" ? -1 : gpus, Capabilities: [["gpu"]] };
}
