import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { root } from "./root.ts";

export interface BundleSize {
  readonly metric: "bundle.host.bytes" | "bundle.webview.bytes";
  readonly bytes: number;
  readonly limit: number;
}

const metafile = z.object({
  outputs: z.record(
    z.string(),
    z.object({
      bytes: z.number(),
      imports: z.array(
        z.object({ path: z.string(), kind: z.string(), external: z.optional(z.boolean()) }),
      ),
    }),
  ),
});

/** Reads the sizes of the last build from its `dist/meta.json`. */
export async function bundleSizes(): Promise<readonly BundleSize[]> {
  const { outputs } = metafile.parse(
    JSON.parse(await readFile(join(root, "dist", "meta.json"), "utf8")),
  );
  const loaded = new Set<string>();
  const load = (path: string): void => {
    if (loaded.has(path)) return;
    loaded.add(path);
    for (const { path: imported, kind, external } of outputs[path]?.imports ?? []) {
      if (kind === "import-statement" && external !== true) load(imported);
    }
  };
  const bytesOf = (path: string): number => {
    const output = outputs[path];
    if (output === undefined) throw new Error(`${path} is not in dist/meta.json; build first.`);
    return output.bytes;
  };
  load("dist/extension.cjs");
  const host = [...loaded].reduce((sum, path) => sum + bytesOf(path), 0);
  return [
    { metric: "bundle.host.bytes", bytes: host, limit: 300_000 },
    { metric: "bundle.webview.bytes", bytes: bytesOf("dist/webview.js"), limit: 350_000 },
  ];
}
