import * as z from "zod";

/** What a change of a folder's rules means, as it is recorded and shown. */
export const toldRules = z.object({
  /** What is held back less by it, as a sentence; null for nothing. */
  risk: z.nullable(z.string()),
  /** Each rule that goes, changes or comes, as a sentence. */
  says: z.array(z.string()),
  /** Rules that come, as data: what they would have done so far can be looked up. */
  adds: z.array(z.json()),
});
export type ToldRules = z.infer<typeof toldRules>;
