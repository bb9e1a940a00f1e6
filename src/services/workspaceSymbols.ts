import * as z from "zod";
import type { EditorFacts } from "../core/ports.ts";
import { defineService, type Service } from "../core/service.ts";
import { mostPlaces, place, remainder, spot } from "./places.ts";

const symbol = place.extend({ name: z.string(), kind: z.string(), container: z.string() });

/** What the editor's language servers know by a name. */
export function workspaceSymbols(editor: EditorFacts): Service {
  return defineService({
    name: "workspace_symbols",
    description:
      "Finds classes, functions and other names in the user's own folder by the editor's language servers. Your changes are not in it before they are applied.",
    args: z.strictObject({ query: z.string().min(1).max(200).describe("A name or a part of it.") }),
    result: z.object({ symbols: z.array(symbol), more: z.int() }),
    effect: "reads",
    secrets: [],
    needsEditor: true,
    what: ({ query }) => `find symbols by ${query}`,
    says: ({ symbols, more }) =>
      symbols.length === 0
        ? "No language server knows such a name."
        : [...symbols.map(line), ...remainder(more)].join("\n"),
    handler: async ({ args }) => {
      const found = await editor.symbols(args.query);
      const symbols = found.slice(0, mostPlaces);
      return { symbols, more: found.length - symbols.length };
    },
  });
}

function line({ name, kind, container, ...at }: z.infer<typeof symbol>): string {
  return `${spot(at)}: ${kind} ${name}${container === "" ? "" : ` in ${container}`}`;
}
