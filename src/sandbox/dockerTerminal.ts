import { randomBytes } from "node:crypto";
import type { Container } from "dockerode";
import type { SandboxTerminal, TerminalScreen } from "../core/ports.ts";

const bash = ["bash", "--noprofile", "--norc"];
const mark = "CAIRN_TERMINAL";

/** Ends every process that has the mark, which a shell hands to all that it starts. */
const hangUp = String.raw`
for signal in HUP KILL; do
  for process in /proc/[0-9]*; do
    mapfile -d "" variables <"$process/environ"
    case " ${"$"}{variables[*]} " in *" $1 "*) kill "-$signal" "${"$"}{process#/proc/}" ;; esac
  done
done 2>/dev/null
`;

/** A bash of a person's own beside the session's, with a terminal that the engine makes. */
export async function dockerTerminal(
  container: Container,
  { columns, rows, show, ended }: TerminalScreen,
): Promise<SandboxTerminal> {
  const own = `${mark}=${randomBytes(8).toString("hex")}`;
  const exec = await container.exec({
    Cmd: [...bash, "-i"],
    Env: [own, "TERM=xterm-256color", String.raw`PS1=sandbox:\w\$ `, "HISTFILE="],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: true,
  });
  const stream = await exec.start({ hijack: true, stdin: true, Tty: true });
  stream.on("data", (bytes: Buffer) => show(bytes));
  stream.once("close", ended);
  stream.on("error", () => stream.destroy());
  const resize = async (wide: number, high: number): Promise<void> => {
    // It may have ended by now, and then there is nothing to resize.
    await exec.resize({ w: wide, h: high }).catch(() => undefined);
  };
  await resize(columns, rows);
  return {
    write: (text) => void stream.write(text),
    resize: (wide, high) => void resize(wide, high),
    close: () => {
      stream.destroy();
      // The engine leaves a shell alone that nobody looks at any more.
      end(container, own).catch(() => undefined);
    },
  };
}

async function end(container: Container, own: string): Promise<void> {
  const exec = await container.exec({ Cmd: [...bash, "-c", hangUp, "cairn", own] });
  await exec.start({ Detach: true });
}
