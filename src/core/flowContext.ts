import type { FlowContext } from "./flowDefinition.ts";
import { Leaving } from "./leaving.ts";
import type { Permissions, WayOut } from "./ports.ts";
import type { Profile } from "./profileRecord.ts";
import type { Tool } from "./tool.ts";

/** What all runs of a session's flow have in common. */
interface Lasting extends Pick<FlowContext, "world" | "model" | "trees" | "commands"> {
  readonly tools: readonly Tool[];
  readonly permissions: (profile: Profile) => Permissions;
  readonly wayOut?: WayOut | null;
}

type Own = Pick<FlowContext, "flow" | "session" | "spec" | "workspace" | "activeMs" | "signal">;

/** What one run of a session's flow is run with; its tools are those that the profile lists. */
export function flowContext(lasting: Lasting, own: Own): FlowContext {
  const { model, world, tools, trees, permissions, commands, wayOut = null } = lasting;
  const { profile } = own.spec;
  const known = tools.filter(({ name }) => profile.tools.includes(name));
  const context = {
    ...own,
    world,
    model,
    trees,
    commands,
    wayOut,
    tools: new Map(known.map((tool) => [tool.name, tool])),
    permissions: permissions(profile),
    remarks: "",
  };
  return { ...context, leaving: new Leaving(context) };
}
