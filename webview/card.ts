import type { PanelWait } from "../src/protocol.ts";

/** What stands in the list: one wait, or several alike ones. */
export interface Card {
  readonly element: HTMLElement;
  /** The waits that it shows, as `keyOf` names them. */
  readonly keys: readonly string[];
  /** True once a sentence of the host stands on it that must not vanish unread. */
  readonly refused: boolean;
  /** True from the moment that an answer is on its way. */
  readonly sent: boolean;
  /** It has appeared, changed or moved: for a moment it takes no answer. */
  arm(): void;
  /** The same waits, said again. */
  update(waits: readonly PanelWait[]): void;
  /** An answer was not taken; `nonce` is for the next one, null when there is none. */
  refuse(key: string, sentence: string, nonce: string | null): void;
  /** It is not open any more; what was said about it stays until it was read. */
  close(dismiss: () => void): void;
  remove(): void;
}

/** A wait as it was asked: another question under the same name is another one. */
export function keyOf({ record }: Pick<PanelWait, "record">): string {
  return `${placeOf(record.session, record.wait)}\n${record.digest}`;
}

/** Where a wait stands, whatever it asks. */
export function placeOf(session: string, wait: string): string {
  return `${session}\n${wait}`;
}
