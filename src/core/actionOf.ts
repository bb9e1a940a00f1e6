import type { Action, CommandPart, RiskClass } from "./action.ts";
import { canonical } from "./canonical.ts";
import { CairnError } from "./errors.ts";
import type { CommandReader, World } from "./ports.ts";
import type { SessionSpec } from "./records.ts";
import type { PreparedCall, ServiceUse, ToolEffect } from "./tool.ts";

/** What an action is made from, beside the call itself. */
export interface ActionContext {
  readonly world: World;
  readonly session: string;
  readonly spec: SessionSpec;
  readonly commands: CommandReader;
}

const risks = {
  none: "R0",
  reads: "R0",
  workspace: "R1",
  external: "R3",
} as const satisfies Record<ToolEffect, RiskClass>;

/** Exactly what a checked call would do, in the shell's directory `cwd`. */
export function actionOf(
  { world, session, spec, commands }: ActionContext,
  tool: string,
  prepared: PreparedCall,
  cwd: string,
): Action {
  const { text, risk, paths, service } = factsOf(prepared);
  const command = text === undefined ? undefined : readSafely(commands, text, cwd);
  return {
    session,
    tool,
    risk: onlyReads(command) ? "R0" : risk,
    args: world.digest(canonical(prepared.args)),
    ...(command === undefined
      ? {}
      : { command: command === null ? null : command.map((part) => copyOf(part)) }),
    paths: paths.map(fromRoot),
    ...(service === null ? {} : { service: service.call }),
    place: {
      sandbox: spec.sandbox.digest,
      cwd: text === undefined ? null : cwd,
      env: null,
      network: [service?.address ?? []].flat(),
      secrets: [...(service?.secrets ?? [])],
      stdin: null,
      timeoutMs: spec.profile.commandTimeoutMs,
    },
  };
}

interface Facts {
  readonly text: string | undefined;
  readonly risk: RiskClass;
  readonly paths: readonly string[];
  readonly service: ServiceUse | null;
}

/** What a call says of itself; a question does nothing. */
function factsOf(prepared: PreparedCall): Facts {
  if (prepared.kind !== "run") return { text: undefined, risk: "R0", paths: [], service: null };
  const { command: text, effect, paths, service = null } = prepared;
  return { text, risk: service?.risk ?? risks[effect], paths, service };
}

/** Throws `approval.mismatch`, with what differs, unless what would start is what was approved. */
export function requireSame(world: World, approved: Action, now: Action): void {
  if (world.digest(canonical(approved)) === world.digest(canonical(now))) return;
  const [before, after] = [fields(approved), fields(now)];
  const names = [...new Set([...before.keys(), ...after.keys()])];
  const changed = names.filter((name) => before.get(name) !== after.get(name)).join(", ");
  throw new CairnError(
    "approval.mismatch",
    `What would run is not what was approved any more (${changed}). It needs a new approval.`,
    { details: { changed } },
  );
}

function fields({ place, ...rest }: Action): ReadonlyMap<string, string> {
  const all = Object.entries({ ...rest, ...place });
  return new Map(all.map(([name, value]) => [name, canonical(value)]));
}

/** A reader that fails has read nothing. */
function readSafely(
  commands: CommandReader,
  text: string,
  cwd: string,
): readonly CommandPart[] | null {
  try {
    return commands.read(text, cwd);
  } catch {
    return null;
  }
}

function onlyReads(command: readonly CommandPart[] | null | undefined): boolean {
  return command?.every(({ effect }) => effect === "reads") ?? false;
}

function copyOf({ argv, run, join, streams, effect }: CommandPart): CommandPart {
  const done = streams === undefined ? {} : { streams: [...streams] };
  return { argv: [...argv], run: [...run], join, ...done, effect };
}

/** A path of the sandbox as rules name it: from the root of the workspace, where it lies in there. */
function fromRoot(path: string): string {
  const absolute = path.startsWith("/") ? path : `/workspace/${path}`;
  const kept: string[] = [];
  for (const name of absolute.split("/")) {
    if (name === "..") kept.pop();
    else if (name !== "" && name !== ".") kept.push(name);
  }
  const [root, ...inside] = kept;
  return root === "workspace" && inside.length > 0 ? inside.join("/") : `/${kept.join("/")}`;
}
