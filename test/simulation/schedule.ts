import assert from "node:assert/strict";
import * as z from "zod";
import { CairnError } from "../../src/core/errors.ts";
import type { Flow } from "../../src/core/flow.ts";
import { defineFlow } from "../../src/core/flowDefinition.ts";
import { namedProfile } from "../../src/core/profile.ts";
import type { JsonValue, SessionRecord } from "../../src/core/records.ts";
import { Session, type SessionParts } from "../../src/core/session.ts";
import { text } from "../../src/core/waits.ts";
import { FakeSandbox } from "../fakes/fakeSandbox.ts";
import { FakeTrees } from "../fakes/fakeTrees.ts";
import { ScriptedModel } from "../fakes/scriptedModel.ts";
import { Killed } from "./simDisk.ts";
import { SimMachine, SimProcess, type Trouble } from "./simMachine.ts";
import { simLeaseMs, SimStore, type Bug } from "./simStore.ts";
import { profilePermissions } from "../../src/core/policy.ts";
import { fakeCommandReader } from "../fakes/fakeCommandReader.ts";
import { Secrets } from "../../src/redaction/secrets.ts";

const redactor = new Secrets().persisted;

const signal = new AbortController().signal;
const by = { user: "dev", surface: "cli" } as const;
const output = z.number();
const input = z.json();
/** Reads, writes and syncs of a session without trouble, about. */
const usualPoints = 60;
const choices = ["happened", "runAgain", "skip"] as const;

/** What a schedule did, for whoever looks for what went wrong. */
export interface Told {
  readonly records: readonly SessionRecord[];
  readonly effects: ReadonlyMap<string, number>;
}

/**
 * One session of twelve steps through up to four troubles, and what must hold whatever they are.
 * Throws `AssertionError` when it does not. The same seed is the same schedule.
 */
export async function runSchedule(seed: number, bug: Bug): Promise<Told> {
  return new Schedule(seed, bug).run();
}

class Schedule {
  readonly #machine: SimMachine;
  readonly #bug: Bug;
  readonly #stores: SimStore[] = [];
  readonly #finished = new Set<string>();
  /** How often the operator said to run an effect again, by step. */
  readonly #again = new Map<string, number>();
  #troubles: number;

  constructor(seed: number, bug: Bug) {
    this.#machine = new SimMachine(seed);
    this.#bug = bug;
    this.#troubles = 1 + this.#machine.random.below(4);
  }

  async run(): Promise<Told> {
    await this.#process(async (store, process) => {
      const session = await Session.create(this.#parts(store, process), "s", specOf());
      await session.run(signal);
    });
    for (let life = 0; life < 40; life += 1) {
      if (this.#status() === "over") return this.#judge();
      await this.#process(async (store, process) => this.#goOn(store, process));
    }
    throw new assert.AssertionError({ message: "the session does not come to its end" });
  }

  /** A process from its start to its end, its death, or its waking up after others went on. */
  async #process(work: (store: SimStore, process: SimProcess) => Promise<void>): Promise<void> {
    const process = new SimProcess(this.#machine, this.#trouble(), async () => {
      this.#machine.pass(2 * simLeaseMs);
      for (let life = 0; life < 3 && this.#status() === "going"; life += 1) {
        await this.#process(async (store, other) => this.#goOn(store, other));
      }
    });
    const store = new SimStore(process, this.#bug);
    this.#stores.push(store);
    try {
      await work(store, process);
    } catch (error) {
      const expected = error instanceof Killed || CairnError.is(error, "session.lost");
      const other = CairnError.is(error, "session.busy") || CairnError.is(error, "session.ended");
      const raced = CairnError.is(error, "wait.answered") || CairnError.is(error, "wait.unknown");
      if (!expected && !other && !raced) throw error;
    }
    this.#machine.pass(2 * simLeaseMs);
  }

  #trouble(): Trouble | null {
    if (this.#troubles === 0) return null;
    this.#troubles -= 1;
    const { random } = this.#machine;
    const kind = (["killed", "power", "stopped"] as const)[random.below(3)] ?? "killed";
    return { at: 1 + random.below(usualPoints), kind };
  }

  /** What a person does next: answers what waits, resumes what was interrupted. */
  async #goOn(store: SimStore, process: SimProcess): Promise<void> {
    const parts = this.#parts(store, process);
    if (this.#machine.disk.read("s").length === 0) {
      await (await Session.create(parts, "s", specOf())).run(signal);
      return;
    }
    const session = await Session.open(parts, "s");
    const [wait] = session.view.openWaits;
    if (wait === undefined) {
      await session.resume(signal);
      return;
    }
    let value: JsonValue = "yes";
    if (wait.waitKind === "inDoubt") {
      const choice = choices[this.#machine.random.below(choices.length)] ?? "skip";
      value = choice === "happened" ? { choice, result: 1 } : { choice };
      const step = wait.wait.replace(/\/inDoubt\/\d+$/, "");
      if (choice === "runAgain") this.#again.set(step, (this.#again.get(step) ?? 0) + 1);
    }
    await session.answer({ wait: wait.wait, digest: wait.digest, value, by }, signal);
  }

  #status(): "going" | "over" {
    const last = this.#machine.disk.read("s").at(-1);
    const ended = this.#machine.disk
      .read("s")
      .some((line) => line.kind === "record" && line.body.kind === "session.ended");
    return last !== undefined && ended ? "over" : "going";
  }

  #judge(): Told {
    const lines = this.#machine.disk.read("s");
    const bodies = lines.flatMap((line) => (line.kind === "record" ? [line.body] : []));
    const records = bodies.map((body, index) =>
      Object.assign({ session: "s", seq: index + 1 }, body),
    );
    for (const { acknowledged } of this.#stores) {
      for (const record of acknowledged) {
        const { seq } = record;
        assert.deepEqual(records[seq - 1], record, `acknowledged record ${seq} is lost`);
      }
    }
    const done = records.flatMap((record) =>
      record.kind === "step.completed" ? [record.step] : [],
    );
    assert.equal(new Set(done).size, done.length, "a step is recorded once");
    assert.equal(records.at(-1)?.kind, "session.ended", "nothing is recorded after the end");
    const end = records.at(-1);
    assert.ok(end?.kind === "session.ended" && end.status === "completed", JSON.stringify(end));
    for (const [effect, times] of this.#machine.effects) {
      const allowed = 1 + (this.#again.get(effect) ?? 0);
      assert.ok(times <= allowed, `${effect} happened ${times} times, ${allowed} were wanted`);
    }
    return { records, effects: this.#machine.effects };
  }

  #parts(store: SimStore, process: SimProcess): SessionParts {
    return {
      driver: store,
      world: this.#machine.world,
      model: new ScriptedModel([]),
      tools: [],
      trees: new FakeTrees(),
      sandbox: new FakeSandbox(),
      permissions: profilePermissions,
      commands: fakeCommandReader,
      grant: async () => {},
      audit: { write: async () => process.point() },
      flows: [this.#flow(process)],
      redactor,
      onRecord: (record) => {
        if (record.kind === "step.completed") this.#finished.add(record.step);
      },
    };
  }

  #flow(process: SimProcess) {
    const pure = async (flow: Flow, name: string): Promise<number> =>
      flow.step(name, { output, args: name }, async () => {
        await process.point();
        assert.ok(!this.#finished.has(name), `${name} was finished and runs again`);
        return 1;
      });
    const effect = async (flow: Flow, name: string): Promise<number> =>
      flow.step(
        name,
        { output, args: name, effect: "external", what: name, skipped: 0 },
        async () => {
          await process.point();
          this.#machine.count(this.#machine.effects, name);
          await process.point();
          return 1;
        },
      );
    const run = async (flow: Flow): Promise<JsonValue> => {
      await pure(flow, "plan");
      await effect(flow, "order");
      await flow.parallel([
        async (branch) => pure(branch, "left/look"),
        async (branch) => effect(branch, "right/send"),
        async (branch) => {
          await pure(branch, "far/look");
          return effect(branch, "far/send");
        },
      ]);
      await flow.wait("ask", text("Go on?"));
      await flow.now();
      await effect(flow, "publish");
      await flow.save("report", 1);
      await flow.log({ done: true });
      return pure(flow, "close");
    };
    return defineFlow({
      name: "sim",
      version: 1,
      input,
      run: async ({ flow }) => run(flow),
    });
  }
}

const profile = { ...namedProfile("default"), instructions: "" };

function specOf() {
  return {
    goal: "sim",
    profile,
    model: { name: "m", url: "u", demo: false },
    sandbox: { backend: "embedded", image: null, digest: "d", limits: "" },
    skills: null,
    workspace: "/w",
    replayOf: null,
    flow: { name: "sim", version: 1, input: null },
    version: "0",
  } as const;
}
