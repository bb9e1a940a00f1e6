import { join } from "node:path";

/** The checkout. */
export const root = join(import.meta.dirname, "..", "..");

/** Everything that is generated and may be deleted at any time. */
export const out = join(root, "out");
