const longestRecord = 64 * 1024;

/**
 * Reads what a shell says about itself: records between NULs, each beginning with the token it was
 * asked for with. Anything else that ends up on the channel is no record and is dropped.
 */
export class SideRecords {
  readonly #awaited = new Map<string, (rest: string) => void>();
  #pending = "";

  /** Resolves with what follows the token. */
  async expect(token: string): Promise<string> {
    return new Promise((resolve) => {
      this.#awaited.set(token, resolve);
    });
  }

  push(bytes: Buffer): void {
    // latin1 keeps a character that is cut between two chunks; a record is decoded as a whole.
    const parts = (this.#pending + bytes.toString("latin1")).split("\0");
    this.#pending = (parts.pop() ?? "").slice(-longestRecord);
    for (const part of parts) {
      const record = Buffer.from(part, "latin1").toString("utf8");
      const [token = ""] = record.split(" ", 1);
      this.#awaited.get(token)?.(record.slice(token.length + 1));
      this.#awaited.delete(token);
    }
  }
}
