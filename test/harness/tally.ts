interface Failure {
  readonly name: string;
  /** The file that has the test; null for what is in none. */
  readonly file: string | null;
}

/** Counts what ran and prints it; each check and each test is one. */
export class Tally {
  #passed = 0;
  #failed: Failure[] = [];
  readonly #unsteady: string[] = [];
  readonly #skipped: string[] = [];

  pass(): void {
    this.#passed += 1;
  }

  fail(name: string, detail: string, file: string | null = null): void {
    this.#failed.push({ name, file });
    console.log(`FAIL ${name}\n${detail.trimEnd().replaceAll(/^/gmu, "     ")}\n`);
  }

  skip(name: string, reason: string): void {
    this.#skipped.push(`${name}: ${reason}`);
  }

  get isGreen(): boolean {
    return this.#failed.length === 0;
  }

  /** Files with a test that failed; null when something else did, too. */
  get failedFiles(): readonly string[] | null {
    const files = this.#failed.map(({ file }) => file);
    const known = files.filter((file) => file !== null);
    return known.length === files.length ? [...new Set(known)] : null;
  }

  /** What failed in a file passed when it ran alone: it is said, and it does not count as failed. */
  passedAlone(file: string): void {
    const mended = this.#failed.filter((failure) => failure.file === file);
    this.#failed = this.#failed.filter((failure) => failure.file !== file);
    this.#unsteady.push(...mended.map(({ name }) => name));
    this.#passed += mended.length;
  }

  /** Prints the end of the run; the last line is the count. Gives the exit code. */
  finish(skipsFail: boolean): number {
    for (const skipped of this.#skipped) console.log(`skipped  ${skipped}`);
    for (const name of this.#unsteady) console.log(`unsteady ${name}: passed when it ran alone`);
    for (const { name } of this.#failed) console.log(`failed   ${name}`);
    const skipFailed = skipsFail && this.#skipped.length > 0;
    if (skipFailed) console.log("CAIRN_TEST_REQUIRE=all: a skip is a failure.");
    const nothingRan = this.#passed + this.#failed.length === 0;
    if (nothingRan) console.log("Nothing ran.");
    const counts = [this.#passed, this.#failed.length, this.#skipped.length];
    console.log(`${counts[0]} passed, ${counts[1]} failed, ${counts[2]} skipped`);
    return nothingRan || skipFailed || this.#failed.length > 0 ? 1 : 0;
  }
}
