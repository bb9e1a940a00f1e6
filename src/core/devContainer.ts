import * as z from "zod";
import { CairnError } from "./errors.ts";
import type { FlowContext } from "./flowDefinition.ts";
import { notRepeated } from "./inDoubt.ts";
import { toolOutput, type ToolOutput } from "./records.ts";
import type { WaitSubject } from "./waitSubject.ts";
import { type DevContainer } from "./sandboxInfo.ts";
import type { Tool } from "./tool.ts";
import { approval } from "./waits.ts";

/** What makes a dev container ready. The image only after its approval, the commands only inside. */
export interface DevContainerParts {
  /** Resolves with the digest of the image, which is there then. Safe to repeat. */
  makeImage(signal: AbortSignal): Promise<string>;
  /** Runs shell text in the session's sandbox. */
  readonly exec: Tool;
}

/** What a folder's own set-up may take, where commands of a session may take less. */
const commandMs = 10 * 60_000;

/**
 * Before anything runs in a dev container: its approval, its image, and the folder's own commands
 * inside, in order, each once for a session. Resolves with what the model has to know of it, empty
 * when there is nothing. Throws `Parked`, `sandbox.imageRefused`, `sandbox.devContainer`.
 */
export async function useDevContainer(
  context: FlowContext,
  parts: DevContainerParts | null,
): Promise<string> {
  const { flow, spec } = context;
  const { devContainer, image } = spec.sandbox;
  if (devContainer === undefined) return "";
  if (parts === null) throw refused("this Cairn runs no containers");
  if (!devContainer.approved) await approve(context, devContainer, image ?? "");
  const { identity, commands } = devContainer;
  const step = { kind: "step", label: "image", inputs: { identity }, output: z.string() } as const;
  await flow.step("sandbox/image", step, async ({ signal }) => parts.makeImage(signal));
  for (const { name, command } of commands) {
    const output = await setUp(context, parts.exec, { name, command });
    if (!output.ok) return failed(name, output);
  }
  return "";
}

async function approve(
  { flow, spec }: FlowContext,
  container: DevContainer,
  image: string,
): Promise<void> {
  const { unattended, answerWithinMs } = spec.profile;
  if (unattended) throw refused("nobody is there to approve it");
  const timed = answerWithinMs === null ? {} : { deadlineMs: answerWithinMs };
  const question =
    container.build === null
      ? "Run this session in the dev container of your folder?"
      : "Build the dev container of your folder, and run this session in it?";
  const answer = await flow.wait(
    "sandbox/approval",
    approval(question, subjectOf(container, image), timed),
  );
  if (answer.ended !== null) {
    const late = answer.ended === "expired";
    throw refused(late ? "nobody answered in time" : "the question was taken back");
  }
  if (!answer.value.approved) throw refused(answer.value.note || "the operator said no");
}

function subjectOf(container: DevContainer, image: string): WaitSubject {
  const { identity, file, build, env, commands, refused: not } = container;
  return {
    kind: "image",
    image,
    identity,
    file,
    dockerfile: build?.dockerfile ?? null,
    context: build === null ? "" : contextOf(build),
    env,
    commands,
    refused: not,
  };
}

function contextOf({
  context,
  files,
  bytes,
  args,
  target,
}: NonNullable<DevContainer["build"]>): string {
  const given = Object.entries(args).map(([name, value]) => `${name}=${value}`);
  return [
    `${files} files (${Math.ceil(bytes / 1000)} kB) of ${context === "" ? "the folder" : context} go into the build.`,
    ...(given.length === 0 ? [] : [`Arguments: ${given.join(", ")}.`]),
    ...(target === null ? [] : [`Stage: ${target}.`]),
    "What it runs while it is built runs by the engine's rules for builds, as root and with the network; what the session runs later does not.",
  ].join(" ");
}

async function setUp(
  { flow, workspace, signal, spec, leaving }: FlowContext,
  exec: Tool,
  { name, command }: { readonly name: string; readonly command: string },
): Promise<ToolOutput> {
  // In a shell of its own, so that the session's is as it was.
  const args = { command: `(${command}\n)` };
  const prepared = exec.prepare({ id: name, tool: exec.name, args: JSON.stringify(args) });
  if (prepared.kind !== "run") throw new Error(`${exec.name} does not run commands`);
  const timeoutMs = Math.max(commandMs, spec.profile.commandTimeoutMs);
  await workspace.ready(flow);
  const id = `sandbox/${name.replaceAll(/[^\w.-]/gu, "_")}`;
  const output = await flow.step(
    id,
    {
      kind: "tool",
      label: name,
      args,
      inputs: { sandbox: spec.sandbox.digest, tree: workspace.tree },
      output: toolOutput,
      effect: "workspace",
      what: command,
      skipped: notRepeated,
    },
    async ({ operation, leaves }) => {
      const run = async () => prepared.run({ signal, timeoutMs, operation });
      return workspace.change(async () => leaving.around(run, leaves));
    },
  );
  workspace.tree = output.tree ?? workspace.tree;
  return leaving.asked({ id, what: command }, flow, output);
}

function failed(name: string, { text }: ToolOutput): string {
  const shown = text.length > 2000 ? `…${text.slice(-2000)}` : text;
  return `The dev container of this workspace is not set up: ${name} failed, and what comes after it did not run. Its output:\n${shown}`;
}

function refused(why: string): CairnError {
  return new CairnError(
    "sandbox.imageRefused",
    `The dev container of this folder was not approved (${why}), so nothing runs in it. Start a session without it: turn off cairn.sandbox.devContainer, or use --dev-container off.`,
  );
}
