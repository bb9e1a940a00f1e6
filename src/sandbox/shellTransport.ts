import type { CommandWay } from "./commandWay.ts";

/** What a backend brings for one shell: the process, and a warden that commands cannot kill. */
export interface ShellTransport {
  /** Writes to the shell's own stdin, which no command sees. */
  write(text: string): void;
  /**
   * Opens a fresh pair of streams for output, by paths that the shell can open for writing.
   * Null when the place is too full for it.
   */
  openOutput(events: OutputEvents): Promise<OutputPaths | null>;
  /** Every process in the place. Also: all that was asked of the warden before is done. */
  processes(): Promise<readonly number[]>;
  /** SIGINT to the shell and to what it runs in the foreground. */
  interrupt(shell: number): void;
  /** The way to the session's proxy; null in a place without one. */
  readonly way: CommandWay | null;
  /** SIGKILL to every process that is not named; the warden stays. */
  killAllBut(keep: readonly number[]): void;
}

export interface OutputPaths {
  readonly stdout: string;
  readonly stderr: string;
}

export interface OutputEvents {
  readonly stdout: (bytes: Buffer) => void;
  readonly stderr: (bytes: Buffer) => void;
  /** Nobody can write to them any more. */
  readonly ended: () => void;
}

export interface ShellEvents {
  /** Bytes from the shell's own stdout, the side channel. */
  readonly side: (bytes: Buffer) => void;
  /** The shell ended, with its exit code where that is known. */
  readonly ended: (exitCode: number | null) => void;
  /** The place itself is gone. */
  readonly lost: (error: unknown) => void;
}

/** Starts `bash --noprofile --norc --noediting -i`. Throws `sandbox.lost` when the place is gone. */
export type OpenShell = (events: ShellEvents) => Promise<ShellTransport>;
