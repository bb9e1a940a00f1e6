import type { Container } from "dockerode";
import { within } from "./within.ts";

const graceMs = 1_500;
const engineMs = 4_000;

/**
 * SIGTERM to what commands left running, then a look until it is gone. What was started from
 * outside has no parent that is seen from inside: the first process, the session's shell, and those
 * that read its output, which stay, with their own children, for a process that ends has words to say.
 */
const politely = String.raw`
exec 2>/dev/null
of() { # sets parent and state of a process
  state=Z parent=0
  while read -r key value _; do
    case $key in State:) state=$value ;; PPid:) parent=$value; break ;; esac
  done <"/proc/$1/status"
}
left() { # sets left to what commands started
  left=()
  for process in /proc/[0-9]*; do
    process=${"$"}{process#/proc/}
    of "$process"
    [ "$parent" = 0 ] || [ "$state" = Z ] && continue
    if [ "$parent" != 1 ]; then
      outer=$parent
      of "$outer"
      mapfile -d "" arguments <"/proc/$outer/cmdline"
      case "$parent ${"$"}{arguments[*]}" in "0 "*--noediting*) ;; "0 "*) continue ;; esac
    fi
    left+=("$process")
  done
}
left
kill -TERM "${"$"}{left[@]}"
for look in {1..15}; do
  left
  [ ${"$"}{#left[@]} = 0 ] && break
  read -rt 0.1
done
`;

/** Gives what runs in a container the chance to end by itself. Never throws, never takes longer than the grace and what the engine needs. */
export async function askToEnd(container: Container): Promise<void> {
  await within(graceMs + engineMs, ask(container)).catch(() => undefined);
}

async function ask(container: Container): Promise<void> {
  const command = ["bash", "--noprofile", "--norc", "-c", politely];
  const exec = await container.exec({ Cmd: command, AttachStdin: true, AttachStdout: true });
  const stream = await exec.start({ hijack: true, stdin: true });
  await new Promise<void>((resolve) => {
    stream
      .on("close", () => resolve())
      .on("end", () => resolve())
      .on("error", () => resolve());
    stream.resume();
  });
}
