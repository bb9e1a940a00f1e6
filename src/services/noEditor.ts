import { CairnError } from "../core/errors.ts";
import type { EditorFacts, GithubAccess } from "../core/ports.ts";

/** Where a session that began in the editor goes on without one. */
export const noEditor: EditorFacts & GithubAccess = {
  problems: refuse,
  symbols: refuse,
  references: refuse,
  api: () => "https://api.github.com",
  token: refuse,
};

async function refuse(): Promise<never> {
  throw new CairnError(
    "service.unavailable",
    "It needs the editor, and this session goes on without one. Nothing was done; go on without it.",
  );
}
