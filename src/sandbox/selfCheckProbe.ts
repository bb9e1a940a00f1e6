import type { Container } from "dockerode";
import { CairnError } from "../core/errors.ts";
import { authoritiesPath, proxySocketPath } from "./bridgeScript.ts";
import { execInside } from "./execInside.ts";
import type { NetworkFacts } from "./sessionNetwork.ts";
import { within } from "./within.ts";

/** What was found inside, by name. */
export type Facts = ReadonlyMap<string, string>;

/** Where limits can be read inside: control groups of version 1, then of version 2. */
const groupFiles = `
  pids/pids.max memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes
  memory/memory.oom_control cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us
  pids.max memory.max memory.swap.max memory.events cpu.max
`;

/** A process says what it finds, in pairs of name and text. Only builtins, so that nothing has to be installed. */
const speak = String.raw`
say() { printf '%s\0%s\0' "$1" "$2"; }
text() { local value=; { IFS= read -r -d '' value <"$2"; } 2>/dev/null; say "$1" "$value"; }
`;

const groups = groupFiles
  .trim()
  .split(/\s+/)
  .map((file) => `text ${file} /sys/fs/cgroup/${file}\n`)
  .join("");

const look = String.raw`
${speak}${groups}
text status /proc/self/status
text mounts /proc/self/mountinfo
text limits /proc/self/limits
text interfaces /proc/net/dev
text routes /proc/net/route
text version6 /proc/net/if_inet6
text first /proc/1/comm
{ mapfile -d '' -t variables </proc/self/environ; } 2>/dev/null
say environment "${"$"}{variables[*]%%=*}"
[[ -d /workspace && -x /workspace ]] && say files yes
[[ -S ${proxySocketPath} ]] && say socket yes
[[ -s ${authoritiesPath} ]] && say authorities yes

devices=
for device in /dev/*; do
  [[ ! -L $device && ( -b $device || -c $device ) ]] && devices+="${"$"}{device#/dev/} "
done
say devices "$devices"

sockets=
for socket in {/run,/var/run}/{docker,podman/podman,containerd/containerd,crio/crio}.sock; do
  [[ -S $socket ]] && sockets+="$socket "
done
say sockets "$sockets"

create() { { : >"$1"; } 2>/dev/null && rm -f "$1"; }
try() {
  [[ -L $1 ]] && return
  if [[ -d $1 ]]; then [[ -w $1 ]] || create "$1/.cairn-check"
  else [[ -f $1 && -w $1 ]]
  fi && writable+="$1"$'\n'
}
writable=
for place in / /* /agent/*; do try "$place"; done
while read -r _ _ _ _ place _; do
  printf -v place %b "$place"
  try "$place"
done </proc/self/mountinfo
say writable "$writable"
`;

/** Asks who has an address of the network, and waits as long as a neighbour may take to say so. */
function askFor({ gateway }: NetworkFacts): string {
  return String.raw`
{ printf . >/dev/udp/${gateway}/9; } 2>/dev/null
read -r -t 0.1 <> <(:)
text neighbours /proc/net/arp
`;
}

/** How many processes the kernel ended because the container was out of memory; 0 where it does not say. */
export function oomKills(facts: Facts): number {
  const counters = ["memory/memory.oom_control", "memory.events"].map((name) => facts.get(name));
  const [, count = "0"] = /^oom_kill (\d+)$/m.exec(counters.join("\n")) ?? [];
  return Number(count);
}

/** A machine that has much else to do needs a while for the trials. */
const askWithinMs = 30_000;

/** Looks at the container from inside, by a process that the session's shell knows nothing of. */
export async function lookInside(
  container: Container,
  network: NetworkFacts | null,
): Promise<Facts> {
  return ask(container, network === null ? look : look + askFor(network));
}

/** Only what the control groups say. */
export async function lookAtGroups(container: Container): Promise<Facts> {
  return ask(container, speak + groups);
}

/** Runs a script of {@link speak}ing and gives what it said, as far as it came. Throws `sandbox.lost`. */
export async function ask(container: Container, script: string): Promise<Facts> {
  const command = ["bash", "--noprofile", "--norc", "-c", script, "bash"];
  const executed = await within(askWithinMs, execInside(container, command));
  if (executed === null) {
    throw new CairnError("sandbox.lost", "The container does not answer. Start the session again.");
  }
  const { stdout, stderr, exitCode } = executed;
  const said = stdout.toString("utf8").split("\0");
  const facts = new Map<string, string>([
    ["exit", String(exitCode)],
    ["stderr", stderr],
  ]);
  for (let at = 0; at + 1 < said.length; at += 2) facts.set(said[at] ?? "", said[at + 1] ?? "");
  return facts;
}
