import { join } from "node:path";
import { agentFlow } from "../../src/core/agent.ts";
import { CairnError } from "../../src/core/errors.ts";
import type { ModelReply, SessionSpec } from "../../src/core/records.ts";
import { namedProfile } from "../../src/core/profile.ts";
import { Session, type SessionParts } from "../../src/core/session.ts";
import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { askQuestionTool } from "../../src/tools/askQuestion.ts";
import { execTool } from "../../src/tools/exec.ts";
import { FakeSandbox } from "../fakes/fakeSandbox.ts";
import { FakeTrees } from "../fakes/fakeTrees.ts";
import { fakeWorld } from "../fakes/fakeWorld.ts";
import { profilePermissions } from "../../src/core/policy.ts";
import { fakeCommandReader } from "../fakes/fakeCommandReader.ts";
import { MemoryAudit } from "../fakes/memoryAudit.ts";
import { Secrets } from "../../src/redaction/secrets.ts";

const by = { user: "bench", surface: "cli" } as const;
const profile = namedProfile("default");
const budgets = { ...profile.budgets, modelCalls: null, sameFailure: null };

const spec: SessionSpec = {
  goal: "a long session",
  profile: { ...profile, budgets, contextTokens: 50_000_000, apply: "onRequest" },
  model: { name: "m", url: "u", demo: false },
  sandbox: { backend: "embedded", image: null, digest: "d", limits: "" },
  skills: null,
  workspace: "/w",
  replayOf: null,
  flow: { name: agentFlow.name, version: agentFlow.version, input: { prompts: ["go"] } },
  version: "0",
};

/** A real session of the agent that runs commands until it has so many records, and then asks. */
export class LongSession {
  readonly #path: string;
  readonly #trees = new FakeTrees();

  constructor(folder: string) {
    this.#path = join(folder, "long.db");
  }

  async fill(records: number): Promise<void> {
    const driver = this.#open();
    const rounds = Math.floor((records - 5) / 3);
    const session = await Session.create(
      this.#parts(driver, (asked) => (asked < rounds ? command(asked) : question)),
      "long",
      spec,
    );
    await session.run(new AbortController().signal);
    await driver.close();
  }

  /** Milliseconds from nothing to the request that the session goes on with. */
  async resume(): Promise<number> {
    const abort = new AbortController();
    const began = performance.now();
    const driver = this.#open();
    let took = 0;
    const parts = this.#parts(driver, () => {
      took = performance.now() - began;
      abort.abort();
      throw new CairnError("cancelled", "The bench has seen enough.");
    });
    const session = await Session.open(parts, "long");
    const [wait] = session.view.openWaits;
    const value = "yes";
    if (wait === undefined) await session.resume(abort.signal);
    else await session.answer({ wait: wait.wait, digest: null, value, by }, abort.signal);
    await driver.close();
    return took;
  }

  #open(): EmbeddedDriver {
    return new EmbeddedDriver({
      worker: new URL("../../dist/storeWorker.cjs", import.meta.url),
      path: this.#path,
      key: new Uint8Array(32),
      owner: thisOwner(process.pid),
    });
  }

  #parts(driver: EmbeddedDriver, reply: (asked: number) => ModelReply): SessionParts {
    const sandbox = new FakeSandbox();
    let asked = 0;
    return {
      driver,
      world: fakeWorld(),
      model: {
        reply: async () => {
          asked += 1;
          return reply(asked);
        },
      },
      tools: [execTool(sandbox), askQuestionTool()],
      trees: this.#trees,
      sandbox,
      permissions: profilePermissions,
      commands: fakeCommandReader,
      grant: async () => {},
      audit: new MemoryAudit(),
      flows: [],
      redactor: new Secrets().persisted,
      onRecord: () => {},
    };
  }
}

const question = call("ask", "ask_question", { question: "Go on?" });

function command(round: number): ModelReply {
  return call(`call_${round}`, "exec", { command: `echo ${round}` });
}

function call(id: string, tool: string, args: object): ModelReply {
  const toolCalls = [{ id, tool, args: JSON.stringify(args) }];
  return { text: "", toolCalls, finishReason: "toolCalls", usage: null };
}
