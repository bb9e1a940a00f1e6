import { lstatSync, readlinkSync } from "node:fs";
import { proxyDirectory } from "./bridgeScript.ts";

export interface BubblewrapPaths {
  /** The session's tree; `/workspace` inside. */
  readonly tree: string;
  readonly logs: string;
  readonly runtime: string;
  /** Where the pipes are that host and place share. */
  readonly pipes: string;
  /** Where the session's proxy is reached; null where there is none. */
  readonly proxy: string | null;
}

/** Descriptors that `bwrap` reads before the place begins; null where there is nothing to read. */
export interface BubblewrapInputs {
  readonly users: number;
  readonly groups: number;
  readonly names: number;
  readonly filter: number | null;
}

export const usersFile =
  "root:x:0:0:root:/root:/bin/bash\nagent:x:1000:1000::/agent/runtime:/bin/bash\n";
export const groupsFile = "root:x:0:\nagent:x:1000:\n";
export const namesFile = "127.0.0.1 localhost cairn\n::1 localhost\n";

/** Where the pipes are, inside. */
export const pipesInside = "/run/cairn";
export const temporaryBytes = 128 * 1024 * 1024;
export const sharedMemoryBytes = 64 * 1024 * 1024;
export const openFiles = { soft: 1024, hard: 4096 } as const;
export const processLimit = 256;
/** Of one process: without control groups nothing counts the memory of all together. */
export const dataKib = 2 * 1024 * 1024;

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** On a merged system these are links into `/usr`. */
const beside: readonly string[] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/** What programs need to start and to trust; nothing that says who works here. */
const configuration: readonly string[] = [
  "/etc/alternatives",
  "/etc/ca-certificates",
  "/etc/ld.so.cache",
  "/etc/ld.so.conf",
  "/etc/ld.so.conf.d",
  "/etc/localtime",
  "/etc/mime.types",
  "/etc/os-release",
  "/etc/perl",
  "/etc/pki/tls/certs",
  "/etc/protocols",
  "/etc/python3",
  "/etc/services",
  "/etc/ssl/certs",
  "/etc/ssl/openssl.cnf",
];

/**
 * The arguments that make a place and run `command` in it as process 1. All of it is fixed but the
 * paths, which are the session's own directories.
 */
export function bubblewrapArguments(
  paths: BubblewrapPaths,
  inputs: BubblewrapInputs,
  command: readonly string[],
): readonly string[] {
  const options: readonly (readonly string[])[] = [
    ["--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"],
    ["--die-with-parent", "--new-session", "--as-pid-1", "--hostname", "cairn"],
    ["--ro-bind", "/usr", "/usr"],
    ...beside.map(asOnHost),
    ...configuration.map((path) => ["--ro-bind-try", path, path]),
    ["--ro-bind-data", String(inputs.users), "/etc/passwd"],
    ["--ro-bind-data", String(inputs.groups), "/etc/group"],
    ["--ro-bind-data", String(inputs.names), "/etc/hosts"],
    ["--proc", "/proc", "--dev", "/dev"],
    ["--size", String(sharedMemoryBytes), "--perms", "1777", "--tmpfs", "/dev/shm"],
    ["--remount-ro", "/dev"],
    ["--size", String(temporaryBytes), "--perms", "1777", "--tmpfs", "/tmp"],
    ["--bind", paths.tree, "/workspace"],
    ["--bind", paths.logs, "/agent/logs"],
    ["--bind", paths.runtime, "/agent/runtime"],
    ["--bind", paths.pipes, pipesInside],
    paths.proxy === null ? [] : ["--ro-bind", paths.proxy, proxyDirectory],
    ["--dir", "/agent/secrets", "--remount-ro", "/"],
    ["--chdir", "/workspace", "--clearenv", "--setenv", "PATH", searchPath],
    ["--setenv", "HOME", "/agent/runtime", "--setenv", "LANG", "C.UTF-8"],
    ["--setenv", "PAGER", "cat", "--setenv", "GIT_PAGER", "cat"],
    inputs.filter === null ? [] : ["--seccomp", String(inputs.filter)],
    ["--", ...command],
  ];
  return options.flat();
}

/**
 * For a host process that is root: the same, by an ordinary user. The outer place only shows the
 * session's directories where that user can reach them; `setpriv` makes it user 1000.
 */
export function asOrdinaryUser(
  paths: BubblewrapPaths,
  inner: (paths: BubblewrapPaths) => readonly string[],
): readonly string[] {
  const shown: BubblewrapPaths = {
    tree: "/tmp/tree",
    logs: "/tmp/logs",
    runtime: "/tmp/runtime",
    pipes: "/tmp/pipes",
    proxy: paths.proxy === null ? null : "/tmp/proxy",
  };
  const outer: readonly (readonly string[])[] = [
    ["--die-with-parent", "--cap-add", "ALL", "--dev-bind", "/", "/", "--tmpfs", "/tmp"],
    ["--bind", paths.tree, shown.tree, "--bind", paths.logs, shown.logs],
    ["--bind", paths.runtime, shown.runtime, "--bind", paths.pipes, shown.pipes],
    paths.proxy === null ? [] : ["--bind", paths.proxy, "/tmp/proxy"],
    ["--", "/usr/bin/setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"],
    ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--", "bwrap"],
  ];
  return [...outer.flat(), ...inner(shown)];
}

function asOnHost(path: string): readonly string[] {
  const entry = lstatSync(path, { throwIfNoEntry: false });
  if (entry === undefined) return [];
  return entry.isSymbolicLink()
    ? ["--symlink", readlinkSync(path), path]
    : ["--ro-bind", path, path];
}
