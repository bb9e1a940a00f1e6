import type { Sandbox } from "../core/ports.ts";

const looksFor = ["bash", "git", "python3", "node"] as const;
const withinMs = 10_000;

/** In a subshell, so that nothing of it is left in the session's shell. */
const look = `(for tool in ${looksFor.join(" ")}; do
  command -v "$tool" >/dev/null 2>&1 && echo "$tool $("$tool" --version 2>&1 | head -n 1)"
done; true)`;

/** What can be used inside, with its version, by one command. Finds nothing where nothing answers. */
export async function findTools(sandbox: Sandbox): Promise<Readonly<Record<string, string>>> {
  const { signal } = new AbortController();
  const { stdout } = await sandbox.run(look, { signal, timeoutMs: withinMs });
  const lines = Buffer.from(stdout).toString("utf8").split("\n");
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [name, ...rest] = line.split(" ");
      const version = /\d+(?:\.\d+)+/u.exec(rest.join(" "))?.[0];
      const known = looksFor.find((tool) => tool === name);
      return known === undefined || version === undefined ? [] : [[known, version]];
    }),
  );
}
