/// <reference types="node" />
import { rm, writeFile } from "node:fs/promises";
import { build, context } from "esbuild";

const watch = process.argv.includes("--watch");

const common = {
  absWorkingDir: import.meta.dirname,
  bundle: true,
  legalComments: "none",
  logLevel: "warning",
  metafile: true,
  minify: !watch,
  sourcemap: watch,
};

const node = {
  ...common,
  platform: "node",
  format: "esm",
  target: "node22",
  outdir: "dist",
  // CommonJS packages inside an ES module still ask for these three.
  banner: {
    js: [
      'import { createRequire as cairnRequire } from "node:module";',
      "const require = cairnRequire(import.meta.url);",
      "const __filename = import.meta.filename;",
      "const __dirname = import.meta.dirname;",
    ].join("\n"),
  },
  // ssh2, under dockerode, speeds up with native addons where it finds them; we ship none.
  // DBOS can log and trace through these where they are installed; we neither ship nor use them.
  external: [
    "vscode",
    "cpu-features",
    "pg-native",
    "winston",
    "winston-transport",
    "@opentelemetry/*",
  ],
  loader: { ".node": "empty" },
  // Its usual entry asks for its parts in a way that no bundler follows.
  alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
};

/**
 * Parts of the built-in shell for commands that it does not offer (python, sqlite, html, archives
 * with native code, the network): empty modules in their place keep the worker small.
 */
const leftOut = {
  name: "left-out",
  setup(bundler) {
    const filter =
      /^(turndown|sql\.js|quickjs-emscripten|@mongodb-js\/zstd|node-liblzma)$|\/undici-[A-Z0-9]+\.js$/;
    bundler.onResolve({ filter }, ({ path }) => ({ path, namespace: "left-out" }));
    bundler.onLoad({ filter: /.*/, namespace: "left-out" }, () => ({
      contents: "module.exports = {};",
    }));
  },
};

/** The doorway finds the editor's parts beside it, in the bundle that shares chunks. */
const editorBeside = {
  name: "editor-beside",
  setup(bundler) {
    bundler.onResolve({ filter: /^\.\/editor\.ts$/ }, () => ({
      path: "./editor.js",
      external: true,
    }));
  },
};

/**
 * Whoever imports `node:http` gets all that it exports, and with it node's WebSocket and fetch, which
 * are read then: 5 MB, and some of the start. Whoever requires it does not.
 */
const requiredBuiltins = {
  name: "required-builtins",
  setup(bundler) {
    bundler.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === "import-statement" ? { path, namespace: "required" } : { path, external: true },
    );
    bundler.onLoad({ filter: /.*/, namespace: "required" }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

/** One entry a call that cannot share chunks with another. */
const bundles = [
  {
    ...node,
    // Split, so that dockerode, openai and simple-git stay on disk until they are needed.
    splitting: true,
    entryPoints: {
      editor: "src/editor.ts",
      cli: "src/cli/main.ts",
    },
  },
  {
    ...common,
    platform: "node",
    // One small CommonJS file: VS Code loads it at every start, and loads it faster than a module.
    format: "cjs",
    target: "node22",
    outdir: "dist",
    outExtension: { ".js": ".cjs" },
    external: ["vscode"],
    // A worker of CommonJS starts a quarter faster too.
    entryPoints: { extension: "src/extension.ts", storeWorker: "src/durable/storeWorker.ts" },
    plugins: [editorBeside],
  },
  {
    ...node,
    entryPoints: { embeddedWorker: "src/sandbox/embeddedWorker.ts" },
    plugins: [leftOut],
  },
  {
    // A process of its own, started once a session: small, so that it is there soon.
    ...node,
    entryPoints: { proxy: "src/proxy/main.ts" },
    plugins: [requiredBuiltins],
  },
  {
    ...common,
    platform: "browser",
    format: "iife",
    target: "es2022",
    outdir: "dist",
    entryPoints: { webview: "webview/main.ts", panel: "webview/panel.css" },
  },
];

await rm(new URL("dist", import.meta.url), { recursive: true, force: true });
if (watch) {
  const contexts = await Promise.all(bundles.map((options) => context(options)));
  await Promise.all(contexts.map((each) => each.watch()));
  console.log("watching");
} else {
  const results = await Promise.all(bundles.map((options) => build(options)));
  const outputs = Object.assign({}, ...results.map((result) => result.metafile.outputs));
  const inputs = Object.assign({}, ...results.map((result) => result.metafile.inputs));
  await writeFile(new URL("dist/meta.json", import.meta.url), JSON.stringify({ inputs, outputs }));
}
