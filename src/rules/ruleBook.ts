import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { applyEdits, modify } from "jsonc-parser";
import { CairnError } from "../core/errors.ts";
import { decide } from "../core/policy.ts";
import type { AuditLog, Permissions, Ruling } from "../core/ports.ts";
import type { Identity } from "../core/records.ts";
import type { Profile } from "../core/profileRecord.ts";
import {
  folderRules,
  ruleSentence,
  type Rule,
  type RuleScope,
  type RuleSet,
  type ScopedRule,
} from "../core/rule.ts";
import type { RuleList } from "../core/ruleLines.ts";
import { Grants } from "./grants.ts";
import { readOwn, stampOf, stampOfFar, type Owner } from "./ownFile.ts";
import { parseRules } from "./parseRules.ts";
import { locked, writeWhole } from "./writeWhole.ts";

export interface RuleBookOptions {
  /** Cairn's own directory, outside of every workspace. */
  readonly root: string;
  /** The user's folder. */
  readonly workspace: string;
  /** What grants are signed with. */
  readonly key: Uint8Array;
  /** Where an administrator's rules lie. */
  readonly managed: string;
  /** Every change of rules is in it before it is made. */
  readonly audit: AuditLog;
  /** Is told once of what does not count, in a sentence. */
  readonly tell: (sentence: string) => void;
}

/** A file of rules as it was read last. */
interface Source {
  readonly path: string;
  readonly scope: RuleScope;
  readonly owner: Owner;
  stamp: string;
  rules: readonly Rule[];
  /** True when it was read at least once since it is there. */
  known: boolean;
  problem: string | null;
}

/** How long a decision may take: a file system that hangs allows nothing. */
const patienceMs = 2000;

/**
 * The rules of this machine, this user and this folder, as they are now: before each decision it
 * is looked whether a file changed. A file that does not fit counts as it was before; one that never
 * fitted keeps everything from being allowed.
 */
export class RuleBook {
  /** The user's folder as rules name it. */
  readonly folder: string;
  readonly #options: RuleBookOptions;
  readonly #grants: Grants;
  readonly #user: Source;
  readonly #sources: readonly Source[];
  readonly #told = new Set<string>();
  #stamp = "";
  #set: RuleSet = { rules: [], doubt: null };
  #notices: readonly string[] = [];
  #reading: Promise<unknown> = Promise.resolve();

  constructor(options: RuleBookOptions) {
    const { root, workspace, key, managed } = options;
    this.#options = options;
    this.folder = workspace;
    this.#grants = new Grants(root, key);
    this.#user = source(join(root, "rules.json"), "user", "user");
    this.#sources = [
      source(managed, "managed", "root"),
      this.#user,
      source(join(workspace, folderRules), "workspace", "anybody"),
    ];
  }

  /** Who decides for a session with this profile. */
  permissions(profile: Profile): Permissions {
    return {
      decide: async (action) => {
        try {
          const set = await inTime(this.current());
          return decide(action, profile, set, this.folder);
        } catch {
          return undecided(profile);
        }
      },
    };
  }

  /** All rules as they are now. */
  async current(): Promise<RuleSet> {
    const stamps: string[] = [];
    for (const { path, scope } of this.#sources) {
      stamps.push(scope === "workspace" ? await stampOfFar(path) : stampOf(path));
    }
    stamps.push(this.#grants.stamp());
    const stamp = stamps.join("\n");
    if (stamp !== this.#stamp) {
      const read = this.#reading.then(async () => this.#read(stamps));
      this.#reading = read.catch(() => {});
      await read;
      this.#stamp = stamp;
    }
    return this.#set;
  }

  /** All rules, and what of their files does not count. */
  async list(): Promise<RuleList> {
    const { rules } = await this.current();
    return { rules, notices: this.#notices };
  }

  /** Keeps what the operator allowed in a session. Throws `rules.unwritable`, `audit.unwritable`. */
  async grant(rules: readonly Rule[], by: Identity, session: string): Promise<void> {
    for (const rule of rules) await this.#audited(`granted: ${ruleSentence(rule)}`, by, session);
    await this.#grants.add(rules);
  }

  /** Takes back everything that was granted; resolves with how much it was. */
  async revokeAll(by: Identity): Promise<number> {
    await this.#audited("everything that was granted is taken back", by);
    return this.#grants.revokeAll();
  }

  /** Writes a rule into the user's own file. Throws `rules.invalid`, `rules.unwritable`. */
  async add(rule: Rule, by: Identity): Promise<void> {
    await this.#edit(`added ${rule.id}: ${ruleSentence(rule)}`, by, (text, rules) => {
      if (rules.some(({ id }) => id === rule.id)) {
        throw new CairnError(
          "rules.invalid",
          `There is a rule "${rule.id}" already. Remove it first.`,
        );
      }
      return applyEdits(text, modify(text, ["rules", -1], rule, layout));
    });
  }

  /** Removes a rule of the user, or a grant. Throws `rules.invalid` when there is none of that id. */
  async remove(id: string, by: Identity): Promise<void> {
    const { rules: granted } = await this.#grants.read();
    if (granted.some((one) => one.id === id)) {
      await this.#audited(`removed ${id}`, by);
      if (await this.#grants.remove(id)) return;
    }
    await this.#edit(`removed ${id}`, by, (text, rules) => {
      const index = rules.findIndex((one) => one.id === id);
      if (index === -1) {
        throw new CairnError(
          "rules.invalid",
          `There is no rule "${id}" of yours. cairn rules lists them.`,
        );
      }
      return applyEdits(text, modify(text, ["rules", index], undefined, layout));
    });
  }

  async #audited(what: string, by: Identity, session: string | null = null): Promise<void> {
    const nothing = { step: null, operation: null, digest: null, outcome: null };
    await this.#options.audit.write({ kind: "rule", ...nothing, session, by, what });
  }

  async #edit(
    what: string,
    by: Identity,
    change: (text: string, rules: readonly Rule[]) => string,
  ): Promise<void> {
    const { path } = this.#user;
    await locked(`${path}.lock`, async () => {
      const found = await readOwn(path, "user");
      if (found.kind === "ignored" || found.kind === "unreadable") {
        throw new CairnError("rules.invalid", `${path} ${found.why}. Mend it by hand first.`);
      }
      const text = found.kind === "text" ? found.text : '{\n  "rules": []\n}\n';
      const changed = change(text, parseRules(text, path));
      parseRules(changed, path);
      await this.#audited(what, by);
      await writeWhole(path, changed);
    });
  }

  async #read(stamps: readonly string[]): Promise<void> {
    const notices: string[] = [];
    for (const [index, each] of this.#sources.entries()) {
      const stamp = stamps[index] ?? "";
      if (each.stamp !== stamp) await refresh(each);
      each.stamp = stamp;
      if (each.problem !== null) notices.push(each.problem);
    }
    const granted = await this.#grants.read();
    if (granted.notice !== null) notices.push(granted.notice);
    const rules: ScopedRule[] = this.#sources.flatMap(({ scope, rules: own }) =>
      own.map((rule) => ({ rule, scope })),
    );
    for (const rule of granted.rules) {
      rules.push({ rule, scope: rule.session === undefined ? "user" : "session" });
    }
    notices.push(...ignoredAllows(rules), ...(await this.#misplaced()));
    const doubt = this.#sources.find(({ known, problem }) => !known && problem !== null)?.problem;
    this.#set = { rules, doubt: doubt ?? null };
    this.#notices = notices;
    for (const notice of notices) {
      if (!this.#told.has(notice)) this.#options.tell(notice);
      this.#told.add(notice);
    }
  }

  /** Where a stranger might think that rules lie. */
  async #misplaced(): Promise<readonly string[]> {
    const path = join(this.#options.workspace, ".cairn", "rules.json");
    const found = await lstat(path).catch(() => null);
    if (found === null) return [];
    return [`${path} is not read: a folder's rules lie in ${folderRules}, and can only tighten.`];
  }
}

const layout = { formattingOptions: { insertSpaces: true, tabSize: 2 }, isArrayInsertion: true };

function source(path: string, scope: RuleScope, owner: Owner): Source {
  return { path, scope, owner, stamp: "", rules: [], known: false, problem: null };
}

async function refresh(each: Source): Promise<void> {
  const { path, owner } = each;
  const found = await readOwn(path, owner);
  each.problem = null;
  switch (found.kind) {
    case "absent":
      each.rules = [];
      each.known = false;
      break;
    case "ignored":
      each.rules = [];
      each.known = true;
      each.problem = `${path} ${found.why}: its rules are ignored.`;
      break;
    case "unreadable":
      each.problem = `${path} ${found.why}: ${standing(each)}.`;
      break;
    case "text":
      try {
        each.rules = parseRules(found.text, path);
        each.known = true;
      } catch (error) {
        if (!CairnError.is(error)) throw error;
        each.problem = `${error.message} Until then ${standing(each)}.`;
      }
  }
}

function standing({ known }: Source): string {
  return known ? "its rules count as they were before" : "everything is asked about";
}

function ignoredAllows(rules: readonly ScopedRule[]): readonly string[] {
  const ids = rules.flatMap(({ rule, scope }) =>
    scope === "workspace" && rule.decision === "allow" ? [rule.id] : [],
  );
  if (ids.length === 0) return [];
  return [
    `${folderRules} of this folder tries to allow something (${ids.join(", ")}). A folder can only deny and ask: this is ignored.`,
  ];
}

function undecided({ unattended }: Profile): Ruling {
  const why = "The rules could not be read in time.";
  return { verdict: unattended ? "deny" : "ask", rule: null, why };
}

async function inTime<Result>(work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the rules could not be read in time")), patienceMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
