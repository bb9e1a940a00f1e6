import { readlinkSync } from "node:fs";
import type { Finding } from "../core/ports.ts";
import {
  dataKib,
  openFiles,
  processLimit,
  sharedMemoryBytes,
  temporaryBytes,
} from "./bubblewrapArguments.ts";
import { authoritiesPath, proxyDirectory, proxySocketPath } from "./bridgeScript.ts";

/** Run inside: one line a control, its name and what was found. Starts few processes: each costs. */
export const bubblewrapProof = String.raw`
shopt -s nullglob
say() { printf '%s\t%s\n' "$1" "${"$"}{*:2}"; }
writes() { found=; for place; do { : >"$place/.cairn-proof"; } 2>/dev/null && found+="$place "; done; }
there() { found=; for place; do [ -e "$place" ] && found+="$place "; done; }
while read -r name value; do
  case $name in
    Uid:) say user.notRoot $value ;;
    Cap*) say "capabilities.${"$"}{name%:}" $value ;;
    NoNewPrivs:) say privileges.noNew $value ;;
    Seccomp:) say calls.filtered $value ;;
  esac
done </proc/self/status
writes / /etc /usr /usr/bin /dev /run /agent /proc/sys; say root.readOnly $found
writes /agent/secrets; say secrets.readOnly $found /agent/secrets/*
writes ${proxyDirectory}; [ -S ${proxySocketPath} ] && [ -s ${authoritiesPath} ] && found+=there
[ -e ${proxyDirectory} ] && say proxy.readOnly $found
found=; for place in /workspace /agent/runtime /agent/logs /tmp; do [ -w $place ] && found+="$place "; done
say directories.writable $found
found=; while IFS=: read -r name value; do [ -n "$value" ] && found+="$name "; done </proc/net/dev
say network.none $found
there /root /home /var /opt /srv /mnt /sys /boot /run/docker.sock /run/user /run/podman; say host.absent $found
spaces=(/proc/self/ns/{cgroup,ipc,mnt,net,pid,user,uts})
{ for space in ${"$"}{spaces[@]##*/}; do read -r found; say "namespace.$space" "$found"; done; } < <(readlink ${"$"}{spaces[@]})
say namespaces.none $(unshare --user true 2>/dev/null && echo made one)
while read -r _ _ _ _ place _ rest; do
  [[ $rest =~ size=([0-9]+)k ]] || continue
  case $place in
    /tmp) say tmp.bounded ${"$"}{BASH_REMATCH[1]} ;;
    /dev/shm) say sharedMemory.bounded ${"$"}{BASH_REMATCH[1]} ;;
  esac
done </proc/self/mountinfo
printf 'processes.bounded\t'; ulimit -Hu
printf 'files.bounded\t'; ulimit -Hn
printf 'core.none\t'; ulimit -Hc
printf 'memory.perProcess\t'; ulimit -Hd
`;

interface Control {
  readonly control: string;
  readonly wanted: string;
  readonly holds: (found: string) => boolean;
  /** Said when it does not hold, where this backend cannot do better on such a machine. */
  readonly gap?: string;
}

const spaces: readonly string[] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
const nothing = (found: string): boolean => found === "";
const exactly = (value: string | number) => (found: string) => found === String(value);

const controls: readonly Control[] = [
  { control: "user.notRoot", wanted: "1000", holds: (found) => /^(1000 ?)+$/.test(found) },
  ...["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map((set): Control => ({
    control: `capabilities.${set}`,
    wanted: "0",
    holds: (found) => /^0+$/.test(found),
  })),
  { control: "privileges.noNew", wanted: "1", holds: exactly(1) },
  {
    control: "calls.filtered",
    wanted: "2",
    holds: exactly(2),
    gap: "there is no filter of system calls for this kind of processor",
  },
  { control: "root.readOnly", wanted: "nothing written", holds: nothing },
  { control: "secrets.readOnly", wanted: "empty, nothing written", holds: nothing },
  {
    control: "directories.writable",
    wanted: "/workspace /agent/runtime /agent/logs /tmp",
    holds: exactly("/workspace /agent/runtime /agent/logs /tmp"),
  },
  { control: "network.none", wanted: "lo", holds: exactly("lo") },
  { control: "host.absent", wanted: "nothing of it", holds: nothing },
  ...spaces.map((space): Control => ({
    control: `namespace.${space}`,
    wanted: "not the host's",
    holds: (found) =>
      /^\w+:\[\d+\]$/.test(found) && found !== readlinkSync(`/proc/self/ns/${space}`),
  })),
  { control: "namespaces.none", wanted: "none made inside", holds: nothing },
  {
    control: "tmp.bounded",
    wanted: `${temporaryBytes / 1024} KiB`,
    holds: exactly(temporaryBytes / 1024),
  },
  {
    control: "sharedMemory.bounded",
    wanted: `${sharedMemoryBytes / 1024} KiB`,
    holds: exactly(sharedMemoryBytes / 1024),
  },
  {
    control: "processes.bounded",
    wanted: `${processLimit}`,
    holds: exactly(processLimit),
    gap: "this kernel would count the user's other processes too",
  },
  {
    control: "files.bounded",
    wanted: `${openFiles.hard}`,
    holds: (found) => Number(found) <= openFiles.hard,
  },
  { control: "core.none", wanted: "0", holds: exactly(0) },
  {
    control: "memory.perProcess",
    wanted: `${dataKib} KiB`,
    holds: (found) => Number(found) <= dataKib,
  },
];

/** Of a place with a proxy. */
const withProxy: Control = {
  control: "proxy.readOnly",
  wanted: "its socket and its authorities, nothing written",
  holds: exactly("there"),
};

/** What no place of bubblewrap has, because it needs control groups or quotas. */
const gaps: readonly Finding[] = [
  ["memory.bounded", "512 MiB for all processes", "each process has a bound of its own"],
  ["processor.bounded", "one processor", "all processors of this machine"],
  ["image.pinned", "an image with a digest", "this machine's own programs, read-only"],
].map(([control = "", wanted = "", found = ""]) => ({ control, wanted, found, verdict: "gap" }));

/** Parts the lines of a proof where it comes out of the place. */
const proofSeparator = "\x1e";

/** Reads what {@link bubblewrapProof} printed. `mayMiss` names controls that may be missing here. */
export function bubblewrapFindings(
  proof: string,
  mayMiss: ReadonlySet<string>,
  proxied = false,
): readonly Finding[] {
  const lines = proof.split(proofSeparator).map((line) => line.split("\t"));
  const found = new Map(lines.map(([name = "", value = ""]) => [name, value]));
  const all = proxied ? [...controls, withProxy] : controls;
  const proved = all.map(({ control, wanted, holds, gap }): Finding => {
    const value = found.get(control);
    if (value !== undefined && holds(value)) {
      return { control, wanted, found: value === "" ? "none" : value, verdict: "held" };
    }
    if (gap !== undefined && mayMiss.has(control)) {
      return { control, wanted, found: gap, verdict: "gap" };
    }
    return { control, wanted, found: value ?? "no answer", verdict: "broken" };
  });
  return [...proved, ...gaps];
}
