import { defineConfig } from "oxlint";

/**
 * The map. A room may import itself, core/ and the packages named here; nothing else.
 * A folder under src/ that is not listed may import nothing at all.
 */
const rooms = {
  core: ["zod"],
  tools: ["zod"],
  command: ["unbash"],
  durable: [
    "node:crypto",
    "node:fs",
    "node:fs/promises",
    "node:os",
    "node:path",
    "node:sqlite",
    "node:timers/promises",
    "node:worker_threads",
    "node:zlib",
    "@dbos-inc/dbos-sdk",
    "@dbos-inc/dbos-sdk/internal/*",
    "@dbos-inc/dbos-sdk/internal/telemetry/*",
    "pg",
    "zod",
  ],
  audit: ["node:crypto", "node:fs", "node:fs/promises", "node:path", "node:util", "zod"],
  bundle: ["node:crypto"],
  redaction: [],
  snapshot: ["diff", "node:crypto", "node:fs", "node:fs/promises", "node:path"],
  model: ["node:http", "node:net", "openai", "openai/*", "zod"],
  sandbox: [
    "../../docker/seccomp.json",
    "dockerode",
    "jsonc-parser",
    "just-bash",
    // `bwrap` alone, with fixed arguments and no environment.
    "node:child_process",
    "node:crypto",
    "node:events",
    "node:fs",
    "node:fs/promises",
    "node:http",
    "node:net",
    "node:os",
    "node:path",
    "node:stream",
    "node:timers/promises",
    "node:util",
    "node:worker_threads",
    "zod",
  ],
  proxy: [
    // Its entry: what it needs of another room is joined there.
    "../proxyParts.ts",
    "ipaddr.js",
    // `dist/proxy.js` alone, with no environment.
    "node:child_process",
    "node:crypto",
    "node:dns",
    "node:dns/promises",
    "node:events",
    "node:fs/promises",
    "node:http",
    "node:https",
    "node:net",
    "node:path",
    "node:readline",
    "node:stream",
    "node:stream/promises",
    "node:tls",
    "node:util",
    "node:zlib",
    "zod",
  ],
  rules: [
    "jsonc-parser",
    "node:crypto",
    "node:fs",
    "node:fs/promises",
    "node:path",
    "node:timers/promises",
    "zod",
  ],
  services: ["zod"],
  skills: ["node:crypto", "node:fs", "node:fs/promises", "node:path", "simple-git", "yaml", "zod"],
  host: ["vscode", "../protocol.ts", "node:crypto", "node:os", "node:path", "zod"],
  cli: [
    "../auditParts.ts",
    "../engine.ts",
    "../processParts.ts",
    "../scaleOut.ts",
    "node:events",
    "node:fs",
    "node:fs/promises",
    "node:os",
    "node:path",
    "node:readline/promises",
    "node:stream",
    "node:stream/consumers",
    "node:util",
    "zod",
  ],
};

const limits = { skipBlankLines: true, skipComments: true };

function only(allowed) {
  const group = ["*", "!./*", ...allowed.map((name) => `!${name}`)];
  return ["error", { patterns: [{ group, message: "See the map in oxlint.config.js." }] }];
}

export default defineConfig({
  plugins: ["eslint", "typescript", "unicorn", "import", "promise", "oxc"],
  categories: { correctness: "error", suspicious: "error", perf: "error" },
  options: { typeAware: true, denyWarnings: true, reportUnusedDisableDirectives: "error" },
  ignorePatterns: ["dist", "out", "node_modules", ".cairn", "*.sh"],
  rules: {
    "no-await-in-loop": "off", // turns are sequential by nature
    "typescript/consistent-return": "off", // the compiler's noImplicitReturns knows exhaustive switches
    "unicorn/require-post-message-target-origin": "off", // a vscode.Webview is not a window
    complexity: ["error", 15],
    eqeqeq: "error",
    "max-depth": ["error", 4],
    "max-lines": ["error", { max: 400, ...limits }],
    "max-lines-per-function": ["error", { max: 70, ...limits }],
    "max-params": ["error", 4],
    "no-console": "error",
    "import/no-cycle": "error",
    "import/no-default-export": "error",
    "typescript/consistent-type-imports": "error",
    "typescript/explicit-module-boundary-types": "error",
    "typescript/no-explicit-any": "error",
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": "error",
    "typescript/no-non-null-assertion": "error",
    "typescript/no-unsafe-type-assertion": "error",
    "typescript/only-throw-error": "error",
    "typescript/prefer-readonly": "error",
    "typescript/return-await": ["error", "error-handling-correctness-only"],
    "typescript/strict-boolean-expressions": "error",
    "typescript/switch-exhaustiveness-check": [
      "error",
      { considerDefaultExhaustiveForUnions: false },
    ],
    "typescript/use-unknown-in-catch-callback-variable": "error",
    "unicorn/filename-case": ["error", { case: "camelCase" }],
    "unicorn/prefer-node-protocol": "error",
  },
  overrides: [
    { files: ["src/*/**"], rules: { "no-restricted-imports": only([]) } },
    {
      files: ["src/protocol.ts"],
      rules: {
        "no-restricted-imports": [
          "error",
          {
            patterns: [
              { group: ["*", "!zod", "!./core", "!./core/records.ts", "!./core/sessions.ts"] },
            ],
          },
        ],
      },
    },
    ...Object.entries(rooms).map(([room, packages]) => ({
      files: [`src/${room}/**`],
      rules: { "no-restricted-imports": only(["../core", "../core/*", ...packages]) },
    })),
    {
      // Replay must not depend on the clock, on chance, or on the machine.
      files: ["src/core/**"],
      rules: {
        "no-restricted-globals": [
          "error",
          "Buffer",
          "Date",
          "crypto",
          "fetch",
          "performance",
          "process",
          "setInterval",
          "setTimeout",
        ],
        "no-restricted-properties": ["error", { object: "Math", property: "random" }],
      },
    },
    {
      files: ["webview/**"],
      rules: {
        "no-restricted-imports": [
          "error",
          {
            patterns: [
              {
                regex: "src/protocol",
                allowTypeImports: true,
                message: "Types only: the panel ships no zod.",
              },
              {
                group: [
                  "*",
                  "!./*",
                  "!./ui/*",
                  "!..",
                  "!../src",
                  "!../src/protocol.ts",
                  // Words and what makes text safe to look at: the same in the panel and in the terminal.
                  ...["..", "../.."].flatMap((up) => [
                    `!${up}`,
                    `!${up}/src`,
                    `!${up}/src/core`,
                    `!${up}/src/core/visibleText.ts`,
                    `!${up}/src/core/foldedText.ts`,
                    `!${up}/src/core/actionWords.ts`,
                    `!${up}/src/core/egressWords.ts`,
                  ]),
                  "!@vscode/webview-ui-toolkit",
                ],
              },
            ],
          },
        ],
        // Nothing that anybody wrote is ever read as HTML.
        "no-restricted-properties": [
          "error",
          ...["innerHTML", "outerHTML", "insertAdjacentHTML", "srcdoc", "write", "writeln"].map(
            (property) => ({ property }),
          ),
        ],
      },
    },
    {
      files: ["test/**", "esbuild.mjs"],
      rules: {
        "max-lines-per-function": "off",
        "no-console": "off",
        // A helper of one suite reads best beside it.
        "unicorn/consistent-function-scoping": "off",
        "typescript/explicit-module-boundary-types": "off",
        "typescript/no-floating-promises": ["error", { allowForKnownSafeCalls: ["test", "suite"] }],
      },
    },
    { files: ["*.config.js"], rules: { "import/no-default-export": "off" } },
  ],
});
