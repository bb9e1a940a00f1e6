import * as z from "zod";
import type { EditorPlace } from "../core/ports.ts";

/** A file of the user's folder, as a model names it: nothing that leads out of the folder. */
export const filePath = z
  .string()
  .min(1)
  .max(1000)
  .refine(
    (path) =>
      !/[\\\p{Cc}]/u.test(path) &&
      path.split("/").every((name) => name !== "" && name !== "." && name !== ".."),
    "is a path from the folder's root, like src/main.ts",
  );

export const place = z.object({ path: z.string(), line: z.int(), column: z.int() });

/** As many places as one result names. */
export const mostPlaces = 200;

export function spot({ path, line, column }: EditorPlace): string {
  return `${path}:${line}:${column}`;
}

/** A line about what a result leaves out, where it does. */
export function remainder(more: number): readonly string[] {
  return more > 0 ? [`[${more} more; ask for less]`] : [];
}
