/** What no sandbox and no host can exceed, whatever the rules say. */
export interface Limits {
  /** Connections of the sandbox at once; more are closed as they come. */
  readonly connections: number;
  readonly headerBytes: number;
  /** For a name, a connection and its TLS together. */
  readonly connectMs: number;
  /** Without a byte. */
  readonly idleMs: number;
  /** From the end of a request to the end of the answer's headers. */
  readonly headersMs: number;
  /** For one request and its answer. */
  readonly totalMs: number;
  /** What an encoded answer may become, where the rule has no limit of its own. */
  readonly unfoldedBytes: number;
}

export const usualLimits: Limits = {
  connections: 256,
  headerBytes: 32 * 1024,
  connectMs: 10_000,
  idleMs: 60_000,
  headersMs: 10 * 60_000,
  totalMs: 60 * 60_000,
  unfoldedBytes: 64 * 1024 * 1024,
};
