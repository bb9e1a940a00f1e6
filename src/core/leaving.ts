import { canonical } from "./canonical.ts";
import type { EgressReport, EgressRequest } from "./egress.ts";
import { listed, requestWords } from "./egressWords.ts";
import type { Flow } from "./flow.ts";
import type { FlowContext } from "./flowDefinition.ts";
import { timed } from "./permit.ts";
import type { WayOut } from "./ports.ts";
import type { SandboxProxyRule } from "./proxyRule.ts";
import { decision, jsonValue, type Decision, type JsonValue, type ToolOutput } from "./records.ts";
import type { WaitSubject } from "./waitSubject.ts";
import {
  cardsOf,
  egressAction,
  egressSubject,
  hadSecret,
  isMendable,
  keyOf,
  refusedIn,
  refusedLines,
  type AskedCard,
  type RefusedRequest,
} from "./refusedRequests.ts";
import { approval, type WaitAnswer } from "./waits.ts";

type EgressSubject = Extract<WaitSubject, { kind: "egress" }>;

type LeavingParts = Pick<FlowContext, "permissions" | "session" | "spec" | "wayOut" | "world">;

/** A command, by its step and by what ran. */
interface Ran {
  readonly id: string;
  readonly what: string;
}

/**
 * What one session's commands may reach, from one command to the next: what the operator said yes
 * to for the next one, and to what no. Made anew by each run of the flow, from what is on record.
 */
export class Leaving {
  readonly #context: LeavingParts;
  #once: readonly SandboxProxyRule[] = [];
  readonly #rejected = new Set<string>();

  constructor(context: LeavingParts) {
    this.#context = context;
  }

  /**
   * Runs a command by the rules as they are now. What it was refused is a part of its result.
   * `sends` resolves when it is on record that the command sends something that may change something.
   */
  async around(
    run: () => Promise<ToolOutput>,
    sends: (request: string) => Promise<void>,
  ): Promise<ToolOutput> {
    const { wayOut } = this.#context;
    if (wayOut === null) return run();
    await wayOut.renew(this.#once);
    wayOut.hold(async (request) => this.#send(request, sends));
    const output = await this.#closing(wayOut, run);
    const refused: RefusedRequest[] = [];
    for (const report of await wayOut.takeRefused())
      refused.push(await this.#decided(wayOut, report));
    if (refused.length === 0) return output;
    const data = { ...fieldsOf(output.data), refused: jsonValue.parse(refused) };
    const text = [output.text, ...refusedLines(refused)].filter(Boolean).join("\n");
    return { ...output, text, data };
  }

  /**
   * Asks about what a command was refused, once that is on record; resolves with what the model is
   * told. The command is never run again by itself. Throws `Parked` while a question is open.
   */
  async asked(ran: Ran, flow: Flow, output: ToolOutput): Promise<ToolOutput> {
    this.#once = [];
    const all = refusedIn(output);
    if (all.length === 0) return output;
    const isRejected = ({ request, verdict }: RefusedRequest): boolean =>
      verdict === "ask" && request !== null && this.#rejected.has(keyOf(request));
    const before = all.filter(isRejected);
    const { cards, tooMuch, unnamed } = cardsOf(all.filter((one) => !before.includes(one)));
    const answers = await flow.parallel(
      cards.map(
        (card, index) => async (branch: Flow) =>
          this.#ask(card, { ...ran, id: `${ran.id}/egress/${index + 1}` }, branch),
      ),
    );
    const lines = [
      ...answers,
      ...wordsOf(before, "was rejected by the operator before: do without it."),
      ...wordsOf(tooMuch, "was not asked about: ask for fewer addresses at once."),
      ...wordsOf(
        unnamed.filter(hadSecret),
        "was not asked about: a secret stands in its address, so nobody is shown it and no rule can name it. Do without it.",
      ),
      ...wordsOf(
        unnamed.filter((one) => !hadSecret(one)),
        "was not asked about: no rule can name this address. Do without it.",
      ),
    ];
    if (lines.length === 0) return output;
    return { ...output, text: [output.text, ...lines].join("\n") };
  }

  /** A yes for one command ends with it, however that ends, and so does what holds its requests. */
  async #closing(wayOut: WayOut, run: () => Promise<ToolOutput>): Promise<ToolOutput> {
    try {
      return await run();
    } finally {
      wayOut.hold(null);
      if (this.#once.length > 0) await wayOut.renew([]);
    }
  }

  /** What a replay did not record it does not do in earnest, but where it was told to. */
  async #send(request: EgressRequest, sends: (request: string) => Promise<void>): Promise<void> {
    const { replayOf, derivation } = this.#context.spec;
    // A plain replay of an older store says no more than whose it is.
    const isReplay = replayOf !== null && derivation?.mode !== "fork";
    if (isReplay && derivation?.onMiss !== "run") {
      throw new Error("a replay sends nothing");
    }
    await sends(requestWords(request));
  }

  async #decided(
    wayOut: WayOut,
    { request, refused: code }: EgressReport,
  ): Promise<RefusedRequest> {
    if (code === null) throw new Error("a request that went out was reported as refused");
    const open = { request, code, verdict: null, why: "", rule: null };
    if (request === null || !isMendable(code)) {
      await this.#note(wayOut, open);
      return open;
    }
    const { verdict, rule, why } = await this.#context.permissions.decide(
      egressAction(this.#context, request),
    );
    // What a rule denies was asked of the rules already: a rule that allows cannot mend it.
    const mended = verdict === "allow" && code === "proxy.denied" ? null : verdict;
    const decided = { ...open, verdict: mended, why, rule: rule?.sentence ?? null };
    await this.#note(wayOut, decided);
    if (mended !== "ask") return decided;
    const { near, ready } = await wayOut.about(request);
    return {
      ...decided,
      ...(near === null ? {} : { near: placeOf(near) }),
      ...(ready === null ? {} : { ready }),
    };
  }

  async #note(wayOut: WayOut, { request, code, verdict, why }: RefusedRequest): Promise<void> {
    if (request === null) return;
    const said = [code, ...(verdict === null ? [] : [verdict]), ...(why === "" ? [] : [why])];
    await wayOut.decided(egressAction(this.#context, request), said.join(", "));
  }

  async #ask(card: AskedCard, ran: Ran, flow: Flow): Promise<string> {
    const subject = egressSubject(this.#context, card, ran.what);
    if (subject === null) throw new Error("a card was made of nothing");
    const words = cardWords(card);
    const answer = await flow.wait(ran.id, {
      ...approval(`Let ${words} leave the sandbox?`, subject, timed(this.#context)),
      sameAs: (other) => asksTheSame(other, subject),
    });
    const { approved, says } = outcomeOf(words, answer);
    if (!approved) this.#rejected.add(card.key);
    else if (answer.by.surface !== "policy" && answer.by.surface !== "replay") {
      const ready =
        subject.ready === undefined || grantOf(answer) !== "ready" ? [] : [subject.ready.proxy];
      this.#once = [...this.#once, card.proxy, ...ready];
    }
    return says;
  }
}

function placeOf({ addresses, authority }: SandboxProxyRule) {
  return {
    ...(addresses === undefined ? {} : { addresses }),
    ...(authority === undefined ? {} : { authority }),
  };
}

function outcomeOf(
  words: string,
  answer: WaitAnswer<Decision>,
): { readonly approved: boolean; readonly says: string } {
  if (answer.ended !== null) {
    const why =
      answer.ended === "expired" ? "nobody answered in time" : "the question was taken back";
    return { approved: false, says: `${words} was not allowed: ${why}. Do without it.` };
  }
  const { approved, note } = answer.value;
  if (!approved) {
    const why = note === "" ? "no reason given" : note;
    return { approved, says: `The operator rejected ${words}: ${why}. Do without it.` };
  }
  const who = answer.by.surface === "policy" ? "A rule" : "The operator";
  return { approved, says: `${who} allows ${words} now. Run the command again.` };
}

function grantOf(answer: WaitAnswer<Decision>): Decision["grant"] {
  return answer.ended === null ? decision.parse(answer.value).grant : undefined;
}

function cardWords({ refused }: AskedCard): string {
  const words = refused.map(({ request }) => requestWords(request));
  const more = words.length - 3;
  return more > 0 ? `${words.slice(0, 3).join(", ")} and ${more} more like it` : listed(words);
}

/** One line for many that have the same answer. */
function wordsOf(refused: readonly RefusedRequest[], says: string): readonly string[] {
  const [first] = refused;
  if (first?.request === undefined || first.request === null) return [];
  const more = refused.length - 1;
  return [`${requestWords(first.request)}${more === 0 ? "" : ` and ${more} more`} ${says}`];
}

/** Whether another session was asked the same. */
function asksTheSame(other: WaitSubject, mine: EgressSubject): boolean {
  return other.kind === "egress" && canonical(essence(other)) === canonical(essence(mine));
}

function essence({ actions = [], ...subject }: EgressSubject): JsonValue {
  return { ...subject, actions: actions.map((action) => ({ ...action, session: "" })) };
}

function fieldsOf(data: JsonValue | undefined): Readonly<Record<string, JsonValue>> {
  return typeof data === "object" && data !== null && !Array.isArray(data) ? data : {};
}
