import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import * as vscode from "vscode";
import * as z from "zod";
import type { AuditAnchor } from "../../src/core/audit.ts";
import { reportText } from "../../src/host/auditCommands.ts";
import { StateAnchors } from "../../src/host/stateAnchors.ts";
import { cairn, commandLine, eventually } from "./cairn.ts";

const finding = z.object({ file: z.string(), line: z.nullable(z.number()), reason: z.string() });
const auditReport = z.object({
  directory: z.string(),
  files: z.number(),
  entries: z.number(),
  damage: z.array(finding),
  remarks: z.array(finding),
});

class MemoryState {
  readonly #kept = new Map<string, unknown>();

  keys(): readonly string[] {
    return [...this.#kept.keys()];
  }

  get(name: string): unknown {
    return this.#kept.get(name);
  }

  async update(name: string, value: unknown): Promise<void> {
    if (value === undefined) this.#kept.delete(name);
    else this.#kept.set(name, value);
  }
}

async function verified(): Promise<z.infer<typeof auditReport>> {
  return auditReport.parse(await vscode.commands.executeCommand("cairn.verifyAuditLog"));
}

suite("the audit log in the editor", () => {
  test("is verified by a command, whose report can be opened and names what was cut", async () => {
    await cairn();
    const configuration = vscode.workspace.getConfiguration("cairn");
    await configuration.update("sandbox.backend", "embedded", vscode.ConfigurationTarget.Global);
    const session = z.string().parse(await vscode.commands.executeCommand("cairn.runDemoSession"));
    await eventually("the session has begun its first effect", async () => {
      const entries = await commandLine("audit", "--session", session);
      return entries.includes('"ended"') ? true : undefined;
    });
    await vscode.commands.executeCommand("cairn.cancelSession", { session });
    // The end of an effect is written when it comes.
    let before = "";
    await eventually("nothing more is written", async () => {
      const now = await commandLine("audit", "--session", session);
      const rests = now === before;
      before = now;
      return rests ? true : undefined;
    });
    const sound = await verified();
    assert.deepEqual(sound.damage, []);
    assert.ok(sound.entries > 3);
    const { file } = z
      .object({ file: z.string() })
      .parse(JSON.parse((await commandLine("audit", "--session", session)).split("\n")[0] ?? ""));
    const path = join(sound.directory, file);
    const whole = await readFile(path, "utf8");
    try {
      await writeFile(path, whole.split("\n").slice(0, 3).join("\n") + "\n");
      const cut = await verified();
      assert.equal(cut.damage.length, 1);
      assert.match(reportText(cut), /^The audit log is damaged: [^]*, line 4 is gone/);
    } finally {
      await writeFile(path, whole);
    }
    assert.deepEqual((await verified()).damage, []);
    await vscode.commands.executeCommand("notifications.clearAll");
  });

  test("has anchors in the editor's own state, of each log by itself", async () => {
    const state = new MemoryState();
    const [one, other] = [new StateAnchors(state, "one"), new StateAnchors(state, "other")];
    const anchor: AuditAnchor = { segment: "a.jsonl", seq: 3, head: "h", at: 1, mac: "m" };
    await one.save(anchor);
    await one.save({ ...anchor, seq: 4 });
    assert.deepEqual([...(await one.load())], [["a.jsonl", { ...anchor, seq: 4 }]]);
    assert.deepEqual([...(await other.load())], []);
    await one.forget("a.jsonl");
    assert.deepEqual(state.keys(), []);
  });

  test("shows names and texts of others in one line each, where nothing moves a cursor", () => {
    const report = {
      directory: "/d",
      files: 1,
      entries: 0,
      damage: [{ file: "a\n- b\u001b[2J\u202e", line: 1, reason: "was changed" }],
      remarks: [],
    };
    assert.match(reportText(report), /^- a - b \[2J , line 1 was changed$/m);
  });
});
