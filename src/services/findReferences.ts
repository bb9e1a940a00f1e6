import * as z from "zod";
import type { EditorFacts } from "../core/ports.ts";
import { defineService, type Service } from "../core/service.ts";
import { filePath, mostPlaces, place, remainder, spot } from "./places.ts";

/** Where a name is used, by the editor's language servers. */
export function findReferences(editor: EditorFacts): Service {
  return defineService({
    name: "find_references",
    description:
      "Finds where a name of the user's own folder is used, by the editor's language servers. Your changes are not in it before they are applied.",
    args: z.strictObject({
      path: filePath.describe("The file, from the folder's root."),
      line: z.int().min(1).describe("A line of it, counted from 1."),
      symbol: z.string().min(1).max(200).describe("The name, as it stands on that line."),
    }),
    result: z.object({ references: z.array(place), more: z.int() }),
    effect: "reads",
    secrets: [],
    needsEditor: true,
    what: ({ path, line, symbol }) => `find references of ${symbol} at ${path}:${line}`,
    says: ({ references, more }) =>
      references.length === 0
        ? "No language server knows a reference of it."
        : [...references.map(spot), ...remainder(more)].join("\n"),
    handler: async ({ args }) => {
      const found = await editor.references(args);
      const references = found.slice(0, mostPlaces);
      return { references, more: found.length - references.length };
    },
  });
}
