import * as vscode from "vscode";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import { namedProfile } from "../core/profile.ts";
import { strategy, type Profile } from "../core/records.ts";

const settings = z.object({
  "model.url": z.url({ protocol: /^https?$/ }),
  "model.name": z.string().trim(),
  "sandbox.backend": z.enum(["auto", "docker", "embedded"]),
  "sandbox.image": z.string().trim().min(1),
  "sandbox.dockerSocket": z.string().trim(),
  profile: z.string(),
  "skills.source": z.string().trim(),
  checkpointStrategy: strategy,
  granularCheckpoints: z.boolean(),
});
export type Settings = z.infer<typeof settings>;

/** The settings for a folder, or for the window. Throws `usage.invalid` with the setting's name. */
export function readSettings(folder: vscode.Uri | null): Settings {
  const configuration = vscode.workspace.getConfiguration("cairn", folder);
  const names = Object.keys(settings.shape);
  const raw = Object.fromEntries(names.map((name) => [name, configuration.get<unknown>(name)]));
  const parsed = settings.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CairnError(
    "usage.invalid",
    `The setting cairn.${String(issue?.path[0])} does not fit: ${issue?.message}. Change it in the settings.`,
    { cause: parsed.error },
  );
}

/** What an agent of a new session may do. Throws `profile.invalid`. */
export function profileOf(read: Settings): Profile {
  return {
    ...namedProfile(read.profile),
    strategy: read.granularCheckpoints ? read.checkpointStrategy : "turn",
  };
}
