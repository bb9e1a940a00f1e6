/** Counts what ran and prints it; each check and each test is one. */
export class Tally {
  #passed = 0;
  readonly #failed: string[] = [];
  readonly #skipped: string[] = [];

  pass(): void {
    this.#passed += 1;
  }

  fail(name: string, detail: string): void {
    this.#failed.push(name);
    console.log(`FAIL ${name}\n${detail.trimEnd().replaceAll(/^/gmu, "     ")}\n`);
  }

  skip(name: string, reason: string): void {
    this.#skipped.push(`${name}: ${reason}`);
  }

  /** Prints the end of the run; the last line is the count. Gives the exit code. */
  finish(skipsFail: boolean): number {
    for (const skipped of this.#skipped) console.log(`skipped  ${skipped}`);
    for (const failed of this.#failed) console.log(`failed   ${failed}`);
    const skipFailed = skipsFail && this.#skipped.length > 0;
    if (skipFailed) console.log("CAIRN_TEST_REQUIRE=all: a skip is a failure.");
    const nothingRan = this.#passed + this.#failed.length === 0;
    if (nothingRan) console.log("Nothing ran.");
    const counts = [this.#passed, this.#failed.length, this.#skipped.length];
    console.log(`${counts[0]} passed, ${counts[1]} failed, ${counts[2]} skipped`);
    return nothingRan || skipFailed || this.#failed.length > 0 ? 1 : 0;
  }
}
