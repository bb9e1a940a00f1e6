import type { Container } from "dockerode";
import type { Finding } from "../core/ports.ts";
import { limits } from "./policy.ts";
import { finding } from "./finding.ts";
import { ask, lookAtGroups, oomKills } from "./selfCheckProbe.ts";

const { processes, tmpBytes, cpus } = limits;
const mostProcessors = 64;

/** Starts processes until no more can be had, says how many there were, and ends all of them at once: `kill 0` is one step for the kernel. */
const forkBomb = String.raw`
for file in /sys/fs/cgroup/{pids/,}pids.current; do [[ -r $file ]] && counter=$file; done
[[ $counter ]] || exit 0
bomb() { bomb | bomb & }
bomb 2>/dev/null
most=0
until ((SECONDS > 1)); do
  read -r now <$counter
  ((now > most)) && most=$now
done
printf 'most\0%s\0' "$most"
kill -KILL 0
`;

const memoryHog = "head -c 1G /dev/zero | tail -c 1G >/dev/null; exit ${PIPESTATUS[1]}";

const twoAtOnce = String.raw`
spin() { local until=$(($1 + 600000)); while ((${"$"}{EPOCHREALTIME/[.,]/} < until)); do :; done; }
begin=${"$"}{EPOCHREALTIME/[.,]/}
spin "$begin" & spin "$begin" & spin "$begin" & wait
printf 'took\0%s\0times\0' "$((${"$"}{EPOCHREALTIME/[.,]/} - begin))"
times
printf '\0'
`;

const fullTmp = String.raw`
head -c ${tmpBytes + 1024 * 1024} /dev/zero >/tmp/.cairn-full 2>/dev/null && printf 'whole\0yes\0'
rm -f /tmp/.cairn-full
`;

/** An address of nobody, on the internet. */
const elsewhere = "192.0.2.1";
/** Longer than it takes until nobody answers for an address. */
const dialSeconds = 5;

/** Says which of the addresses are there: what refuses was reached, too. */
const dial = (addresses: readonly string[]): string => String.raw`
try() {
  local said
  said=$({ exec 3<>"/dev/tcp/$1/80"; } 2>&1) && said=connected
  case $said in *unreachable* | *"No route to host"*) printf '%s closed\n' "$1" ;; *) printf '%s open\n' "$1" ;; esac
}
left=${addresses.length}
printf 'reached\0'
while ((left > 0)) && read -r -t ${dialSeconds} address how; do
  ((left -= 1))
  [[ $how == open ]] && printf '%s ' "$address"
done < <(for address in ${addresses.join(" ")}; do try "$address" & done 2>/dev/null)
((left > 0)) && printf 'perhaps %d more' "$left"
printf '\0tried\0yes\0'
`;

/** Numbers of the 64-bit tables of x86 and ARM; calls newer than the table's split have one number. */
const systemCalls = String.raw`
command -v python3 >/dev/null || exit 0
exec python3 -c '
import ctypes, errno, os, sys
arm = os.uname().machine == "aarch64"
calls = dict(io_uring_setup=(425, 425), unshare=(272, 97), mount=(165, 40), setns=(308, 268),
  ptrace=(101, 117), keyctl=(250, 219), bpf=(321, 280), userfaultfd=(323, 282),
  perf_event_open=(298, 241), process_vm_readv=(310, 270), open_by_handle_at=(304, 265))
libc = ctypes.CDLL(None, use_errno=True)
def refused(numbers, first):
  ctypes.set_errno(0)
  return libc.syscall(numbers[arm], first, 0, 0, 0, 0) == -1 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS)
first = dict(unshare=0x10000000, io_uring_setup=1)
allowed = [name for name, numbers in calls.items() if not refused(numbers, first.get(name, 0))]
sys.stdout.write("tried\0" + " ".join(calls) + "\0allowed\0" + " ".join(allowed) + "\0")
'
`;

/** Tries to break each wall, in a process of its own; what it took is given back at the end. `beyond` are addresses that it must not reach. */
export async function tryInside(
  container: Container,
  beyond: readonly string[],
): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  const trials = [
    tryMemory,
    tryForks,
    tryProcessor,
    tryTmp,
    async (place: Container) => tryNetwork(place, [elsewhere, ...beyond]),
    trySystemCalls,
  ];
  for (const attempt of trials) found.push(await attempt(container));
  return found;
}

async function tryMemory(container: Container): Promise<Finding> {
  const before = oomKills(await lookAtGroups(container));
  const exit = (await ask(container, memoryHog)).get("exit");
  const after = oomKills(await lookAtGroups(container));
  const said = after > before ? "out of memory" : "no word about memory";
  return finding(
    "trial.memoryHog",
    "killed, out of memory",
    exit === "137" ? `killed, ${said}` : `exit ${exit}`,
    exit === "137" && (after > before || "gap"),
  );
}

async function tryForks(container: Container): Promise<Finding> {
  const most = (await ask(container, forkBomb)).get("most");
  const wanted = `at most ${processes} processes`;
  if (most === undefined) return finding("trial.forkBomb", wanted, "not counted inside", "gap");
  // One that is refused is counted for a moment, on each processor.
  const held = Number(most) <= processes + mostProcessors;
  return finding("trial.forkBomb", wanted, `${most} processes`, held);
}

async function tryProcessor(container: Container): Promise<Finding> {
  const facts = await ask(container, twoAtOnce);
  const elapsed = Number(facts.get("took") ?? 0) / 1e6;
  const used = [...(facts.get("times") ?? "").matchAll(/(\d+)m([\d.]+)s/g)]
    .map(([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds))
    .reduce((sum, seconds) => sum + seconds, 0);
  const rate = elapsed > 0 ? used / elapsed : Infinity;
  // A period that has begun is used up to its end.
  const held = rate <= cpus * 1.3;
  return finding("trial.processor", `${cpus} of them`, `${rate.toFixed(2)} of them`, held);
}

async function tryTmp(container: Container): Promise<Finding> {
  const whole = (await ask(container, fullTmp)).has("whole");
  const found = whole ? "it took more" : "no space left";
  return finding("trial.tmp", "no space left past its size", found, !whole);
}

async function tryNetwork(container: Container, addresses: readonly string[]): Promise<Finding> {
  const facts = await ask(container, dial(addresses));
  const reached = facts.get("reached")?.trim() ?? "";
  const wanted =
    addresses.length === 1 ? "unreachable" : `${addresses.length} addresses unreachable`;
  const held = facts.has("tried") && reached === "";
  return finding("trial.network", wanted, held ? wanted : `reached ${reached}`, held);
}

async function trySystemCalls(container: Container): Promise<Finding> {
  const facts = await ask(container, systemCalls);
  const tried = facts.get("tried") ?? "";
  const wanted = "io_uring, namespaces, mounts, tracing and the like refused";
  if (tried === "") {
    return finding("trial.systemCalls", wanted, "not tried: no python3 in the image", "gap");
  }
  const allowed = facts.get("allowed") ?? "";
  const found = allowed === "" ? `refused: ${tried}` : `allowed: ${allowed}`;
  return finding("trial.systemCalls", wanted, found, allowed === "");
}
