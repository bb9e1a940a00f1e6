/** A file with one violation, and the rule that must report it. */
export interface Plant {
  readonly path: string;
  readonly rule: string;
  readonly source: string;
}

const map = "eslint(no-restricted-imports)";

export const plants: readonly Plant[] = [
  // What a room may import.
  { path: "src/core/p01.ts", rule: map, source: 'export * as vscode from "vscode";' },
  { path: "src/core/p02.ts", rule: map, source: 'export type { Uri } from "vscode";' },
  { path: "src/core/p03.ts", rule: map, source: 'export { readFileSync } from "node:fs";' },
  { path: "src/core/p04.ts", rule: map, source: 'export * from "../sandbox/dockerSandbox.ts";' },
  { path: "src/core/p05.ts", rule: map, source: 'export { default as pad } from "left-pad";' },
  {
    path: "src/core/p06.ts",
    rule: map,
    source: 'export const lazy = async (): Promise<unknown> => import("vscode");',
  },
  {
    path: "src/core/p07.ts",
    rule: map,
    source: 'import { version } from "vscode";\nexport const shown = version;',
  },
  {
    path: "src/core/p08.ts",
    rule: map,
    source: 'import type { Uri } from "vscode";\nexport type Place = Uri;',
  },
  { path: "src/tools/p09.ts", rule: map, source: 'export * from "../sandbox/dockerSandbox.ts";' },
  { path: "src/tools/p10.ts", rule: map, source: 'export * from "../../test/fakes/fake.ts";' },
  { path: "src/sandbox/p11.ts", rule: map, source: 'export { OpenAI } from "openai";' },
  { path: "src/proxy/p44.ts", rule: map, source: 'export * from "../redaction/secrets.ts";' },
  { path: "src/model/p12.ts", rule: map, source: 'export { default } from "dockerode";' },
  { path: "src/durable/p13.ts", rule: map, source: 'export { request } from "node:http";' },
  { path: "src/snapshot/p14.ts", rule: map, source: 'export { spawn } from "node:child_process";' },
  { path: "src/skills/p15.ts", rule: map, source: 'export * from "../snapshot/manifest.ts";' },
  { path: "src/host/p16.ts", rule: map, source: 'export * from "../durable/embeddedDriver.ts";' },
  { path: "src/cli/p17.ts", rule: map, source: 'export { version } from "vscode";' },
  { path: "src/attic/p18.ts", rule: map, source: 'export { join } from "node:path";' },
  { path: "webview/p19.ts", rule: map, source: 'export * from "../src/host/commands.ts";' },
  { path: "webview/p20.ts", rule: map, source: 'export * from "../src/protocol.ts";' },
  { path: "webview/p40.ts", rule: map, source: 'export * from "../src/core/replay.ts";' },
  { path: "webview/ui/p41.ts", rule: map, source: 'export * from "../../src/core/errors.ts";' },
  {
    path: "webview/p42.ts",
    rule: "eslint(no-restricted-properties)",
    source: "export const fill = (node: Element): void => {\n  node.innerHTML = node.id;\n};",
  },
  {
    path: "webview/p43.ts",
    rule: "eslint(no-restricted-properties)",
    source:
      'export const fill = (node: Element): void => node.insertAdjacentHTML("afterend", node.id);',
  },

  // What core may not know.
  {
    path: "src/core/p21.ts",
    rule: "eslint(no-restricted-globals)",
    source: "export const at = Date.now();",
  },
  {
    path: "src/core/p22.ts",
    rule: "eslint(no-restricted-globals)",
    source: "export const at = new Date();",
  },
  {
    path: "src/core/p23.ts",
    rule: "eslint(no-restricted-globals)",
    source: "export const home = process.cwd();",
  },
  {
    path: "src/core/p24.ts",
    rule: "eslint(no-restricted-properties)",
    source: "export const chance = Math.random();",
  },

  // What no file may do.
  {
    path: "src/core/p25.ts",
    rule: "import(no-cycle)",
    source: 'import { other } from "./p25Other.ts";\nexport const one = (): number => other() + 1;',
  },
  {
    path: "src/core/p25Other.ts",
    rule: "import(no-cycle)",
    source: 'import { one } from "./p25.ts";\nexport const other = (): number => one() + 1;',
  },
  {
    path: "src/core/p26.ts",
    rule: "typescript(no-floating-promises)",
    source:
      "async function work(): Promise<void> {}\nexport function start(): void {\n  work();\n}",
  },
  {
    path: "src/core/p27.ts",
    rule: "typescript(switch-exhaustiveness-check)",
    source: [
      'import type { Strategy } from "./profileRecord.ts";',
      "export function isTurn(strategy: Strategy): boolean {",
      '  switch (strategy) {\n    case "turn":\n      return true;\n  }\n  return false;\n}',
    ].join("\n"),
  },
  {
    path: "src/core/p28.ts",
    rule: "typescript(no-explicit-any)",
    source: "export type Loose = any;",
  },
  {
    path: "src/core/p29.ts",
    rule: "typescript(no-non-null-assertion)",
    source: "export const sure = (text: string | null): string => text!;",
  },
  {
    path: "src/core/p30.ts",
    rule: "typescript(no-unsafe-type-assertion)",
    source: "export const trust = (value: unknown): string => value as string;",
  },
  {
    path: "src/core/p31.ts",
    rule: "import(no-default-export)",
    source: "export default function start(): void {}",
  },
  {
    path: "src/core/p32.ts",
    rule: "typescript(only-throw-error)",
    source: 'export function stop(): never {\n  throw "text";\n}',
  },
  {
    path: "src/core/Wrong_name.ts",
    rule: "unicorn(filename-case)",
    source: "export const name = 1;",
  },
  { path: "src/host/p33.ts", rule: "eslint(no-console)", source: 'console.log("hello");' },
  {
    path: "src/host/p34.ts",
    rule: "typescript(strict-boolean-expressions)",
    source: "export const has = (text: string | null): boolean => (text ? true : false);",
  },
  {
    path: "src/tools/p35.ts",
    rule: "eslint(max-params)",
    source:
      "export const sum = (a: number, b: number, c: number, d: number, e: number): number =>\n  a + b + c + d + e;",
  },
];
