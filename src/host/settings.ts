import { isAbsolute } from "node:path";
import * as vscode from "vscode";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import { namedProfile, parseProfile } from "../core/profile.ts";
import {
  budgets,
  cacheMode,
  price,
  serviceGrant,
  strategy,
  type Profile,
} from "../core/profileRecord.ts";
import type { RetentionPolicy } from "../core/retention.ts";

const settings = z.object({
  "model.url": z.url({ protocol: /^https?$/ }),
  "model.name": z.string().trim(),
  "model.contextTokens": z.nullable(z.int().positive()),
  "sandbox.backend": z.enum(["auto", "docker", "bubblewrap", "embedded"]),
  "sandbox.devContainer": z.enum(["auto", "off"]),
  "sandbox.image": z.string().trim().min(1),
  "sandbox.dockerSocket": z.string().trim(),
  "sandbox.runtime": z.string().trim(),
  "sandbox.gpus": z.nullable(z.union([z.literal("all"), z.int().positive()])),
  profile: z.string(),
  profileFile: z.string().trim(),
  "skills.source": z.string().trim(),
  "workspace.exclude": z.array(z.string().trim().min(1)),
  "workspace.include": z.array(z.string().trim().min(1)),
  checkpointStrategy: strategy,
  granularCheckpoints: z.boolean(),
  cache: cacheMode,
  budgets: z.strictObject({
    ...budgets.omit({ wallTimeMs: true }).shape,
    wallTimeMinutes: z.nullable(z.number().positive()),
  }),
  prices: z.record(z.string(), z.strictObject(price.shape)),
  services: z.record(z.string(), z.union([z.literal(false), serviceGrant])),
  "github.url": z.url({ protocol: /^https?$/ }),
  "audit.retentionDays": z.number().nonnegative(),
  "retention.days": z.number().nonnegative(),
  "retention.megabytes": z.number().nonnegative(),
});
export type Settings = z.infer<typeof settings>;

const dayMs = 24 * 60 * 60_000;

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
    `The setting cairn.${issue?.path.join(".")} does not fit: ${issue?.message}. Change it in the settings.`,
    { cause: parsed.error },
  );
}

/** What an agent of a new session may do. Throws `profile.invalid`. */
export async function profileOf(read: Settings): Promise<Profile> {
  if (read.profileFile !== "") return ownProfile(read);
  const { wallTimeMinutes, ...limits } = read.budgets;
  const wallTimeMs = wallTimeMinutes === null ? null : Math.ceil(wallTimeMinutes * 60_000);
  return {
    ...namedProfile(read.profile),
    strategy: read.granularCheckpoints ? read.checkpointStrategy : "turn",
    cache: read.cache,
    budgets: { ...limits, wallTimeMs },
    prices: read.prices,
    contextTokens: read["model.contextTokens"],
    allowedServices: allowedServices(read),
  };
}

/** A file is the whole profile: of the settings beside it only what no file says is taken. */
async function ownProfile(read: Settings): Promise<Profile> {
  const { profileFile: path } = read;
  if (!isAbsolute(path)) {
    throw new CairnError(
      "profile.invalid",
      `cairn.profileFile is ${path}, and it has to be an absolute path.`,
    );
  }
  const uri = vscode.Uri.file(path);
  if (vscode.workspace.getWorkspaceFolder(uri) !== undefined) {
    throw new CairnError(
      "profile.invalid",
      `The profile ${path} lies in an open folder, whose files sessions propose to change. Put it somewhere else and change cairn.profileFile.`,
    );
  }
  const bytes = await Promise.resolve(vscode.workspace.fs.readFile(uri)).catch((cause: unknown) => {
    throw new CairnError("profile.invalid", `The profile ${path} cannot be read.`, { cause });
  });
  const own = parseProfile(new TextDecoder().decode(bytes), path);
  const contextTokens = own.contextTokens ?? read["model.contextTokens"];
  return { ...own, contextTokens, allowedServices: own.allowedServices ?? allowedServices(read) };
}

/** What is set to false is off: settings can only add to what is there by default. */
function allowedServices({ services }: Settings): NonNullable<Profile["allowedServices"]> {
  const on = Object.entries(services).flatMap(([name, grant]) =>
    grant === false ? [] : [[name, grant] as const],
  );
  return Object.fromEntries(on);
}

/** Which sessions may be deleted; null when all are kept. */
export function retentionOf(read: Settings): RetentionPolicy | null {
  const { "retention.days": days, "retention.megabytes": megabytes } = read;
  if (days === 0 && megabytes === 0) return null;
  return {
    maxAgeMs: days === 0 ? null : days * dayMs,
    maxBytes: megabytes === 0 ? null : megabytes * 1_000_000,
  };
}
