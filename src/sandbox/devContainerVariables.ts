export interface Filled {
  readonly text: string;
  /** The first variable that is not given; null when all are. */
  readonly unknown: string | null;
}

const workspace = "/workspace";
const variable = /\$\{([^{}]*)\}/gu;
const ofImage = /\$\{containerEnv:([A-Za-z_]\w*)(?::([^{}]*))?\}/gu;

/** `${…}` in a dev container file. Variables of the host, of whatever name, are never looked up. */
export class Variables {
  readonly #values: ReadonlyMap<string, string>;

  constructor(folder: string) {
    this.#values = new Map([
      ["containerWorkspaceFolder", workspace],
      ["containerWorkspaceFolderBasename", "workspace"],
      ["localWorkspaceFolderBasename", folder],
    ]);
  }

  /** Leaves what names a variable of the image for {@link imageEnv}. */
  fill(text: string): Filled {
    let unknown: string | null = null;
    const filled = text.replaceAll(variable, (whole, name: string) => {
      if (name.startsWith("containerEnv:")) return whole;
      const value = this.#values.get(name);
      if (value === undefined) unknown ??= whole;
      return value ?? whole;
    });
    return { text: filled, unknown };
  }
}

/** What to set in a container: variables of the image filled in; one that it lacks is its default, or empty. */
export function imageEnv(
  env: Readonly<Record<string, string>>,
  image: readonly string[] | null | undefined,
): readonly string[] {
  const values = new Map(
    (image ?? []).map((line) => [line.replace(/=[^]*/u, ""), line.replace(/^[^=]*=/u, "")]),
  );
  return Object.entries(env).map(([name, text]) => {
    const value = text.replaceAll(
      ofImage,
      (_, other: string, fallback: string | undefined) => values.get(other) ?? fallback ?? "",
    );
    return `${name}=${value}`;
  });
}
