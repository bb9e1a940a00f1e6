import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { namedProfile } from "../../src/core/profile.ts";
import type { SessionRecord } from "../../src/core/records.ts";
import { Engine } from "../../src/engine.ts";
import { PanelDoor } from "../../src/host/panelDoor.ts";
import { scriptedServer } from "../cli/scriptedServer.ts";
import { atMost, percentile, type Measure } from "./metric.ts";

const samples = 40;

/**
 * From the panel's message at the host to the command's start on record, which its shell waits for:
 * the checks at the door, the answer's record, the flow from its top, the intent's record.
 */
export const answerToStart: Measure = async () => {
  const folder = mkdtempSync(join(process.cwd(), "out", "bench-"));
  const workspace = join(folder, "workspace");
  mkdirSync(workspace);
  writeFileSync(join(workspace, "a.txt"), "a\n");
  const calls = Array.from({ length: samples + 1 }, (_, at) => ({
    text: "",
    calls: [{ id: `call_${at}`, tool: "exec", args: { command: `echo ${at}` } }],
  }));
  const server = await scriptedServer([...calls, { text: "done" }]);
  const seen = new Map<SessionRecord["kind"], (record: SessionRecord) => void>();
  const next = async (kind: SessionRecord["kind"]): Promise<SessionRecord> =>
    new Promise((resolve) => seen.set(kind, resolve));
  const engine = new Engine({
    workspace,
    dist: new URL("../../dist/", import.meta.url),
    shippedSkills: join(process.cwd(), "skills"),
    version: "bench",
    image: "none",
    dockerSocket: null,
    environment: { CAIRN_HOME: join(folder, "home") },
    apiKey: async () => "key",
    log: () => {},
    onRecord: (record) => seen.get(record.kind)?.(record),
  });
  const door = new PanelDoor(() => performance.now());
  try {
    let asked = next("wait.opened");
    const first = await engine.start({
      prompts: ["go on"],
      profile: { ...namedProfile("careful"), apply: "onRequest" },
      model: { demo: false, url: server.url, name: "bench" },
      sandbox: "embedded",
      skills: null,
    });
    let run = first;
    const took: number[] = [];
    for (let sample = 0; sample <= samples; sample += 1) {
      const wait = await asked;
      await run.done;
      if (wait.kind !== "wait.opened") throw new Error(`it was a ${wait.kind}`);
      const shown = { session: wait.session, wait: wait.wait, digest: wait.digest };
      const nonce = door.nonceFor(shown);
      const raw: unknown = {
        kind: "answer",
        ...shown,
        nonce,
        answer: { approved: true, note: "" },
      };
      const started = next("step.started").then(() => performance.now());
      asked = next("wait.opened");
      const began = performance.now();
      const message = door.read(raw, () => {});
      if (message?.kind !== "answer") throw new Error("the door did not take it");
      door.take(message);
      const by = { user: "bench", surface: "panel" } as const;
      const { digest, answer: value } = message;
      run = await engine.answer(shown.session, { wait: shown.wait, digest, value, by });
      // The first command starts its shell and loads what it needs; it is shown apart.
      if (sample > 0) took.push((await started) - began);
      else
        console.log(
          `     first answer (starts the shell): ${((await started) - began).toFixed(0)} ms`,
        );
    }
    await run.done;
    return { "answer.to.start.p95_ms": atMost(percentile(took, 0.95), "ms", 50) };
  } finally {
    await engine.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
};
