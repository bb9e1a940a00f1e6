import { agentFlow } from "./agent.ts";
import { CairnError } from "./errors.ts";
import { findFlow, type FlowDefinition } from "./flowDefinition.ts";
import type { World } from "./ports.ts";
import type { SessionSpec } from "./records.ts";
import { profileDigest } from "./sessionFacts.ts";

/**
 * The flow that a session goes on with. What this code would do must be what was recorded, before
 * anything is done. Throws `flow.unknown`, `flow.diverged`.
 */
export function guardedFlow(
  id: string,
  spec: SessionSpec,
  { world, flows }: { readonly world: World; readonly flows: readonly FlowDefinition[] },
): FlowDefinition {
  const recorded = spec.flow ?? { name: agentFlow.name, version: 1 };
  const flow = findFlow([agentFlow, ...flows], recorded.name);
  const digest = profileDigest(world, spec);
  if (flow.version !== recorded.version) {
    throw new CairnError(
      "flow.diverged",
      `Session ${id} was recorded by version ${recorded.version} of the flow ${flow.name}, and this Cairn has version ${flow.version}. It can be read and exported; start a new one to go on.`,
      { details: { recorded: recorded.version, now: flow.version } },
    );
  }
  if (spec.profileDigest !== undefined && spec.profileDigest !== digest) {
    throw new CairnError(
      "flow.diverged",
      `The profile ${spec.profile.name} of session ${id} does not mean in this Cairn what it meant when it was recorded. It can be read and exported; start a new one to go on.`,
      { details: { recorded: spec.profileDigest, now: digest } },
    );
  }
  return flow;
}
