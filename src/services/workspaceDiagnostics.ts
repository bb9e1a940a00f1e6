import * as z from "zod";
import type { EditorFacts } from "../core/ports.ts";
import { defineService, type Service } from "../core/service.ts";
import { filePath, mostPlaces, place, remainder, spot } from "./places.ts";

const severity = z.enum(["error", "warning", "information", "hint"]);
const problem = place.extend({
  severity,
  message: z.string().transform((text) => text.slice(0, 1000)),
  source: z.string(),
  code: z.string(),
});

/** What the editor's Problems view shows for the user's own folder. */
export function workspaceDiagnostics(editor: EditorFacts): Service {
  return defineService({
    name: "workspace_diagnostics",
    description:
      "Lists what the editor's Problems view shows for the user's own folder, errors first. Your changes are not in it before they are applied.",
    args: z.strictObject({
      path: z.exactOptional(filePath).describe("Only of this file; left out: of all."),
      severity: severity.default("hint").describe("Only what is at least as bad."),
    }),
    result: z.object({ problems: z.array(problem), more: z.int() }),
    effect: "reads",
    secrets: [],
    needsEditor: true,
    what: ({ path = "the folder" }) => `read the problems of ${path}`,
    says: ({ problems, more }) =>
      problems.length === 0
        ? "The editor shows no problems."
        : [...problems.map(line), ...remainder(more)].join("\n"),
    handler: async ({ args }) => {
      const worst = severity.options;
      const least = worst.indexOf(args.severity);
      const found = (await editor.problems(args.path ?? null))
        .filter((one) => worst.indexOf(one.severity) <= least)
        .toSorted((left, right) => worst.indexOf(left.severity) - worst.indexOf(right.severity));
      const problems = found.slice(0, mostPlaces);
      return { problems, more: found.length - problems.length };
    },
  });
}

function line({ severity: how, message, source, code, ...at }: z.infer<typeof problem>): string {
  const who = [source, code].filter((part) => part !== "").join(" ");
  return `${spot(at)}: ${how}: ${message.replaceAll("\n", " ")}${who === "" ? "" : ` [${who}]`}`;
}
