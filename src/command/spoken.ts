import type { CommandPart } from "../core/action.ts";

/** A part of a command line as it was read, before anything is known of its program. */
export type Spoken = Pick<CommandPart, "argv" | "join" | "streams">;
