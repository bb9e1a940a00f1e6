import { agentFlow } from "./core/agent.ts";
import { findFlow, type FlowDefinition } from "./core/flowDefinition.ts";
import type { SessionSpec } from "./core/records.ts";
import type { StartRequest } from "./core/sessions.ts";
import { requireSecrets } from "./egressSource.ts";
import type { ModelSource } from "./model/modelSource.ts";
import type { Secrets } from "./redaction/secrets.ts";
import type { PartsMaker } from "./sessionParts.ts";

export interface SpecParts {
  readonly workspace: string;
  readonly version: string;
  /** Beside the agent. */
  readonly flows: readonly FlowDefinition[];
  readonly maker: PartsMaker;
  readonly models: ModelSource;
  readonly secrets: Secrets;
  /** A secret by its name; null when there is none. */
  readonly secret: (name: string) => Promise<string | null>;
}

/** What a new session is recorded to be, once all of it can be had. Throws what names the part that cannot. */
export async function sessionSpec(
  { workspace, version, flows, maker, models, secrets, secret }: SpecParts,
  id: string,
  request: StartRequest,
): Promise<SessionSpec> {
  const { prompts, exclude = [], include = [] } = request;
  const asked = request.flow ?? { name: agentFlow.name, input: { prompts: [...prompts] } };
  const flow = findFlow([agentFlow, ...flows], asked.name);
  flow.check?.(asked.input);
  await requireSecrets(request.profile, secret);
  const profile = await maker.offered(request.profile, request.model.demo);
  if (!request.model.demo) {
    await models.check(request.model.url);
    secrets.checkAddress(request.model.url);
  }
  const [sandbox, skills] = await Promise.all([
    maker.chooseSandbox(id, request),
    maker.skills(request.skills),
  ]);
  const demo = { name: "demo", url: "demo", demo: true };
  return {
    goal: prompts[0] ?? flow.name,
    profile,
    model: request.model.demo ? demo : { ...request.model, demo: false },
    sandbox,
    skills,
    workspace,
    ...(exclude.length === 0 ? {} : { exclude: [...exclude] }),
    ...(include.length === 0 ? {} : { include: [...include] }),
    replayOf: null,
    flow: { name: flow.name, version: flow.version, input: asked.input },
    version,
  };
}
