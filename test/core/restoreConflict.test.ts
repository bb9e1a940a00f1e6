import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { applyOutput, type ApplyOutput } from "../../src/core/apply.ts";
import type { JsonValue } from "../../src/core/records.ts";
import type { Session } from "../../src/core/session.ts";
import { Place } from "../snapshot/place.ts";
import { by, listThenDone, Machine, never } from "./machine.ts";

const yes = { approved: true, note: "" };
const no = { approved: false, note: "" };

/** A session over real folders whose changes were applied; then the user changed one file. */
class Desk {
  readonly machine = new Machine(listThenDone);
  readonly place: Place;
  session!: Session;

  private constructor(place: Place) {
    this.place = place;
    const { trees } = place;
    Object.assign(this.machine.trees, {
      seed: async () => trees.seed(),
      capture: async () => trees.capture(),
      restore: async (tree: string) => trees.restore(tree),
      plan: async (...asked: Parameters<typeof trees.plan>) => trees.plan(...asked),
      planBack: async (...asked: Parameters<typeof trees.planBack>) => trees.planBack(...asked),
      keep: async (...asked: Parameters<typeof trees.keep>) => trees.keep(...asked),
      apply: async (...asked: Parameters<typeof trees.apply>) => trees.apply(...asked),
    });
  }

  static async open(context: TestContext, paths = ["mine", "usual"]): Promise<Desk> {
    const old = Object.fromEntries(paths.map((path) => [path, "old\n"]));
    const desk = new Desk(new Place(context, old));
    const { machine, place } = desk;
    desk.session = await machine.start();
    machine.sandbox.onRun = async () => {
      for (const path of paths) place.agent(path, "agent\n");
    };
    await desk.session.run(never);
    await desk.say("apply/proposed/approval", yes);
    assert.deepEqual(
      desk.files(paths),
      paths.map(() => "agent\n"),
    );
    return desk;
  }

  async say(wait: string, value: JsonValue): Promise<void> {
    await this.session.answer({ wait, digest: null, value, by }, never);
  }

  files(paths: readonly string[] = ["mine", "usual"]): readonly string[] {
    return paths.map((path) => this.place.userText(path));
  }

  waits(): readonly string[] {
    return this.session.view.openWaits.map(({ wait }) => wait);
  }

  /** What the newest write or undo came to. */
  output(): ApplyOutput {
    const done = this.session.records.findLast(
      (record) => record.kind === "step.completed" && ["write", "undo"].includes(record.name),
    );
    assert.ok(done?.kind === "step.completed");
    return applyOutput.parse(done.output);
  }

  said(): string {
    return this.session.view.ended?.output ?? "";
  }

  /** Undoes once more and says yes to all that is asked then; what was there is there again. */
  async bringBack(): Promise<void> {
    await this.session.undo(never);
    await this.say(`undo/2/approval`, yes);
  }
}

suite("an undo over a file that the user changed since", () => {
  test("asks about it beside the rest, with what lies there and what would replace it", async (context) => {
    const desk = await Desk.open(context);
    desk.place.user("mine", "my own\n");
    assert.equal(await desk.session.undo(never), "waiting");
    assert.deepEqual(
      desk.session.view.openWaits.map(({ wait, question }) => [wait, question]),
      [
        ["undo/1/approval", "Take back 1 change in your folder?"],
        ["undo/1/conflict/1", "Replace mine, which you changed since the apply?"],
      ],
    );
    const [usual, card] = desk.session.view.openWaits.map(({ subject }) => subject);
    assert.ok(usual?.kind === "apply" && card?.kind === "restoreConflict");
    assert.deepEqual(
      usual.changes.map(({ path }) => path),
      ["usual"],
    );
    const { diff, contested, ...words } = card;
    assert.deepEqual(words, {
      kind: "restoreConflict",
      path: "mine",
      yours: "Changed by you since the apply, 7 bytes",
      theirs: "As it was before the apply, 4 bytes",
      undo: "Yours is kept in the session first; undoing once more brings it back.",
    });
    assert.match(diff ?? "", /-my own\n\+old\n$/);
    assert.equal(contested?.yours?.bytes, 7);
    assert.deepEqual(desk.files(), ["my own\n", "agent\n"], "nothing before the answers");
  });

  test("replaces that one file after a yes, and what the user had comes back by undoing once more", async (context) => {
    const desk = await Desk.open(context);
    desk.place.user("mine", "my own\n");
    await desk.session.undo(never);
    await desk.say("undo/1/conflict/1", yes);
    assert.deepEqual(desk.files(), ["my own\n", "agent\n"], "one card is open still");
    await desk.say("undo/1/approval", no);
    assert.deepEqual(desk.files(), ["old\n", "agent\n"]);
    const { applied, kept } = desk.output();
    assert.deepEqual([applied, kept?.paths], [["mine"], ["mine"]]);
    assert.equal(
      desk.said(),
      "Took back 1 file in your folder. What you had in place of 1 of them is kept in the session; undoing once more brings it back.",
    );
    const bytes = await desk.place.trees.file(kept?.tree ?? "", "mine");
    assert.equal(Buffer.from(bytes ?? "").toString(), "my own\n");

    desk.session = await desk.machine.reload();
    await desk.session.undo(never);
    assert.deepEqual(
      desk.session.view.openWaits.map(({ question }) => question),
      ["Take back what the undo did to 1 file of yours?"],
    );
    await desk.say("undo/2/approval", yes);
    assert.deepEqual(desk.files(), ["my own\n", "agent\n"]);
    await desk.session.undo(never);
    await desk.say("undo/3/approval", yes);
    assert.deepEqual(
      desk.files(),
      ["my own\n", "old\n"],
      "what the first undo left is asked again",
    );
    await assert.rejects(desk.session.undo(never), { code: "apply.nothing" });
  });

  test("leaves it after a no, and when the question is taken back, and says so", async (context) => {
    const desk = await Desk.open(context, ["mine", "other", "usual"]);
    desk.place.user("mine", "my own\n");
    rmSync(join(desk.place.workspace, "other"));
    await desk.session.undo(never);
    assert.match(
      desk.session.view.openWaits[2]?.question ?? "",
      /^Bring other back, which you del/,
    );
    await desk.say("undo/1/conflict/1", no);
    const back = { digest: null, value: null, ended: "aborted", by } as const;
    await desk.session.answer({ wait: "undo/1/conflict/2", ...back }, never);
    await desk.say("undo/1/approval", yes);
    assert.deepEqual(desk.files(["mine", "usual"]), ["my own\n", "old\n"]);
    const { leftAlone, kept } = desk.output();
    assert.deepEqual(leftAlone, [
      { path: "mine", reason: "You changed it since the apply; you kept yours." },
      { path: "other", reason: "You changed it since the apply; nobody said to replace it." },
    ]);
    assert.equal(kept, undefined);
    assert.equal(desk.said(), "Took back 1 file in your folder. 2 files left as they were.");
    await assert.rejects(desk.session.undo(never), { code: "apply.nothing" });
  });

  test("writes nothing at all when that file is another one again by the time of the answer", async (context) => {
    const desk = await Desk.open(context);
    desk.place.user("mine", "my own\n");
    await desk.session.undo(never);
    await desk.say("undo/1/approval", yes);
    desk.place.user("mine", "my own, later\n");
    await desk.say("undo/1/conflict/1", yes);
    assert.deepEqual(desk.files(), ["my own, later\n", "agent\n"]);
    assert.match(
      desk.said(),
      /^Nothing was taken back: mine in your folder is not what it was when/,
    );
    await desk.session.undo(never);
    assert.deepEqual(
      desk.waits(),
      ["undo/2/approval", "undo/2/conflict/1"],
      "it can be asked again",
    );
  });

  test("asks about 20 of such files and leaves the rest", async (context) => {
    const paths = Array.from({ length: 22 }, (_, at) => `f${10 + at}`);
    const desk = await Desk.open(context, paths);
    for (const path of paths) desk.place.user(path, "my own\n");
    await desk.session.undo(never);
    assert.equal(desk.waits().length, 20);
    for (const wait of desk.waits()) await desk.say(wait, yes);
    assert.deepEqual(desk.output().leftAlone, [
      { path: "f30", reason: "You changed it since the apply; more than 20 are not asked about." },
      { path: "f31", reason: "You changed it since the apply; more than 20 are not asked about." },
    ]);
    assert.deepEqual(desk.files(["f10", "f29", "f30"]), ["old\n", "old\n", "my own\n"]);
  });

  test("what the undo did to a file may stay, and the apply before is taken back all the same", async (context) => {
    const desk = await Desk.open(context);
    desk.place.user("mine", "my own\n");
    await desk.session.undo(never);
    await desk.say("undo/1/conflict/1", yes);
    await desk.say("undo/1/approval", no);
    await desk.session.undo(never);
    await desk.say("undo/2/approval", no);
    assert.deepEqual(desk.waits(), ["undo/2/approval#2"]);
    await desk.say("undo/2/approval#2", yes);
    assert.deepEqual(desk.files(), ["old\n", "old\n"]);
  });
});

suite("killed at each record of an undo that replaces a file of the user", () => {
  for (const answer of ["happened", "runAgain", "skip"] as const) {
    test(`the file is what was approved, and what the user had can be brought back (in doubt: ${answer})`, async (context) => {
      let doubts = 0;
      for (let record = 1; record <= 6; record += 1) {
        const desk = await Desk.open(context);
        desk.place.user("mine", "my own\n");
        await desk.session.undo(never);
        await desk.say("undo/1/approval", yes);
        const { driver } = desk.machine;
        let appended = 0;
        driver.beforeAppend = () => {
          appended += 1;
          if (appended >= record) throw new Error("killed");
        };
        await desk.say("undo/1/conflict/1", yes).catch(() => {});
        driver.beforeAppend = () => {};
        desk.session = await desk.machine.reload();
        await goOn(desk);
        if (desk.waits().length > 0) {
          doubts += 1;
          const [open] = desk.session.view.openWaits;
          assert.match(JSON.stringify(open?.subject), /2 of 2 files are as before the apply/);
          await desk.say("undo/1/inDoubt/1", { choice: answer });
        }
        const where = `killed at record ${record}`;
        assert.equal(desk.session.view.status, "completed", where);
        assert.deepEqual(desk.files(), ["old\n", "old\n"], where);
        await desk.bringBack();
        assert.deepEqual(desk.files(), ["my own\n", "old\n"], where);
      }
      assert.equal(doubts, 1, "the effect without its record is the one that is asked about");
    });
  }
});

/** Resumes; where the answer itself was not recorded yet it is given again. */
async function goOn(desk: Desk): Promise<void> {
  if (desk.waits().includes("undo/1/conflict/1")) await desk.say("undo/1/conflict/1", yes);
  else if (desk.session.view.status === "running") await desk.session.resume(never);
}
