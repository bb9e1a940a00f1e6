import { namedProfile } from "../../src/core/profile.ts";
import { agentFlow } from "../../src/core/agent.ts";
import { derive, plainReplay, type DerivationRequest } from "../../src/core/derivation.ts";
import type { CairnError } from "../../src/core/errors.ts";
import type { FlowDefinition } from "../../src/core/flowDefinition.ts";
import type { JsonValue, ModelReply, SessionSpec } from "../../src/core/records.ts";
import type { Profile } from "../../src/core/profileRecord.ts";
import { Session, type SessionParts } from "../../src/core/session.ts";
import { decide, profilePermissions } from "../../src/core/policy.ts";
import type { Rule } from "../../src/core/rule.ts";
import type { Tool } from "../../src/core/tool.ts";
import { askQuestionTool } from "../../src/tools/askQuestion.ts";
import { execTool } from "../../src/tools/exec.ts";
import { fakeCommandReader } from "../fakes/fakeCommandReader.ts";
import { FakeSandbox } from "../fakes/fakeSandbox.ts";
import { FakeTrees } from "../fakes/fakeTrees.ts";
import type { FakeWayOut } from "../fakes/fakeWayOut.ts";
import { fakeWorld } from "../fakes/fakeWorld.ts";
import { MemoryAudit } from "../fakes/memoryAudit.ts";
import { MemoryDriver } from "../fakes/memoryDriver.ts";
import { ScriptedModel } from "../fakes/scriptedModel.ts";
import { Secrets } from "../../src/redaction/secrets.ts";

export const by = { user: "dev", surface: "cli" } as const;
export const never = new AbortController().signal;

export function says(text: string): ModelReply {
  return { text, toolCalls: [], finishReason: "stop", usage: null };
}

export function calls(
  ...asked: readonly (readonly [id: string, tool: string, args: object | string])[]
): ModelReply {
  const toolCalls = asked.map(([id, tool, args]) => ({
    id,
    tool,
    args: typeof args === "string" ? args : JSON.stringify(args),
  }));
  return { text: "", toolCalls, finishReason: "toolCalls", usage: null };
}

export function asks(id: string): ModelReply {
  return calls([id, "ask_question", { question: "Go on?" }]);
}

export function runs(id: string): ModelReply {
  return calls([id, "exec", { command: id }]);
}

export const listThenDone = [calls(["a", "exec", { command: "ls" }]), says("done")];

/** One machine: what survives a crash (driver, trees) and what does not (sandbox, session object). */
export class Machine {
  readonly driver = new MemoryDriver();
  readonly trees = new FakeTrees();
  readonly world = fakeWorld();
  readonly audit = new MemoryAudit();
  readonly secrets = new Secrets();
  readonly model: ScriptedModel;
  readonly extra: readonly Tool[];
  flows: readonly FlowDefinition[] = [];
  permissions: SessionParts["permissions"] = profilePermissions;
  grant: SessionParts["grant"] = async () => {};
  /** The way out of its sandbox; null for none. */
  wayOut: FakeWayOut | null = null;
  /** What sessions of flows of one's own differ in from the default. */
  profile: Partial<Profile> = {};
  prompts: readonly string[] = ["list"];
  skills: SessionSpec["skills"] = null;
  sandbox = new FakeSandbox();
  commands: string[] = [];

  constructor(replies: readonly (ModelReply | CairnError)[], extra: readonly Tool[] = []) {
    this.model = new ScriptedModel(replies);
    this.extra = extra;
  }

  /** Decides by rules that a test changes under way. */
  ruled(rules: Rule[] = []): Rule[] {
    this.permissions = (profile) => ({
      decide: async (action) => {
        const set = rules.map((rule) => ({ rule, scope: "user" as const }));
        return decide(action, profile, { rules: set, doubt: null }, "/w");
      },
    });
    return rules;
  }

  async start(profile: Partial<Profile> = {}, id = "s"): Promise<Session> {
    return Session.create(this.#parts(), id, this.spec(profile));
  }

  /** A session of a flow of one's own. */
  async startFlow(flow: FlowDefinition, input: JsonValue = null, id = "s"): Promise<Session> {
    this.flows = [flow];
    const { name, version } = flow;
    return Session.create(this.#parts(), id, {
      ...this.spec(this.profile),
      flow: { name, version, input },
    });
  }

  /** A new process: nothing in memory, a new sandbox. */
  async reload(id = "s"): Promise<Session> {
    this.driver.crash();
    return Session.open(this.#parts(), id);
  }

  spec(profile: Partial<Profile>): SessionSpec {
    return {
      goal: "list",
      profile: { ...namedProfile("default"), ...profile },
      model: { name: "m", url: "u", demo: false },
      sandbox: { backend: "embedded", image: null, digest: "d", limits: "" },
      skills: this.skills,
      workspace: "/w",
      replayOf: null,
      flow: {
        name: agentFlow.name,
        version: agentFlow.version,
        input: { prompts: [...this.prompts] },
      },
      version: "0",
    };
  }

  /** A session made from another one; nothing of it has run yet. */
  async derive(
    source: string,
    id: string,
    request: Partial<DerivationRequest> = {},
  ): Promise<Session> {
    const session = await Session.open(this.#parts(), source);
    const derivation = derive(session.records, { ...plainReplay, ...request });
    const { spec } = session.view;
    return Session.create(this.#parts(), id, { ...spec, replayOf: source, derivation });
  }

  #parts(): SessionParts {
    this.sandbox = new FakeSandbox();
    const { commands } = this;
    const sandbox = this.sandbox;
    const run = sandbox.run.bind(sandbox);
    sandbox.run = async (command, options) => {
      commands.push(command);
      return run(command, options);
    };
    const execute = sandbox.execute.bind(sandbox);
    sandbox.execute = async (parts, options) => {
      commands.push(parts.map((part) => part.run.join(" ")).join(" / "));
      return execute(parts, options);
    };
    return {
      driver: this.driver,
      world: this.world,
      model: this.model,
      tools: [execTool(sandbox), askQuestionTool(), ...this.extra],
      trees: this.trees,
      sandbox,
      audit: this.audit,
      flows: this.flows,
      permissions: this.permissions,
      commands: fakeCommandReader,
      ...(this.wayOut === null ? {} : { wayOut: this.wayOut }),
      grant: async (...granted) => this.grant(...granted),
      redactor: this.secrets.persisted,
      onRecord: () => {},
    };
  }
}
