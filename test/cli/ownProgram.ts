import { join } from "node:path";
import { build } from "esbuild";

/** A program beside a test as one file, which starts faster than its sources. */
export async function ownProgram(place: string, name = "ownFlows"): Promise<string> {
  const source = new URL(`${name}.ts`, import.meta.url);
  const outfile = join(place, `${name}.mjs`);
  await build({
    entryPoints: [source.pathname],
    outfile,
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm",
    logLevel: "warning",
    // As in the project's own bundle: what is left out is only asked for where it is used.
    external: ["cpu-features", "pg-native", "winston", "winston-transport", "@opentelemetry/*"],
    loader: { ".node": "empty" },
    alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
    // The built worker files are found from where the source lies.
    define: { "import.meta.url": JSON.stringify(source.href) },
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url); const __dirname = import.meta.dirname; const __filename = import.meta.filename;',
    },
  });
  return outfile;
}
