/** What a container is anyway. */
const already: ReadonlySet<string> = new Set(["--init", "--rm", "--network=none", "--read-only"]);
/** Options that are followed by a word of their own, where no `=` joins it. */
const withValue =
  /^(?:-[evpuwlhmc]|--(?:env|volume|publish|user|workdir|label|hostname|memory|cpus|name|network|net|mount|device|cap-add|cap-drop|security-opt|add-host|gpus|ipc|pid|uts|userns|cgroupns|runtime|shm-size|ulimit|group-add|env-file|dns|tmpfs|platform|entrypoint|sysctl|volumes-from|restart))$/u;

/**
 * The arguments for `docker run` that a file asks for. Only variables are taken; the container
 * itself is what Cairn's policy says.
 */
export function judgeRunArgs(args: readonly string[]): {
  readonly env: Readonly<Record<string, string>>;
  readonly refused: readonly string[];
} {
  const env: Record<string, string> = {};
  const refused: string[] = [];
  const queue = args.values();
  for (const arg of queue) {
    const [name = "", ...joined] = arg.split("=");
    const value = arg.includes("=")
      ? joined.join("=")
      : withValue.test(arg)
        ? queue.next().value
        : undefined;
    const whole = value === undefined || arg.includes("=") ? arg : `${arg} ${value}`;
    if (already.has(whole)) continue;
    const variable = /^([A-Za-z_]\w*)=([^]*)$/u.exec(value ?? "");
    if ((name === "-e" || name === "--env") && variable !== null) {
      env[variable[1] ?? ""] = variable[2] ?? "";
    } else {
      refused.push(
        `runArgs ${whole.slice(0, 80)}: a container gets what Cairn's own policy gives, and no more.`,
      );
    }
  }
  return { env, refused };
}
