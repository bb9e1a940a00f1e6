import * as z from "zod";
import { egressRequest } from "./egress.ts";

/**
 * What may come of an action, from the least. `R0` reads. `R1` changes the session's own copy.
 * `R2` changes files of the user. `R3` leaves the machine. `R4` changes what governs the agent:
 * rules, secrets, skills, images.
 */
export const riskClass = z.enum(["R0", "R1", "R2", "R3", "R4"]);
export type RiskClass = z.infer<typeof riskClass>;

/** What a part of a command does with its streams, as it is written. */
export const streamChange = z.enum(["2>/dev/null", ">/dev/null", "2>&1"]);
export type StreamChange = z.infer<typeof streamChange>;

/** One simple command of a command line: a program and its arguments, with nothing left for a shell to do. */
export const commandPart = z.object({
  /** What bash would give to `execve`, word for word. */
  argv: z.array(z.string()).min(1),
  /** What runs in its place: the same, with what keeps the program from running others. */
  run: z.array(z.string()).min(1),
  /** How it hangs on the part before it; null for the first. */
  join: z.nullable(z.enum(["then", "and", "or", "pipe"])),
  /** In their order; absent for none. */
  streams: z.exactOptional(z.array(streamChange).min(1)),
  /**
   * `reads`: proven, by the grammar of its program, to read files of the workspace and no more.
   * `secret` and `device`: it names a place where secrets lie, or a device. `unknown`: all else.
   */
  effect: z.enum(["reads", "unknown", "secret", "device"]),
});
export type CommandPart = z.infer<typeof commandPart>;

/** Where an action happens and what it is given there: the part of it that arguments do not say. */
export const actionPlace = z.object({
  /** Digest of the sandbox that it runs in. */
  sandbox: z.string(),
  /** Working directory inside; null where it does not matter. */
  cwd: z.nullable(z.string()),
  /** Names of the variables that it is given; null for those of the session's shell. */
  env: z.nullable(z.array(z.string())),
  /** Names of the proxy rules that it may use; of a typed service, the address that it goes to. */
  network: z.array(z.string()),
  /** Names of the secrets that act for it, never their values. */
  secrets: z.array(z.string()),
  /** Digest of what it reads from its standard input; null for nothing. */
  stdin: z.nullable(z.string()),
  timeoutMs: z.number(),
});
export type ActionPlace = z.infer<typeof actionPlace>;

/** A call of a typed service: what rules about services look at. */
export const serviceCall = z.object({ service: z.string(), args: z.json() });
export type ServiceCall = z.infer<typeof serviceCall>;

/** Exactly what is decided on. Its digest is bound to the decision, and checked again before it starts. */
export const action = z.object({
  session: z.string(),
  tool: z.string(),
  risk: riskClass,
  /** Digest of the arguments, in canonical order. */
  args: z.string(),
  /** For a command: its parts; null when it is not certain what bash would run. Absent for all else. */
  command: z.exactOptional(z.nullable(z.array(commandPart))),
  /** Files that it names, from the root of the workspace. */
  paths: z.array(z.string()),
  /** For a request that wants to leave the sandbox. */
  egress: z.exactOptional(egressRequest),
  service: z.exactOptional(serviceCall),
  place: actionPlace,
});
export type Action = z.infer<typeof action>;
