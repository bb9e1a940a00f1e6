import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { Cairn, type Finished } from "./cairn.ts";
import { ownProgram } from "./ownProgram.ts";

const built = mkdtempSync(join(tmpdir(), "cairn-own-"));
const cairn = new Cairn(await ownProgram(built));
after(() => {
  cairn.remove();
  rmSync(built, { recursive: true, force: true });
});

/** A terminal in a workspace of its own, with flows of its own. */
class Terminal {
  readonly workspace = cairn.folder();

  async do(...args: readonly string[]): Promise<Finished> {
    return cairn.run([...args, "--workspace", this.workspace]);
  }

  async start(flow: string, input: object | null): Promise<Finished> {
    const model = ["--demo", "--sandbox", "embedded"];
    return this.do("run", "--flow", flow, "--input", JSON.stringify(input), ...model);
  }

  async id(): Promise<string> {
    const [session] = await cairn.sessions(this.workspace);
    assert.ok(session, "there is a session");
    return session.session;
  }

  async output(session?: string): Promise<string> {
    const records = await cairn.records(this.workspace, session ?? (await this.id()));
    const end = records.at(-1);
    assert.ok(end?.kind === "session.ended", `it has ended, and not with ${end?.kind}`);
    return end.output;
  }
}

suite("flows of one's own", { concurrency: 2 }, () => {
  test("a boolean gate and then a structured input in one flow: answered one after the other, each resumes", async () => {
    const here = new Terminal();
    const started = await here.start("survey", null);
    assert.equal(started.code, 3, started.stderr);
    assert.match(started.stdout, /flow survey, version 1/);
    assert.match(started.stdout, /waiting at sure: Are you sure\?\n +\{\n +"cost": 3\n +\}/);
    assert.match(
      started.stderr,
      /Answer "yes" or "no"\.\n +cairn answer .* sure yes\n +cairn abort/,
    );
    const id = await here.id();

    const unclear = await here.do("answer", id, "sure", "perhaps");
    assert.equal(unclear.code, 1);
    assert.match(unclear.stderr, /"perhaps" is no answer to sure\. Answer "yes" or "no"\./);
    const sure = await here.do("answer", id, "sure", "yes");
    assert.equal(sure.code, 3, sure.stderr);
    assert.match(sure.stdout, /the answer fits this schema:\n +\{[\s\S]*"copies"/);

    const misfit = await here.do("answer", id, "order", '{"size":"huge","copies":0}');
    assert.equal(misfit.code, 1);
    assert.match(misfit.stderr, /That is no answer to order: .*size.*It stays open\./s);
    const noJson = await here.do("answer", id, "order", "two large ones");
    assert.match(noJson.stderr, /is no answer to order\. Answer with JSON that fits the schema\./);
    const order = await here.do("answer", id, "order", '{"size":"large","copies":2}');
    assert.equal(order.code, 3, order.stderr);

    const opened = await here.do("answer", id, "release", "open");
    assert.equal(opened.code, 0, opened.stderr);
    assert.match(opened.stdout, /log .*logged\n +\{\n +"asked": 3,\n +"copies": 2/);
    assert.deepEqual(JSON.parse(await here.output()), {
      sure: true,
      order: { size: "large", copies: 2 },
      released: "yes",
    });
    const again = await here.do("answer", id, "sure", "no");
    assert.equal(again.code, 1);
    assert.match(
      again.stderr,
      /already answered by .* \(cli\) at .* UTC, and the first answer counts: sure\./,
    );
  });

  test("a wait that is taken back takes the abort branch, and the flow goes on", async () => {
    const here = new Terminal();
    await here.start("survey", null);
    const id = await here.id();
    assert.equal((await here.do("abort", id, "sure")).code, 3);
    assert.equal((await here.do("abort", id, "order")).code, 3);
    const ended = await here.do("abort", id, "release");
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stdout, /release taken back by .* \(cli\): it ends without an answer/);
    assert.deepEqual(JSON.parse(await here.output()), {
      sure: "aborted",
      order: "aborted",
      released: "aborted",
    });
  });

  /** A session whose process died in the middle of an effect, and now shows its evidence. */
  async function inDoubt() {
    const here = new Terminal();
    const sent = join(here.workspace, "sent.txt");
    const died = await here.start("send", { sent, dieOnce: sent });
    assert.equal(died.signal, "SIGKILL");
    const id = await here.id();
    const asked = await here.do("resume", id);
    assert.equal(asked.code, 3, asked.stderr);
    const times = (): number => readFileSync(sent, "utf8").trimEnd().split("\n").length;
    return { here, id, asked, sent, times };
  }

  test("an effect that may have happened shows what was sent, when and what can be seen, with four answers", async () => {
    const { here, id, asked, sent, times } = await inDoubt();
    const [operation] = readFileSync(sent, "utf8").split(" ");
    assert.match(
      asked.stdout,
      /waiting at send\/inDoubt\/1: This was started and may have happened: post the summary to the wiki\. Did it\?/,
    );
    assert.match(asked.stdout, /started \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: post the summary/);
    assert.match(asked.stdout, new RegExp(`operation ${operation}`));
    assert.match(asked.stdout, /sent:\n +\{\n +"to": "wiki"/);
    assert.match(asked.stdout, /Nothing can be seen of its outcome from here\./);
    assert.match(asked.stderr, /"happened", "happened: RESULT-AS-JSON", "again", "skip" or "stop"/);
    const unclear = await here.do("answer", id, "send/inDoubt/1", "maybe");
    assert.equal(unclear.code, 1);
    assert.equal(times(), 1, "nothing was sent again");

    const answered = await here.do("answer", id, "send/inDoubt/1", 'happened: {"receipt":"r-9"}');
    assert.equal(answered.code, 0, answered.stderr);
    assert.match(answered.stdout, /send \(given by hand\)/);
    assert.equal(await here.output(), "r-9");
    assert.equal(times(), 1);
  });

  test("in doubt, skipped: the flow goes on without the effect", async () => {
    const { here, id, times } = await inDoubt();
    const skipped = await here.do("answer", id, "send/inDoubt/1", "skip");
    assert.equal(skipped.code, 0, skipped.stderr);
    assert.equal(await here.output(), "none");
    assert.equal(times(), 1);
  });

  test("in doubt, stopped: the session fails, names the retry command, and the retry asks again", async () => {
    const { here, id, times } = await inDoubt();
    const stopped = await here.do("answer", id, "send/inDoubt/1", "stop");
    assert.equal(stopped.code, 1);
    assert.match(stopped.stdout, /Stopped at send, which may have happened.*\[flow\.stopped\]/);
    assert.match(stopped.stderr, new RegExp(`cairn retry .*${id}`));
    const retried = await here.do("retry", id);
    assert.equal(retried.code, 3, retried.stderr);
    assert.match(retried.stdout, /waiting at send\/inDoubt\/1/);
    assert.equal(times(), 1);
  });

  test("in doubt, run again: it is sent again under the same idempotency key", async () => {
    const { here, id, sent, times } = await inDoubt();
    // It dies of it once more: what it was told to do is part of its input.
    const died = await here.do("answer", id, "send/inDoubt/1", "again");
    assert.equal(died.signal, "SIGKILL");
    assert.equal(times(), 2);
    const keys = readFileSync(sent, "utf8").trimEnd().split("\n");
    assert.equal(keys[0], keys[1]);
    const asked = await here.do("resume", id);
    assert.match(asked.stdout, /waiting at send\/inDoubt\/2/);
    const skipped = await here.do("answer", id, "send/inDoubt/2", "happened");
    assert.equal(skipped.code, 1, "nothing could be read off, so a result must be given");
    assert.match(skipped.stdout, /The result given for send is not an output of it/);
  });

  test("research → write → publish with the research output overridden gives `PUBLISHED: Draft from edited notes`, a new id, the source unchanged", async () => {
    const here = new Terminal();
    await here.start("article", { topic: "cairns" });
    const source = await here.id();
    assert.equal(await here.output(source), "PUBLISHED: Draft from notes on cairns");
    const before = await cairn.records(here.workspace, source);
    const override = ["--override", "research.output=edited notes"];
    const replayed = await here.do("replay", source, ...override);
    assert.equal(replayed.code, 0, replayed.stderr);
    assert.match(replayed.stdout, new RegExp(`replayed from session ${source}`));
    assert.match(replayed.stdout, /given by hand: research\.output/);
    assert.match(replayed.stdout, /research \(given by hand\)/);
    assert.match(replayed.stdout, /write \(\d+ ms, ran because of other args\)/);
    const id = await here.id();
    assert.notEqual(id, source);
    assert.equal(await here.output(id), "PUBLISHED: Draft from edited notes");
    assert.deepEqual(await cairn.records(here.workspace, source), before);

    const explained = await here.do("explain", id, "write");
    assert.match(explained.stdout, /^write \(write\): run\n/);
    assert.match(
      explained.stdout,
      new RegExp(`It ran: args differ from what session ${source} recorded\\.`),
    );
    assert.match(explained.stdout, /^\* args +[0-9a-f]{64} +\(changed\)$/m);
    const json = await here.do("explain", id, "research", "--json");
    assert.match(json.stdout, /^\{"step":"research",.*"outcome":"override"/);
  });

  test("a replay from a step runs that step and what depends on it; skip keeps a result whatever its inputs are", async () => {
    const here = new Terminal();
    await here.start("article", { topic: "cairns" });
    const source = await here.id();
    const plain = await here.do("replay", source);
    assert.equal(plain.code, 0, plain.stderr);
    assert.match(
      plain.stdout,
      /research \(replayed\)[\s\S]*write \(replayed\)[\s\S]*publish \(replayed\)/,
    );
    const from = await here.do("replay", source, "--at", "write");
    assert.match(from.stdout, /again from write/);
    assert.match(from.stdout, /research \(replayed\)[\s\S]*write \(\d+ ms\)/);
    const input = 'research.input={"topic":"stones"}';
    const kept = await here.do(
      "replay",
      source,
      "--at",
      "research",
      "--override",
      input,
      "--skip",
      "write",
    );
    assert.equal(kept.code, 0, kept.stderr);
    assert.match(kept.stdout, /write \(replayed, skipped\)/);
    assert.equal(await here.output(), "PUBLISHED: Draft from notes on cairns");
    const forked = await here.do("fork", source, "--at", "research", "--override", input);
    assert.equal(forked.code, 0, forked.stderr);
    assert.match(forked.stdout, new RegExp(`forked from session ${source}`));
    assert.equal(await here.output(), "PUBLISHED: Draft from notes on stones");
  });

  test("an overridden input or model needs no --at", async () => {
    const here = new Terminal();
    await here.start("article", { topic: "cairns" });
    const source = await here.id();
    const input = 'research.input={"topic":"stones"}';
    const replayed = await here.do("replay", source, "--override", input);
    assert.equal(replayed.code, 0, replayed.stdout);
    assert.equal(await here.output(), "PUBLISHED: Draft from notes on stones");
  });

  test("wait overrides are explicit: an answer that is overridden is given by hand, the others are served", async () => {
    const here = new Terminal();
    await here.start("survey", null);
    const source = await here.id();
    await here.do("answer", source, "sure", "yes");
    await here.do("answer", source, "order", '{"size":"small","copies":1}');
    await here.do("answer", source, "release", "open");
    const replayed = await here.do("replay", source, "--override", "sure.answer=false");
    assert.equal(replayed.code, 0, replayed.stderr);
    assert.deepEqual(JSON.parse(await here.output()), {
      sure: false,
      order: { size: "small", copies: 1 },
      released: "yes",
    });
    const forked = await here.do("fork", source, "--at", "release");
    assert.equal(forked.code, 3, "a fork asks again where it begins");
    assert.match(forked.stdout, /sure answered by .* \(replay\): true/);
    assert.match(forked.stdout, /waiting at release/);
  });

  test("an effect is not repeated by a replay: its recorded result is served, and a miss says so", async () => {
    const here = new Terminal();
    const sent = join(here.workspace, "sent.txt");
    await here.start("send", { sent, dieOnce: null });
    const source = await here.id();
    const times = (): number => readFileSync(sent, "utf8").trimEnd().split("\n").length;
    assert.equal((await here.do("replay", source, "--at", "send")).code, 0);
    assert.equal(times(), 1);
    const other = ["--at", "send", "--override", 'send.input={"to":"blog"}'];
    const missed = await here.do("replay", source, ...other);
    assert.equal(missed.code, 1);
    assert.match(missed.stdout, /The recording has no result for send.*\[replay\.miss\]/);
    assert.equal(times(), 1);
    const ran = await here.do("replay", source, ...other, "--on-miss", "run");
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(readFileSync(sent, "utf8"), /\{"to":"blog"\}\n$/);
    const forked = await here.do("fork", source, "--at", "send");
    assert.equal(forked.code, 0, forked.stderr);
    assert.equal(times(), 3, "a fork does it anew");
    const keys = new Set(
      readFileSync(sent, "utf8")
        .split("\n")
        .map((line) => line.split(" ")[0]),
    );
    assert.equal(keys.size, 4, "and under a new idempotency key each time");
  });
});
