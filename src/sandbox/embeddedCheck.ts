import type { Finding } from "../core/ports.ts";
import { finding } from "./finding.ts";

/** What the simulated shell can be asked, and what it answers when it keeps its bounds. */
const asked = [
  {
    control: "files.hostUnseen",
    wanted: "no file of the host outside the session's directories",
    command: "ls /home /root /var/run/docker.sock /run/docker.sock /proc/1/environ 2>/dev/null",
    held: (said: string) => !/docker\.sock|environ|\/home:\n\S|\/root:\n\S/.test(said),
  },
  {
    control: "environment",
    wanted: "nothing of the host's environment",
    command: "env | cut -d= -f1 | sort | tr '\\n' ' '",
    held: (said: string) => !/(?:KEY|TOKEN|SECRET|PASSWORD|DOCKER_HOST|USER)\b/.test(said),
  },
  {
    control: "programs.none",
    wanted: "no program of the host runs",
    command: "git --version || node --version || python3 --version || echo none",
    held: (said: string) => said.endsWith("none"),
  },
  {
    control: "network.none",
    wanted: "no network",
    command: "curl -s -m 2 http://192.0.2.1/ && echo open || echo closed",
    held: (said: string) => said.endsWith("closed"),
  },
];

/** What an interpreter in a thread of the host's process cannot give, said openly. */
const gaps: readonly (readonly [string, string, string])[] = [
  ["process.user", "a user of its own", "the user that runs Cairn; commands are interpreted"],
  ["process.seccomp", "a filter of system calls", "none: the thread is part of Cairn's process"],
  ["root.readOnly", "a read-only root", "there is no root: only the session's directories exist"],
  ["processes.limit", "a number of processes", "there are no processes"],
  ["cpu.limit", "one processor", "one thread; it ends with its command's timeout"],
  ["memory.limit", "512 MB by the kernel", "512 MB of objects by the engine of JavaScript"],
  ["tmp.size", "a size for /tmp", "none: it is a directory of the session"],
  ["disk.size", "a size for /workspace", "none"],
];

/** Proves what can be asked of the simulated shell, and names the rest. */
export async function checkEmbedded(
  ask: (command: string) => Promise<string>,
): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  for (const { control, wanted, command, held } of asked) {
    const said = await ask(command);
    found.push(finding(control, wanted, said.slice(0, 200), held(said)));
  }
  return [...found, ...gaps.map(([control, wanted, is]) => finding(control, wanted, is, "gap"))];
}
