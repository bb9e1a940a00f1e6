/** Takes values out of what a host answers, in every form in which they are commonly written. */
export interface Echoes {
  text(text: string): string;
  stream(): EchoStream;
}

/** Bytes in, bytes without the values out, however they are cut into pieces. */
export interface EchoStream {
  /** What can be given out by now. */
  push(chunk: Uint8Array): Uint8Array;
  /** The rest. */
  end(): Uint8Array;
}

/** Handed in, for only `src/redaction/` knows the forms. */
export type EchoesOf = (values: readonly string[]) => Echoes;
