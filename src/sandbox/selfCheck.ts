import type { Finding } from "../core/ports.ts";
import { pipesDirectory } from "./dockerContainer.ts";
import { boundDirectories, limits, volatileDirectories, writablePlaces } from "./policy.ts";
import { finding, names } from "./finding.ts";
import { judgeNetwork } from "./selfCheckNetwork.ts";
import type { Facts } from "./selfCheckProbe.ts";
import type { NetworkFacts } from "./sessionNetwork.ts";

/** What differs from container to container. */
export interface Expected {
  readonly user: { readonly uid: number; readonly gid: number };
  /** Names of the variables that the image and the policy set. */
  readonly variables: readonly string[];
  /** The runtime has a kernel of its own, as gVisor and Kata do. */
  readonly ownKernel: boolean;
  readonly gpus: boolean;
  readonly podman: boolean;
  /** It has a proxy to reach. */
  readonly proxied: boolean;
  /** The session's own network, where it reaches it through that. */
  readonly network: NetworkFacts | null;
}

/** Podman mounts these over a read-only root, in memory and of no size; they count as the container's memory. */
const podmansOwn: ReadonlySet<string> = new Set(["/run", "/var/tmp"]);

/** Judges what was found inside; one finding a control, `broken` where nothing was found. */
export function judge(facts: Facts, expected: Expected): readonly Finding[] {
  return [
    ...identity(facts, expected),
    ...places(facts, expected),
    ...judgeNetwork(facts, expected.network),
    ...isolation(facts, expected),
    ...groupLimits(facts),
    ...processLimits(facts),
  ];
}

function identity(facts: Facts, { user, ownKernel }: Expected): readonly Finding[] {
  const status = (field: string): string =>
    new RegExp(`^${field}:[ \\t]*(.*)$`, "mu").exec(facts.get("status") ?? "")?.[1]?.trim() ?? "";
  const ids = ["Uid", "Gid"].map((field) => status(field).split(/\s+/));
  const [uids = [], gids = []] = ids;
  const sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
  const held = sets.filter((set) => !/^0+$/.test(status(set)));
  const seccomp = status("Seccomp");
  return [
    finding(
      "process.user",
      `user ${user.uid}, group ${user.gid}`,
      `user ${[...new Set(uids)].join(" ")}, group ${[...new Set(gids)].join(" ")}`,
      only(uids, user.uid) && only(gids, user.gid) && user.uid !== 0,
    ),
    finding(
      "process.groups",
      "no other group",
      status("Groups") === String(user.gid) ? "no other group" : status("Groups") || "none",
      status("Groups") === "" || status("Groups") === String(user.gid),
    ),
    finding(
      "process.capabilities",
      "none in all five sets",
      held.length === 0 ? "none" : held.map((set) => `${set} ${status(set) || "?"}`).join(", "),
      held.length === 0,
    ),
    finding(
      "process.noNewPrivileges",
      "set",
      status("NoNewPrivs") === "1" ? "set" : "not set",
      status("NoNewPrivs") === "1",
    ),
    finding(
      "process.seccomp",
      "a filter (2)",
      seccomp === "2" ? "a filter (2)" : `not a filter (${seccomp || "?"})`,
      // The calls end in the runtime's own kernel, not in the machine's.
      seccomp === "2" || (ownKernel ? "gap" : false),
    ),
  ];
}

/** Real, effective, saved and of the file system. */
function only(found: readonly string[], wanted: number): boolean {
  return found.length === 4 && found.every((id) => id === String(wanted));
}

/** Mount points that every engine makes, none of them with a file of the host's in it. */
const enginesMounts =
  /^\/(?:|proc(?:\/.*)?|sys(?:\/.*)?|dev|dev\/(?:pts|console|init)|etc\/(?:hosts|hostname|resolv\.conf)|run\/\.containerenv)$/;
const gpuMounts = /nvidia|cuda|vulkan|\/dri/i;

interface Mount {
  readonly place: string;
  readonly writable: boolean;
  /** Options of the file system itself. */
  readonly options: readonly string[];
}

function places(facts: Facts, expected: Expected): readonly Finding[] {
  const mounts = mountsOf(facts.get("mounts") ?? "");
  const root = mounts.find(({ place }) => place === "/");
  const rootHeld = root !== undefined && !root.writable;
  return [
    finding(
      "files.readable",
      "files can be looked at",
      facts.has("files") ? "files can be looked at" : "they cannot",
      facts.has("files"),
    ),
    finding("root.readOnly", "read-only", rootHeld ? "read-only" : "writable", rootHeld),
    ...mountsAndFiles(mounts, facts, expected),
    ...(expected.proxied ? [proxyThere(facts, expected)] : []),
    sizeOf(mounts, "/tmp", limits.tmpBytes),
    sizeOf(mounts, pipesDirectory, 1024 * 1024),
  ];
}

function mountsAndFiles(
  mounts: readonly Mount[],
  facts: Facts,
  { gpus, podman, proxied }: Expected,
): readonly Finding[] {
  const declared = new Set([
    ...boundDirectories({ tree: "", state: "", proxy: proxied ? "" : null }).keys(),
    ...Object.keys(volatileDirectories),
  ]);
  const enginesOwn = (place: string): boolean => podman && podmansOwn.has(place);
  const others = mounts.filter(
    ({ place }) => !declared.has(place) && !enginesMounts.test(place) && !enginesOwn(place),
  );
  const strange = others.filter(
    ({ place, writable }) => writable || !gpus || !gpuMounts.test(place),
  );
  const missing = [...declared].filter((wanted) => mounts.every(({ place }) => place !== wanted));
  const writable = [...new Set((facts.get("writable") ?? "").split("\n"))].filter(Boolean);
  const tooMany = writable.filter((place) => !writablePlaces.includes(place) && !enginesOwn(place));
  const tooFew = writablePlaces.filter((place) => !writable.includes(place));
  return [
    finding(
      "mounts.declared",
      [...declared].join(" "),
      [
        ...(strange.length === 0 ? [] : [`also ${names(strange.map(({ place }) => place))}`]),
        ...(missing.length === 0 ? [] : [`not ${names(missing)}`]),
      ].join(", ") || [...declared].join(" "),
      strange.length === 0 && missing.length === 0,
    ),
    finding(
      "files.writable",
      writablePlaces.join(" "),
      [
        ...(tooMany.length === 0 ? [] : [`also ${names(tooMany)}`]),
        ...(tooFew.length === 0 ? [] : [`not ${names(tooFew)}`]),
      ].join(", ") || writablePlaces.join(" "),
      tooMany.length === 0 && tooFew.length === 0,
    ),
  ];
}

/** That nobody inside can write to it is proved with the other mounts. */
function proxyThere(facts: Facts, { network }: Expected): Finding {
  const wanted = network === null ? "its socket and its authorities" : "its authorities";
  const there = facts.has("authorities") && (network !== null || facts.has("socket"));
  return finding("proxy.there", wanted, there ? wanted : "not all of it", there);
}

function sizeOf(mounts: readonly Mount[], place: string, bytes: number): Finding {
  const options = mounts.find((mount) => mount.place === place)?.options ?? [];
  const size = options.find((option) => option.startsWith("size="))?.slice("size=".length);
  const found = size === undefined ? null : bytesOf(size);
  const shown = found === null ? "no size" : `${found} bytes`;
  return finding(
    `${place.slice(1).replace("/", ".")}.size`,
    `${bytes} bytes`,
    shown,
    found === bytes,
  );
}

function bytesOf(text: string): number {
  const [, digits = "NaN", unit = ""] = /^(\d+)([kmg]?)$/i.exec(text) ?? [];
  const exponent = ["", "k", "m", "g"].indexOf(unit.toLowerCase());
  return Number(digits) * 1024 ** exponent;
}

/** One line a mount: id, parent, device, root, place, options, optional fields, "-", type, source, options. */
function mountsOf(text: string): readonly Mount[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [own = "", system = ""] = line.split(" - ");
      const [, , , , place = "", options = ""] = own.split(" ");
      return {
        place: place.replaceAll(/\\(\d{3})/g, (_, code: string) =>
          String.fromCharCode(Number.parseInt(code, 8)),
        ),
        writable: options.split(",").includes("rw"),
        options: (system.split(" ")[2] ?? "").split(","),
      };
    });
}

const ordinaryDevices = new Set("null zero full random urandom tty console ptmx".split(" "));
const gpuDevices = /^(?:nvidia|dri|kfd)/;
/** Set by bash or by the engine for each process. */
const ordinaryVariables = new Set(["HOSTNAME", "PWD", "OLDPWD", "SHLVL", "TERM", "_", "container"]);

function isolation(facts: Facts, { variables, gpus }: Expected): readonly Finding[] {
  const list = (name: string): readonly string[] =>
    (facts.get(name) ?? "").split(/\s+/).filter(Boolean);
  const devices = list("devices").filter(
    (name) => !ordinaryDevices.has(name) && !(gpus && gpuDevices.test(name)),
  );
  const known = new Set([...variables, ...ordinaryVariables]);
  const strangers = list("environment").filter((name) => !known.has(name));
  const first = (facts.get("first") ?? "").trim();
  return [
    finding(
      "engine.socket",
      "no socket of an engine",
      names(list("sockets")) || "no socket of an engine",
      facts.has("sockets") && list("sockets").length === 0,
    ),
    finding(
      "devices",
      "the ordinary ones",
      devices.length === 0 ? "the ordinary ones" : `also ${names(devices)}`,
      facts.has("devices") && devices.length === 0,
    ),
    finding(
      "processes.own",
      "process 1 is bash",
      `process 1 is ${names([first])}`,
      first === "bash",
    ),
    finding(
      "environment",
      "the image's and Cairn's variables",
      strangers.length === 0 ? "the image's and Cairn's variables" : `also ${names(strangers)}`,
      facts.has("environment") && strangers.length === 0,
    ),
  ];
}

/** What the control groups say; where a runtime shows none of them inside, only the engine can know. */
function groupLimits(facts: Facts): readonly Finding[] {
  const value = (...files: readonly string[]): string =>
    files.map((file) => (facts.get(file) ?? "").trim()).find((text) => text !== "") ?? "";
  const { memoryBytes, processes, cpus } = limits;
  const [quota = "", period = ""] = value("cpu.max").split(" ");
  const cpuQuota = Number(quota || value("cpu/cpu.cfs_quota_us"));
  const cpuPeriod = Number(period || value("cpu/cpu.cfs_period_us"));
  const cpu = cpuPeriod === 0 ? "" : cpuQuota > 0 ? String(cpuQuota / cpuPeriod) : "no limit";
  // Version 1 counts memory and swap together, version 2 swap alone.
  const together = value("memory/memory.memsw.limit_in_bytes");
  const swap = together === "" ? value("memory.swap.max") : String(Number(together) - memoryBytes);
  return [
    limit("memory.limit", memoryBytes, value("memory.max", "memory/memory.limit_in_bytes")),
    swap === "0"
      ? finding("memory.swap", "0", "0", "held")
      : finding("memory.swap", "0", swap === "" ? "not counted by this kernel" : swap, "gap"),
    limit("processes.limit", processes, value("pids.max", "pids/pids.max")),
    limit("cpu.limit", cpus, cpu),
  ];
}

function limit(control: string, wanted: number, found: string): Finding {
  if (found === "") return finding(control, String(wanted), "not visible inside", "gap");
  return finding(control, String(wanted), found, Number(found) <= wanted);
}

function processLimits(facts: Facts): readonly Finding[] {
  const line = (name: string): string => {
    const match = new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, "mu").exec(facts.get("limits") ?? "");
    return match === null ? "" : `${match[1]} ${match[2]}`;
  };
  const { hard } = limits.openFiles;
  // Some versions of runc raise the soft limit up to the hard one.
  const [, openFiles = ""] = line("Max open files").split(" ");
  const core = line("Max core file size");
  return [
    finding(
      "files.open",
      `at most ${hard}`,
      openFiles,
      openFiles !== "" && Number(openFiles) <= hard,
    ),
    finding("core.size", "0 0", core, core === "0 0"),
  ];
}
