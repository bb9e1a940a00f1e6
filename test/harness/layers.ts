import { globSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { findChromium } from "../vscode/browser.ts";
import { runInExtensionHost } from "../vscode/extensionHost.ts";
import { packageVsix } from "../vscode/packageVsix.ts";
import { runChecks } from "./checks.ts";
import { mustRun } from "./command.ts";
import { installDebianPackages } from "./debian.ts";
import { runNodeTests } from "./nodeTests.ts";
import { root } from "./root.ts";
import { Tally } from "./tally.ts";

const layers = ["check", "unit", "host", "e2e"] as const;
type Layer = (typeof layers)[number];

/** Rooms whose tests need neither a container engine nor an editor, for `npm run check`. */
const fastRooms = ["core", "lint", "model", "tools"];

const patient = ["test/cli/crash", "test/durable/crash", "test/simulation/"];
/** They run in one extension host together. */
const hostTests = "test/host";
/** How many files may run a second time. */
const mostAgain = 3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string" }, fast: { type: "boolean", default: false } },
});
if (values.only !== undefined && !layers.some((layer) => layer === values.only)) {
  console.error(`There is no layer "${values.only}"; --only takes ${layers.join(", ")}.`);
  process.exit(2);
}
// What a file that was stopped has left behind may hold its output, and would keep this waiting.
process.exit(await runLayers());

async function runLayers(): Promise<number> {
  const tally = new Tally();
  const files = positionals.length > 0 ? positionals.map((path) => resolve(path)) : testFiles();
  const filesOf = (layer: Layer): string[] => files.filter((file) => layerOf(file) === layer);
  try {
    if (!values.fast && values.only !== "check") await installDebianPackages();
    await mustRun(process.execPath, ["esbuild.mjs"]);
    if (wanted("check")) await runChecks(tally);
    const unit = wanted("unit") ? filesOf("unit") : [];
    const browser = wanted("e2e") ? filesOf("e2e") : [];
    // An editor waits as much as it works: beside it there is room for what nothing hurries.
    const beside = browser.length > 0 ? unit.filter(isPatient) : [];
    const first = unit.filter((file) => !beside.includes(file));
    await runNodeTests(first, 2, tally);
    if (wanted("host")) await runHostTests(filesOf("host"), tally);
    await Promise.all([runBrowserTests(browser, tally), runNodeTests(beside, 1, tally)]);
    if (positionals.length === 0) await runAgain(tally, filesOf("host"));
  } catch (error) {
    tally.fail("the test run", error instanceof Error ? error.message : String(error));
  }
  return tally.finish(process.env["CAIRN_TEST_REQUIRE"] === "all");
}

function wanted(layer: Layer): boolean {
  if (values.only !== undefined) return values.only === layer;
  if (values.fast) return layer === "check" || layer === "unit";
  return positionals.length === 0 || layer !== "check";
}

function testFiles(): readonly string[] {
  const rooms = values.fast ? `{${fastRooms.join(",")}}` : "**";
  return globSync(`test/${rooms}/*.test.ts`, { cwd: root })
    .toSorted()
    .map((path) => join(root, path));
}

function layerOf(file: string): Layer {
  const [, room] = relative(root, file).split(/[\\/]/u);
  return room === "host" || room === "e2e" ? room : "unit";
}

/** Whether all that a file's tests expect holds on a machine that is as slow as it likes. */
function isPatient(file: string): boolean {
  return patient.some((path) => relative(root, file).startsWith(path));
}

async function runHostTests(files: readonly string[], tally: Tally): Promise<void> {
  if (files.length === 0 || skippedWithoutBrowser("extension-host tests", tally)) return;
  for (const { name, outcome, ms, detail } of await runInExtensionHost(files)) {
    const title = `${hostTests} › ${name}`;
    if (outcome === "failed") tally.fail(title, detail, hostTests);
    else if (outcome === "skipped") tally.skip(title, detail);
    else tally.pass();
    if (outcome === "passed") console.log(`ok   ${title} (${ms.toFixed(0)} ms)`);
  }
}

async function runBrowserTests(files: readonly string[], tally: Tally): Promise<void> {
  if (files.length === 0 || skippedWithoutBrowser("browser tests", tally)) return;
  await packageVsix();
  await runNodeTests(files, 1, tally);
}

/**
 * Whether a test that failed did so because the machine was busy: its file once more, alone. More
 * than a few are no accident.
 */
async function runAgain(tally: Tally, host: readonly string[]): Promise<void> {
  const files = tally.failedFiles ?? [];
  if (files.length > mostAgain) return;
  for (const file of files) {
    console.log(`again, alone: ${relative(root, file)}`);
    const second = new Tally();
    if (file === hostTests) await runHostTests(host, second);
    else await runNodeTests([file], 1, second);
    if (second.isGreen) tally.passedAlone(file);
  }
}

function skippedWithoutBrowser(what: string, tally: Tally): boolean {
  if (findChromium() !== null) return false;
  tally.skip(what, "no Chromium. Install one (Debian: apt-get install chromium) or set CHROMIUM.");
  return true;
}
